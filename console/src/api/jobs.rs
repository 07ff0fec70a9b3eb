//! `/jobs`: what each query does with its time.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, Utc};
use contracts::family::CUBE_FAMILY;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio_postgres::types::ToSql;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::Answer;
use super::line::{known, reported};
use super::tag::{self, Look, of_looks};
use crate::access::Visitor;
use crate::app::App;
use crate::line::jobs::{BatchView, FaultView, JobView, QueryView, job, of_name};
use crate::problem::Problem;
use crate::watch::ops::{Batch, Fault, query_names};
use crate::watch::{Refused, words};

/// How long PostgreSQL may take.
const ANSWER: Duration = Duration::from_secs(2);
/// Rows of an answer at most, and usually.
const MOST: i64 = 500;
const USUAL: i64 = 120;

/// Of the newest revision unless told otherwise: the primary key's order.
const BATCHES: &str = "
    select to_json(b)::text from ops.job_batch b
    where query = $1 and revision = $2 and started_at < coalesce($3::timestamptz, 'infinity')
    order by started_at desc limit $4";

const FAULTS: &str = "
    select to_json(f)::text from ops.job_fault f
    where job = $1 and query = $2 and fault_id < coalesce($3, 9223372036854775807)
    order by fault_id desc limit $4";

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(the_job))
        .routes(routes!(one_query))
        .routes(routes!(batches))
        .routes(routes!(faults))
}

/// The job, its supervisor and all its queries.
#[utoipa::path(get, path = "/jobs", tag = "jobs",
    responses((status = 200, body = Answer<JobView>), (status = 304), (status = 503, body = Problem)))]
async fn the_job(State(app): State<App>, _visitor: Visitor, headers: HeaderMap) -> Result<Response, Problem> {
    let (snapshot, now) = (app.watch.snapshot(), Utc::now());
    known(&snapshot)?;
    let freshness = reported(&snapshot.ops, now);
    let tag = of_looks(app.hub.epoch(), &Look::at_line(&snapshot), now);
    Ok(tag::known(&headers, &tag, &Answer::new(job(&snapshot, now), freshness, None)))
}

fn unknown(name: &str) -> Problem {
    let names = query_names().collect::<Vec<_>>().join(", ");
    Problem::not_found(format!("the job has no query {name:?}; it has {names}"))
}

/// One query.
#[utoipa::path(get, path = "/jobs/{query}", tag = "jobs", params(("query" = String, Path)), responses(
    (status = 200, body = Answer<QueryView>), (status = 304), (status = 404, body = Problem), (status = 503, body = Problem)))]
async fn one_query(
    State(app): State<App>,
    _visitor: Visitor,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (snapshot, now) = (app.watch.snapshot(), Utc::now());
    let data = of_name(&snapshot, &name, now).ok_or_else(|| unknown(&name))?;
    known(&snapshot)?;
    let freshness = data.freshness.clone();
    let tag = of_looks(app.hub.epoch(), &Look::at_line(&snapshot), now);
    Ok(tag::known(&headers, &tag, &Answer::new(data, freshness, None)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Page {
    /// `next` of the answer before.
    after: Option<String>,
    /// 1 to 500, usually 120.
    limit: Option<i64>,
    /// Of micro-batches: another revision than that whose figures are shown.
    revision: Option<i64>,
}

impl Page {
    fn limit(&self) -> Result<i64, Problem> {
        let limit = self.limit.unwrap_or(USUAL);
        if (1..=MOST).contains(&limit) {
            return Ok(limit);
        }
        Err(Problem::bad_request("bad-choice", format!("`limit` is from 1 to {MOST}")))
    }

    fn after<T: std::str::FromStr>(&self) -> Result<Option<T>, Problem> {
        let parsed = |after: &String| {
            after.parse().map_err(|_| {
                Problem::bad_request(
                    "bad-choice",
                    "`after` is not what `next` of an answer said: leave it out",
                )
            })
        };
        self.after.as_ref().map(parsed).transpose()
    }
}

/// Micro-batches of a query.
#[derive(Debug, Serialize, ToSchema)]
struct Batches {
    /// The newest first.
    batches: Vec<BatchView>,
}

/// Micro-batches of a query, of the last 48 hours, with the time of each phase.
#[utoipa::path(get, path = "/jobs/{query}/batches", tag = "jobs", params(("query" = String, Path), Page), responses(
    (status = 200, body = Answer<Batches>), (status = 400, body = Problem), (status = 404, body = Problem),
    (status = 503, body = Problem)))]
