//! `/topics`: what is in Kafka.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::Stream;
use serde::Serialize;
use tokio::sync::mpsc::Receiver;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::{Answer, Freshness, FreshnessState, Proof, ProofState};
use crate::access::{StreamPermit, Visitor};
use crate::app::App;
use crate::problem::Problem;
use crate::topics::asked::Asked;
use crate::topics::browse::Found;
use crate::topics::tail::Rows;
use crate::watch::kafka::Topic;
use crate::watch::{Looking, Seen};

/// How long a search may take.
const SEARCH: Duration = Duration::from_secs(10);
/// How often an open tail says that it is alive, and how often its session is looked at again.
const ALIVE: Duration = Duration::from_secs(15);
const SESSION: Duration = Duration::from_secs(60);
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

fn answer<T>(data: T, freshness: Freshness, next: Option<String>) -> Json<Answer<T>> {
    let proof =
        Proof { state: ProofState::None, kind: None, at: None, covers_to: None, late_outstanding: None };
    Json(Answer { data, period: None, freshness, proof, next })
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

fn now() -> Freshness {
    Freshness { state: FreshnessState::Live, as_of: Some(chrono::Utc::now()), age_ms: Some(0), why: None }
}

/// What is known of the topics; a problem where nothing ever was.
fn known(app: &App) -> Result<(std::sync::Arc<crate::watch::kafka::Topics>, Freshness), Problem> {
    let seen = app.watch.kafka.borrow().clone();
    let freshness = read_at(&seen);
    let why =
        || seen.away.as_ref().map_or_else(|| "it was not asked yet".to_owned(), |away| away.why.clone());
    let topics = seen.value.clone().ok_or_else(|| Problem::store_away("Kafka", why()))?;
    Ok((topics, freshness))
}

/// Every topic, with its size, its offsets and what it is for.
#[utoipa::path(get, path = "/topics", tag = "topics", responses(
    (status = 200, body = Answer<TopicList>), (status = 503, body = Problem)))]
async fn topics(State(app): State<App>, _visitor: Visitor) -> Result<Json<Answer<TopicList>>, Problem> {
    let (topics, freshness) = known(&app)?;
    let list = TopicList {
        topics: topics.topics.clone(),
        brokers: topics.brokers,
        under_replicated: topics.under_replicated,
    };
    Ok(answer(list, freshness, None))
}

/// One topic.
#[utoipa::path(get, path = "/topics/{topic}", tag = "topics", params(("topic" = String, Path)), responses(
    (status = 200, body = Answer<Topic>), (status = 404, body = Problem), (status = 503, body = Problem)))]
async fn topic(
    State(app): State<App>,
    _visitor: Visitor,
    Path(name): Path<String>,
) -> Result<Json<Answer<Topic>>, Problem> {
    let (topics, freshness) = known(&app)?;
    let topic = topics.get(&name).cloned();
    Ok(answer(
        topic.ok_or_else(|| Problem::not_found(format!("there is no topic {name:?}")))?,
        freshness,
        None,
    ))
}

/// Records of a topic, decoded; what tells of a person is shut. A search ends when `limit` records are found, when 200,000
/// are read, or after 10 s, and says which; `next` is the cursor to go on with.
#[utoipa::path(get, path = "/topics/{topic}/messages", tag = "topics",
    params(
        ("topic" = String, Path),
        ("at" = Option<String>, Query, description = "newest (usual), oldest, time:2026-11-28T10:00:00Z or offset:partition/offset"),
        ("key" = Option<String>, Query, description = "the whole key: of the contract's topics one partition is read"),
        ("like" = Option<String>, Query, description = "partition/offset of a record with the key that is wanted"),
        ("partition" = Option<i32>, Query),
        ("where" = Option<Vec<String>>, Query, description = "up to five, as in `amount_base >= 100`; operators =, !=, contains, >=, <=, exists"),
        ("limit" = Option<usize>, Query, description = "1 to 200, usually 50: counts what is found"),
        ("cursor" = Option<String>, Query, description = "where an earlier answer ended"),
    ),
    responses((status = 200, body = Answer<Found>), (status = 400, body = Problem), (status = 404, body = Problem),
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
    Ok(answer(found, now(), next))
}

/// Records as they come in, as events `rows`: at most 20 a second, and how many more there were.
#[utoipa::path(get, path = "/topics/{topic}/tail", tag = "topics",
    params(("topic" = String, Path), ("where" = Option<Vec<String>>, Query)),
    responses((status = 200, content_type = "text/event-stream", body = Rows), (status = 400, body = Problem),
        (status = 429, body = Problem)))]
async fn tail(
    State(app): State<App>,
    visitor: Visitor,
    Path(name): Path<String>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let write = |rows: &Rows| serde_json::to_string(rows).unwrap_or_default();
    follow(&app, visitor, &name, &Asked::from_pairs(pairs), write)
}

/// A tail as a stream, each round of rows written by `write`.
pub(crate) fn follow(
    app: &App,
    visitor: Visitor,
    name: &str,
    asked: &Asked,
    write: impl Fn(&Rows) -> String + Send + 'static,
) -> Result<Response, Problem> {
    let conditions = asked.conditions()?;
    // Of a topic that is not known nothing would ever come.
    if let Ok((topics, _)) = known(app)
        && topics.get(name).is_none()
    {
        return Err(Problem::not_found(format!("there is no topic {name:?}")));
    }
    let permit = app.access.stream_permit(&visitor)?;
    let rows = app
        .browser
        .tails
        .follow(name, app.browser.ours(name), conditions)
        .map_err(|_| Problem::busy("eight topics are followed already"))?;
    let following = Following {
        session_due: tokio::time::Instant::now() + SESSION,
        _looking: app.watch.look(),
        app: app.clone(),
        visitor,
        rows,
        _permit: permit,
    };
    let alive = KeepAlive::new().interval(ALIVE);
    Ok(([("x-accel-buffering", "no")], Sse::new(stream(following, write)).keep_alive(alive)).into_response())
}

struct Following {
    app: App,
    visitor: Visitor,
    rows: Receiver<Rows>,
    session_due: tokio::time::Instant,
    /// Named, so that sources are asked more often while the stream is open, and that it counts as one.
    _looking: Looking,
    _permit: StreamPermit,
}

fn stream(
    following: Following,
    write: impl Fn(&Rows) -> String + Send + 'static,
) -> impl Stream<Item = Result<Event, Infallible>> {
    futures::stream::unfold((Some(following), write), |(following, write)| async move {
        let mut following = following?;
        let stop = following.app.stop.clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => return None,
                () = tokio::time::sleep_until(following.session_due) => {
                    if !following.app.access.still_valid(&following.app, &following.visitor).await {
                        let end = Event::default().event("signed-out").data("");
                        return Some((Ok(end), (None, write)));
                    }
                    following.session_due = tokio::time::Instant::now() + SESSION;
                }
                rows = following.rows.recv() => {
                    let rows = rows?;
                    let ended = rows.ended.is_some();
                    let event = Event::default().event("rows").data(write(&rows));
                    return Some((Ok(event), ((!ended).then_some(following), write)));
                }
            }
        }
    })
}
