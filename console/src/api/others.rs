//! What is kept beside the figures: counts by source and name. Never what an event says.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::Answer;
use super::schemas::freshness;
use super::tag::{has, tagged};
use crate::access::Visitor;
use crate::app::App;
use crate::problem::Problem;
use crate::watch::Seen;
use crate::watch::others::Others;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(others))
}

/// Events that arrived and are in no figure, by source and name: those that our vocabulary has no word for, and
/// those of programs.
#[utoipa::path(get, path = "/other-events", tag = "line", responses(
    (status = 200, body = Answer<Others>), (status = 304), (status = 503, body = Problem)))]
async fn others(_visitor: Visitor, State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    let seen = app.watch.others.borrow().clone();
    let tag = etag(app.hub.epoch(), &seen);
    if has(&headers, &tag) {
        return Ok(tagged(StatusCode::NOT_MODIFIED.into_response(), &tag, false));
    }
    let freshness = freshness(&seen);
    let data = seen.value.ok_or_else(|| {
        let why = seen.away.map_or_else(|| "it has not been counted yet".to_owned(), |away| away.why);
        Problem::store_away("PostgreSQL", why)
    })?;
    let answer = Answer::new(data.as_ref().clone(), freshness, None);
    Ok(tagged(Json(answer).into_response(), &tag, false))
}

/// What an answer is recognised by: when it was read, and since when no newer one comes.
fn etag(epoch: &str, seen: &Seen<Others>) -> String {
    let read_at = seen.read_at.map_or(0, |at| at.timestamp_micros());
    let away = seen.away.as_ref().map_or(0, |away| away.since.timestamp_micros());
    format!("\"{epoch}.other-events.{read_at}.{away}\"")
}

#[cfg(test)]
mod tests {
    use chrono::{TimeDelta, Utc};

    use super::*;
    use crate::watch::Away;

    #[test]
    fn a_source_that_goes_away_makes_another_answer() {
        let at = Utc::now();
        let seen = Seen { value: None, read_at: Some(at), away: None };
        let later = Seen { read_at: Some(at + TimeDelta::seconds(10)), ..seen.clone() };
        let away = Seen { away: Some(Away { since: at, why: "gone".into() }), ..seen.clone() };
        assert_eq!(etag("e", &seen), etag("e", &seen.clone()));
        for other in [etag("e", &later), etag("e", &away), etag("f", &seen)] {
            assert_ne!(etag("e", &seen), other);
        }
    }
}
