//! `/topics`: what is in Kafka.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::response::sse::Event;
use futures::Stream;
use serde::Serialize;
use tokio::sync::mpsc::Receiver;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::{Answer, Freshness, FreshnessState};
use super::events;
use super::tag::{self, Look, of_looks};
use crate::access::Visitor;
use crate::app::App;
use crate::problem::Problem;
use crate::topics::asked::Asked;
use crate::topics::search::Found;
use crate::topics::tail::Rows;
use crate::watch::Seen;
use crate::watch::kafka::Topic;

/// How long a search may take.
const SEARCH: Duration = Duration::from_secs(10);
/// How old what is known of the topics may be.
const LIVE: chrono::TimeDelta = chrono::TimeDelta::seconds(30);

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(topics))
        .routes(routes!(topic))
        .routes(routes!(messages))
        .routes(routes!(tail))
}

/// All topics.
#[derive(Debug, Serialize, ToSchema)]
struct TopicList {
    topics: Vec<Topic>,
    brokers: usize,
    /// Partitions with fewer copies in step than they should have.
    under_replicated: usize,
}

fn read_at<T>(seen: &Seen<T>) -> Freshness {
    let age = seen.read_at.map(|at| chrono::Utc::now() - at);
    let state = match (&seen.away, age) {
        (Some(_), _) => FreshnessState::Stalled,
        (None, Some(age)) if age <= LIVE => FreshnessState::Live,
        (None, Some(_)) => FreshnessState::Late,
        (None, None) => FreshnessState::Unknown,
    };
    Freshness {
        state,
        as_of: seen.read_at,
        age_ms: age.map(|age| age.num_milliseconds()),
        why: seen.away.as_ref().map(|away| away.why.clone()),
    }
}

/// What is known of the topics, how old that is, and what it is recognised by; a problem where nothing ever was.
fn known(app: &App) -> Result<(std::sync::Arc<crate::watch::kafka::Topics>, Freshness, String), Problem> {
    let seen = app.watch.kafka.borrow().clone();
    let tag = of_looks(app.hub.epoch(), &[Look::at(&seen)], chrono::Utc::now());
    let freshness = read_at(&seen);
    let why =
        || seen.away.as_ref().map_or_else(|| "it was not asked yet".to_owned(), |away| away.why.clone());
    let topics = seen.value.clone().ok_or_else(|| Problem::store_away("Kafka", why()))?;
    Ok((topics, freshness, tag))
}

/// Every topic, with its size, its offsets and what it is for.
#[utoipa::path(get, path = "/topics", tag = "topics", responses(
    (status = 200, body = Answer<TopicList>), (status = 304), (status = 503, body = Problem)))]
async fn topics(State(app): State<App>, _visitor: Visitor, headers: HeaderMap) -> Result<Response, Problem> {
    let (topics, freshness, tag) = known(&app)?;
    let list = TopicList {
        topics: topics.topics.clone(),
        brokers: topics.brokers,
        under_replicated: topics.under_replicated,
    };
    Ok(tag::known(&headers, &tag, &Answer::new(list, freshness, None)))
}

/// One topic.
#[utoipa::path(get, path = "/topics/{topic}", tag = "topics", params(("topic" = String, Path)), responses(
    (status = 200, body = Answer<Topic>), (status = 304), (status = 404, body = Problem), (status = 503, body = Problem)))]
async fn topic(
    State(app): State<App>,
    _visitor: Visitor,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (topics, freshness, tag) = known(&app)?;
    let topic = topics.get(&name).cloned();
    let topic = topic.ok_or_else(|| {
        let told = "one that was made just now is told of within ten seconds";
        Problem::not_found(format!("there is no topic {name:?}; {told}"))
    })?;
    Ok(tag::known(&headers, &tag, &Answer::new(topic, freshness, None)))
}

/// Records of a topic, decoded; what tells of a person is shut. A search ends when `limit` records are found, when 200,000
/// are read, or after 10 s, and says which; `next` is the cursor to go on with.
#[utoipa::path(get, path = "/topics/{topic}/messages", tag = "topics",
    params(
        ("topic" = String, Path),
        ("at" = Option<String>, Query, description = "newest (usual), oldest, time:2026-11-28T10:00:00Z or offset:partition/offset"),
        ("key" = Option<String>, Query, description = "the whole key: of the contract's topics one partition is read"),
        ("like" = Option<String>, Query, description = "partition/offset of a record with the key that is wanted"),
        ("partition" = Option<String>, Query, pattern = "^([0-9]{1,9}|all)?$",
            description = "a number from 0; all, where it is empty or not given"),
        ("where" = Option<Vec<String>>, Query, description = "up to five, as in `amount_base >= 100`; operators =, !=, contains, >=, <=, exists"),
        ("limit" = Option<String>, Query, pattern = "^([1-9][0-9]?|1[0-9]{2}|200)?$",
            description = "1 to 200, usually 50: counts what is found"),
        ("cursor" = Option<String>, Query, description = "where an earlier answer ended"),
    ),
    responses(
        (status = 200, body = Answer<Found>), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 429, body = Problem), (status = 503, body = Problem)))]
async fn messages(
    State(app): State<App>,
    _visitor: Visitor,
    Path(name): Path<String>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<Answer<Found>>, Problem> {
    let search = Asked::from_pairs(pairs).search(&name, SEARCH)?;
    let found = app.browser.search(search).await?;
    let next = found.cursor.clone();
    Ok(Json(Answer::read_now(found, next)))
}

/// Records as they come in, as events `rows`: at most 20 a second, and how many more there were.
#[utoipa::path(get, path = "/topics/{topic}/tail", tag = "topics",
    params(("topic" = String, Path), ("where" = Option<Vec<String>>, Query)),
    responses((status = 200, content_type = "text/event-stream", body = Rows), (status = 400, body = Problem),
        (status = 404, body = Problem), (status = 429, body = Problem)))]
async fn tail(
    State(app): State<App>,
    visitor: Visitor,
    Path(name): Path<String>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let write = |rows: &Rows| serde_json::to_string(rows).unwrap_or_default();
    follow(&app, visitor, &name, &Asked::from_pairs(pairs), write).await
}

/// A tail as a stream, each round of rows written by `write`.
pub(crate) async fn follow(
    app: &App,
    visitor: Visitor,
    name: &str,
    asked: &Asked,
    write: impl Fn(&Rows) -> String + Send + 'static,
) -> Result<Response, Problem> {
    let conditions = asked.conditions()?;
    // Of a topic that is not known nothing would ever come.
    if let Ok((topics, ..)) = known(app)
        && topics.get(name).is_none()
        && !app.browser.has(name).await?
    {
        return Err(Problem::not_found(format!("there is no topic {name:?}")));
    }
    let rows = app
        .browser
        .tails
        .follow(name, app.browser.ours(name), conditions)
        .map_err(|_| Problem::busy("eight topics are followed already"))?;
    events::send(app, visitor, told(rows, write))
}

fn told(rows: Receiver<Rows>, write: impl Fn(&Rows) -> String + Send) -> impl Stream<Item = Event> {
    futures::stream::unfold((Some(rows), write), |(rows, write)| async move {
        let mut rows = rows?;
        let told = rows.recv().await?;
        let event = Event::default().event("rows").data(write(&told));
        Some((event, (told.ended.is_none().then_some(rows), write)))
    })
}
