//! `/api/v1/shop`: the shop's figures of a period.

mod explain;

use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::family::{HOURS, LIVE};
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::{Answer, PeriodBounds};
use super::tag::{has, tagged};
use crate::app::App;
use crate::figures::breakdown::Slice;
use crate::figures::live::kept_by;
use crate::figures::reader::by_product;
use crate::figures::series::{MAX_POINTS, STEPS, step_for};
use crate::figures::view::{Breakdown, By, Funnel, Hours, Measure, Now, Part, Series, Totals, Visitors};
use crate::figures::{self, Asking, Look};
use crate::panel::{Against, Viewing};
use crate::problem::Problem;
use crate::watch::Snapshot;
use crate::watch::shop::Kept;

/// What was read longer ago is read anew before it is told.
const FRESH: TimeDelta = TimeDelta::seconds(3);
/// How long an answer waits for that.
const WAIT: Duration = Duration::from_secs(3);
/// Rows of a breakdown at most.
const MAX_ROWS: usize = 200;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(now))
        .routes(routes!(totals))
        .routes(routes!(series))
        .routes(routes!(breakdown))
        .routes(routes!(funnel))
        .routes(routes!(hours))
        .routes(routes!(visitors))
        .routes(routes!(explain::explain))
}

/// The newest that is known: while nobody looks the poller is slow, so a question waits for a newer round.
async fn snapshot(app: &App) -> Result<Snapshot, Problem> {
    let old = |snapshot: &Snapshot| {
        snapshot.shop.read_at.is_none_or(|read_at| Utc::now() - read_at > FRESH)
            && snapshot.shop.away.is_none()
    };
    let mut snapshot = app.watch.snapshot();
    if old(&snapshot) {
        let mut news = app.watch.shop.subscribe();
        let _looking = app.watch.look();
        // What does not come in time is told as old as it is.
        let _ = tokio::time::timeout(WAIT, news.changed()).await;
        snapshot = app.watch.snapshot();
    }
    match (&snapshot.shop.value, &snapshot.shop.away) {
        (None, Some(away)) => Err(Problem::store_away("Cassandra", &away.why)),
        (None, None) => Err(Problem::store_away("Cassandra", "nothing was read of it yet")),
        (Some(_), _) => Ok(snapshot),
    }
}

/// What an answer is recognised by: a period that is over changes only where figures were written anew.
fn etag(app: &App, look: &Look<'_>, what: &str) -> (String, bool) {
    let over = look.period.is_over(look.now);
    let seconds = |at: DateTime<Utc>| at.timestamp();
    let compared = look.period.compared.as_ref().map_or((0, 0), |c| (seconds(c.from), seconds(c.to)));
    let stretch = format!(
        "{what}.{}.{}.{}.{}.{}",
        seconds(look.period.whole.from),
        seconds(look.period.whole.to),
        compared.0,
        compared.1,
        look.period.zone.name(),
    );
    let tag = if over {
        format!("\"{stretch}.{}\"", look.shop.revision)
    } else {
        let read_at = look.snapshot.shop.read_at.map_or(0, |at| at.timestamp_micros());
        format!("\"{}.{read_at}.{stretch}\"", app.hub.epoch())
    };
    (tag.replace(' ', "_"), over)
}

/// Answers what a look at a period tells, unless who asks has it.
async fn answer<T: Serialize>(
    app: &App,
    headers: &HeaderMap,
    asking: &Asking,
    what: &str,
    tell: impl AsyncFnOnce(&Look<'_>) -> Result<(Part<T>, Option<String>), Problem>,
) -> Result<Response, Problem> {
    let asked = asking.understand(app.config.time_zone, Utc::now())?;
    let snapshot = snapshot(app).await?;
    let Some(look) = Look::at(&app.shop, &snapshot, &asked, Utc::now()) else {
        return Err(Problem::store_away("Cassandra", "nothing was read of it yet"));
    };
    let (tag, over) = etag(app, &look, what);
    if has(headers, &tag) {
        return Ok(tagged(StatusCode::NOT_MODIFIED.into_response(), &tag, over));
    }
    let (part, next) = tell(&look).await?;
    let answer = told(part, Some(look.period.told()), next)?;
    Ok(tagged(Json(answer).into_response(), &tag, over))
}

fn told<T>(part: Part<T>, period: Option<PeriodBounds>, next: Option<String>) -> Result<Answer<T>, Problem> {
    let Some(data) = part.data else {
        return Err(Problem::store_away("Cassandra", part.why.unwrap_or_default()));
    };
    Ok(Answer { data, period, freshness: part.freshness, proof: part.proof, next })
}

/// How the shop does now
#[utoipa::path(get, path = "/shop/now", params(OfNow), tag = "shop",
    responses(
        (status = 200, body = Answer<Now>), (status = 304), (status = 400, body = Problem),
        (status = 503, body = Problem)))]