async fn batches(
    State(app): State<App>,
    _visitor: Visitor,
    Path(name): Path<String>,
    Query(page): Query<Page>,
) -> Result<Json<Answer<Batches>>, Problem> {
    let (snapshot, now) = (app.watch.snapshot(), Utc::now());
    let query = of_name(&snapshot, &name, now).ok_or_else(|| unknown(&name))?;
    let (limit, after) = (page.limit()?, page.after::<DateTime<Utc>>()?);
    let revision = page.revision.or(query.revision).unwrap_or(0);
    let rows: Vec<Batch> = ask(&app, BATCHES, &[&name, &revision, &after, &limit]).await?;
    let next =
        full(&rows, limit).map(|last| last.started_at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true));
    let data = Batches { batches: rows.iter().map(BatchView::from).collect() };
    Ok(Json(Answer::new(data, query.freshness, next)))
}

/// Why a query ended, each time.
#[derive(Debug, Serialize, ToSchema)]
struct Faults {
    /// The newest first.
    faults: Vec<FaultView>,
}

/// Exceptions that a query ended with, whole.
#[utoipa::path(get, path = "/jobs/{query}/faults", tag = "jobs", params(("query" = String, Path), Page), responses(
    (status = 200, body = Answer<Faults>), (status = 400, body = Problem), (status = 404, body = Problem),
    (status = 503, body = Problem)))]
async fn faults(
    State(app): State<App>,
    _visitor: Visitor,
    Path(name): Path<String>,
    Query(page): Query<Page>,
) -> Result<Json<Answer<Faults>>, Problem> {
    let (snapshot, now) = (app.watch.snapshot(), Utc::now());
    let query = of_name(&snapshot, &name, now).ok_or_else(|| unknown(&name))?;
    let (limit, after) = (page.limit()?, page.after::<i64>()?);
    let rows: Vec<Fault> = ask(&app, FAULTS, &[&CUBE_FAMILY.name, &name, &after, &limit]).await?;
    let next = full(&rows, limit).map(|last| last.fault_id.to_string());
    let data = Faults { faults: rows.iter().map(FaultView::from).collect() };
    Ok(Json(Answer::new(data, query.freshness, next)))
}

/// The last row of an answer that has as many as were asked for: there may be more.
fn full<T>(rows: &[T], limit: i64) -> Option<&T> {
    rows.last().filter(|_| usize::try_from(limit).is_ok_and(|limit| rows.len() >= limit))
}

/// Documents, one a row.
async fn ask<T: DeserializeOwned>(
    app: &App,
    statement: &str,
    values: &[&(dyn ToSql + Sync)],
) -> Result<Vec<T>, Problem> {
    let asked = async {
        let client = app.pool.get().await?;
        let statement = client.prepare_cached(statement).await?;
        let rows = client.query(&statement, values).await?;
        rows.iter().map(|row| Ok(serde_json::from_str(row.try_get(0)?)?)).collect::<Result<Vec<T>, Refused>>()
    };
    match tokio::time::timeout(ANSWER, asked).await {
        Ok(Ok(rows)) => Ok(rows),
        Ok(Err(error)) => Err(Problem::store_away("PostgreSQL", words(&*error))),
        Err(_) => Err(Problem::store_away("PostgreSQL", format!("no answer within {} s", ANSWER.as_secs()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_is_not_full_is_the_last() {
        assert_eq!(full(&[1, 2, 3], 3), Some(&3));
        assert_eq!(full(&[1, 2], 3), None);
        assert_eq!(full::<i32>(&[], 1), None);
    }

    #[test]
    fn what_cannot_be_a_page_is_refused() {
        let page =
            |after: &str, limit| Page { after: Some(after.to_owned()), limit: Some(limit), revision: None };
        assert!(
            page("7", 0).limit().is_err()
                && page("7", 501).limit().is_err()
                && page("7", 500).limit().is_ok()
        );
        assert_eq!(page("7", 1).after::<i64>().ok().flatten(), Some(7));
        assert!(page("x", 1).after::<i64>().is_err());
    }
}