async fn now(
    State(app): State<App>,
    Query(of): Query<OfNow>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asking = Asking { tz: of.tz.clone(), compare: of.compare.clone(), ..Asking::default() };
    let against = match of.compare.as_deref() {
        None => Against::default(),
        Some(word) => word.parse().map_err(|()| {
            Problem::bad_request("bad-period", "today is compared with yesterday or last-week")
        })?,
    };
    answer(&app, &headers, &asking, "now", async |look| {
        let viewing = Viewing { zone: look.period.zone, against };
        Ok((figures::Live::of(look.snapshot, &viewing, look.now).now(), None))
    })
    .await
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct OfNow {
    /// IANA name of the zone that today is of.
    tz: Option<String>,
    /// `yesterday` or `last-week`.
    compare: Option<String>,
}

/// All measures of a period, and how they changed
#[utoipa::path(get, path = "/shop/totals", params(Asking), tag = "shop",
    responses(
        (status = 200, body = Answer<Totals>), (status = 304), (status = 400, body = Problem),
        (status = 503, body = Problem)))]
async fn totals(
    State(app): State<App>,
    Query(asking): Query<Asking>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    answer(&app, &headers, &asking, "totals", async |look| {
        let sides = look.sides().await?;
        Ok((look.teller().cube(Kept::Activity, &look.period, Ok(look.totals(&sides))), None))
    })
    .await
}

/// Events per 100 visits
#[utoipa::path(get, path = "/shop/funnel", params(Asking), tag = "shop",
    responses(
        (status = 200, body = Answer<Funnel>), (status = 304), (status = 400, body = Problem),
        (status = 503, body = Problem)))]
async fn funnel(
    State(app): State<App>,
    Query(asking): Query<Asking>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    answer(&app, &headers, &asking, "funnel", async |look| {
        let funnel = figures::live::funnel_of(&look.sides().await?);
        Ok((look.teller().cube(Kept::Activity, &look.period, Ok(funnel)), None))
    })
    .await
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct OfSeries {
    /// `net` without.
    measure: Option<String>,
    /// In s: 60, 300, 600, 900, 1800, 3600, 21600 or 86400; chosen by the length of the period without.
    step: Option<i64>,
}

/// A measure over time
#[utoipa::path(get, path = "/shop/series", params(Asking, OfSeries), tag = "shop",
    responses(
        (status = 200, body = Answer<Series>), (status = 304), (status = 400, body = Problem),
        (status = 404, body = Problem), (status = 503, body = Problem)))]
async fn series(
    State(app): State<App>,
    Query(asking): Query<Asking>,
    Query(of): Query<OfSeries>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let measure = measure(of.measure.as_deref(), Kept::Activity.grouping())?;
    let given = match of.step {
        None => None,
        Some(step) => Some(STEPS.into_iter().find(|own| own.num_seconds() == step).ok_or_else(|| {
            let known = STEPS.map(|step| step.num_seconds().to_string()).join(", ");
            Problem::bad_request("bad-period", format!("there is no step of {step} s: use {known}"))
        })?),
    };
    let what = format!("series.{}.{}", measure.word(), of.step.unwrap_or_default());
    answer(&app, &headers, &asking, &what, async |look| {
        let length = look.period.whole.length();
        let step = given.unwrap_or_else(|| step_for(length));
        let points = i32::try_from(MAX_POINTS).unwrap_or_default();
        if length > step * points {
            return Err(Problem::period_too_long(step * points));
        }
        let series = look.series(measure, step).await?;
        Ok((look.teller().cube(Kept::Activity, &look.period, Ok(series)), None))
    })
    .await
}

fn measure(word: Option<&str>, grouping: &contracts::cube::Grouping) -> Result<Measure, Problem> {
    let known = || Measure::all().filter(|measure| measure.is_in(grouping));
    let Some(word) = word else { return Ok(Measure::Net) };
    Measure::of(word).filter(|measure| measure.is_in(grouping)).ok_or_else(|| {
        let known: Vec<_> = known().map(Measure::word).collect();
        Problem::not_found(format!("{} has no measure {word:?}: use {}", grouping.table, known.join(", ")))
    })
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct OfBreakdown {
    /// `country`, `category`, `channel`, `device`, `gender`, `age_band` or `product`.
    by: String,
    /// `net` without.
    measure: Option<String>,
    /// 50 without, 200 at most.
    limit: Option<usize>,
    /// The key of the last row that one has: `next` of the answer.
    after: Option<String>,
}

/// A measure by the values of one dimension, the greatest first
#[utoipa::path(get, path = "/shop/breakdown", params(Asking, OfBreakdown), tag = "shop",
    responses(
        (status = 200, body = Answer<Breakdown>), (status = 304), (status = 400, body = Problem),
        (status = 404, body = Problem), (status = 503, body = Problem)))]
async fn breakdown(
    State(app): State<App>,
    Query(asking): Query<Asking>,
    Query(of): Query<OfBreakdown>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let by = By::of(&of.by).ok_or_else(|| {
        let known = By::ALL.map(By::word).join(", ");
        Problem::not_found(format!("nothing is broken down by {:?}: use {known}", of.by))
    })?;
    let grouping = kept_by(by).map_or_else(by_product, |(kept, _)| kept.grouping());
    let measure = measure(of.measure.as_deref(), grouping)?;
    let limit = of.limit.unwrap_or(50);
    if limit == 0 || limit > MAX_ROWS {
        return Err(Problem::bad_request("bad-limit", format!("limit is from 1 to {MAX_ROWS}")));
    }
    let after = of.after.as_deref();
    let asked: String = after.unwrap_or_default().bytes().map(|byte| format!("{byte:02x}")).collect();
    let what = format!("{}.{}.{}.{limit}.{asked}", grouping.table, by.word(), measure.word());
    answer(&app, &headers, &asking, &what, async |look| {
        let told = look.breakdown(by, measure, &Slice { limit, after }).await?;
        let next = told.rest.as_ref().and(told.rows.last()).map(|row| row.key.clone());
        let (to, as_of) = (look.period.closed.to, look.coverage.as_of);
        Ok((look.teller().part("cube", grouping.table, to, as_of, Ok(told)), next))
    })
    .await
}

/// The hours of a period
#[utoipa::path(get, path = "/shop/hours", params(Asking), tag = "shop",
    responses(
        (status = 200, body = Answer<Hours>), (status = 304), (status = 400, body = Problem),
        (status = 503, body = Problem)))]
async fn hours(
    State(app): State<App>,
    Query(asking): Query<Asking>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    answer(&app, &headers, &asking, "hours", async |look| {
        let longest = TimeDelta::hours(1) * i32::try_from(MAX_POINTS).unwrap_or_default();
        figures::reader::limit(look.period.whole, longest)?;
        let (hours, to) = (look.hours().await?, look.period.closed.to);
        Ok((look.teller().part("hours", HOURS.tables[0].table, to, look.coverage.as_of, Ok(hours)), None))
    })
    .await
}

/// Distinct visitors: of five minutes each, and bounds of the period
#[utoipa::path(get, path = "/shop/visitors", params(Asking), tag = "shop",
    responses(
        (status = 200, body = Answer<Visitors>), (status = 304), (status = 400, body = Problem),
        (status = 503, body = Problem)))]
async fn visitors(
    State(app): State<App>,
    Query(asking): Query<Asking>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    answer(&app, &headers, &asking, "visitors", async |look| {
        let (visitors, to) = (look.visitors(MAX_POINTS).await?, look.period.closed.to);
        let newest = look.newest_window();
        Ok((look.teller().part("live", LIVE.tables[0].table, to, newest, Ok(visitors)), None))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measure_is_one_of_the_table_that_is_asked() {
        let activity = Kept::Activity.grouping();
        assert_eq!(measure(None, activity).unwrap(), Measure::Net);
        assert_eq!(measure(Some("orders"), activity).unwrap(), Measure::Orders);
        assert!(measure(Some("orders"), by_product()).is_err(), "no order belongs whole to a product");
        assert!(measure(Some("users"), activity).is_err(), "distinct counts do not add up");
    }
}
