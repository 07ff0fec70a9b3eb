//! What `storepulse alerts` does: with the owner's connection, so that who can read the stack's secrets
//! decides.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use tokio_postgres::Client;
use uuid::Uuid;

use super::outbox::{ALONE, Attempted, Delivery, Label, Outcome, Status};
use super::post::Post;
use super::rules::{Severity, rule};
use super::send::attempt;
use super::silence::{LONGEST, Matcher, MatcherError, SHORTEST, Silence};
use super::store;
use super::targets::Settings;

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum AlertsError {
    /// There can be no such alert.
    #[error(transparent)]
    Matcher(#[from] MatcherError),
    /// There is no such target.
    #[error("the alerts file has no target {0:?}")]
    Target(String),
    /// It would last too long, or has no length.
    #[error("a silence lasts between a minute and seven days")]
    Length,
    /// Somebody will ask.
    #[error("a silence needs a reason")]
    Reason,
    /// There is no such silence, or it has ended.
    #[error("there is no active silence {0}: `storepulse alerts list` shows the active ones")]
    Silence(i64),
    /// The tables are not there.
    #[error(
        "the alert tables are missing in postgresql, or are of an earlier version: run `storepulse setup`"
    )]
    NotSetUp,
    /// PostgreSQL refused.
    #[error("postgresql refused the statement")]
    Postgres(#[source] tokio_postgres::Error),
    /// The client of webhooks.
    #[error("could not make the http client")]
    HttpClient(#[source] reqwest::Error),
}

impl From<tokio_postgres::Error> for AlertsError {
    fn from(error: tokio_postgres::Error) -> Self {
        use tokio_postgres::error::SqlState;
        match error.code() {
            Some(
                &SqlState::UNDEFINED_TABLE | &SqlState::UNDEFINED_COLUMN | &SqlState::INVALID_SCHEMA_NAME,
            ) => Self::NotSetUp,
            _ => Self::Postgres(error),
        }
    }
}

/// An alert that is not ok, as the console last wrote it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Open {
    pub rule: String,
    /// What it is about; empty where there is but one.
    pub subject: String,
    /// `pending`, `firing` or `clearing`.
    pub state: String,
    pub since: DateTime<Utc>,
    /// What has happened.
    pub summary: String,
    /// In the words of the part itself.
    pub detail: String,
    /// What to do.
    pub action: String,
    /// Since when somebody has been told.
    pub notified_at: Option<DateTime<Utc>>,
}

/// What there is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Listed {
    /// Alerts that are not ok.
    pub alerts: Vec<Open>,
    /// Silences that go on.
    pub silences: Vec<Silence>,
    /// Notices that are still to be told.
    pub undelivered: usize,
}

/// A line of the table of rules.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RuleLine {
    pub rule: String,
    /// What it looks at.
    pub signal: String,
    /// When it fires, as in `> 10 for 300 s`.
    pub fires: String,
    /// When it is over.
    pub clears: String,
    /// Whom it is for.
    pub severity: Severity,
    /// Whether it is judged.
    pub enabled: bool,
    /// What to do.
    pub action: String,
}

/// The rules as they are held with these settings.
#[must_use]
pub fn rules(settings: &Settings) -> Vec<RuleLine> {
    let told = |held: &super::state::Held| RuleLine {
        rule: held.rule.name.to_owned(),
        signal: held.rule.signal.name().to_owned(),
        fires: format!("{} {} for {} s", held.rule.op.sign(), held.raise_at, held.for_s),
        clears: format!("{} for {} s", held.clear_at, held.clear_for_s),
        severity: held.severity,
        enabled: held.enabled,
        action: held.rule.action.to_owned(),
    };
    settings.rules.iter().map(told).collect()
}

/// What fires, what nobody wants to be told, and what is still to be told.
///
/// # Errors
/// [`AlertsError`].
pub async fn list(client: &Client) -> Result<Listed, AlertsError> {
    let (states, silences, open) =
        tokio::try_join!(store::states(client), store::silences(client), store::open_deliveries(client))?;
    let alerts = states.into_iter().map(|(key, alert)| {
        let rule = rule(&key.rule);
        let held = rule.map(super::state::Held::from);
        Open {
            summary: held
                .map(|held| super::notice::summary(&held, &key.subject, alert.value))
                .unwrap_or_default(),
            action: rule.map_or("", |rule| rule.action).to_owned(),
            rule: key.rule,
            subject: key.subject,
            state: alert.state.word().to_owned(),
            since: alert.since,
            detail: alert.detail,
            notified_at: alert.notified_at,
        }
    });
    let undelivered = open.iter().filter(|delivery| delivery.status == Status::Waiting).count();
    Ok(Listed { alerts: alerts.collect(), silences, undelivered })
}

/// What can be silenced for so long.
///
/// # Errors
/// [`AlertsError::Matcher`] and [`AlertsError::Length`].
pub(crate) fn check(of: &Matcher, length: TimeDelta) -> Result<(), AlertsError> {
    of.check()?;
    if (SHORTEST..=LONGEST).contains(&length) { Ok(()) } else { Err(AlertsError::Length) }
}

/// Keeps back what such alerts have to tell. Returns the silence's number.
///
/// # Errors
/// [`AlertsError`].
pub async fn silence(
    client: &Client,
    of: &Matcher,
    length: TimeDelta,
    reason: &str,
    by_whom: &str,
) -> Result<i64, AlertsError> {
    check(of, length)?;
    let reason = reason.trim();
    if reason.is_empty() {
        return Err(AlertsError::Reason);
    }
    Ok(store::put_silence(client, of, length, reason, by_whom).await?)
}

/// Ends a silence now.
///
/// # Errors
/// [`AlertsError`].
pub async fn end_silence(client: &Client, silence_id: i64) -> Result<(), AlertsError> {
    if store::end_silence(client, silence_id).await? { Ok(()) } else { Err(AlertsError::Silence(silence_id)) }
}

/// What became of telling a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sent {
    pub target: String,
    /// Whether it took it.
    pub delivered: bool,
    /// What it said.
    pub answer: String,
    /// How long that took.
    pub took_ms: i64,
    /// Whether the console goes on trying.
    pub goes_on: bool,
}

impl Sent {
    fn of(target: &str, attempted: &Attempted, goes_on: bool) -> Self {
        Self {
            target: target.to_owned(),
            delivered: attempted.outcome == Outcome::Delivered,
            answer: attempted.answer.clone(),
            took_ms: attempted.took_ms,
            goes_on,
        }
    }

    /// Of what was said before.
    fn earlier(target: &str, status: Status) -> Self {
        Self {
            target: target.to_owned(),
            delivered: status == Status::Delivered,
            answer: "it was said before".to_owned(),
            took_ms: 0,
            goes_on: status == Status::Waiting,
        }
    }
}

/// Sends a target a notice that says that it is a test, once.
///
/// # Errors
/// [`AlertsError`].
pub async fn test(settings: &Settings, name: &str, by_whom: &str) -> Result<Sent, AlertsError> {
    let target = settings.target(name).ok_or_else(|| AlertsError::Target(name.to_owned()))?;
    let incident = Uuid::now_v7();
    let payload = json!({
        "version": 1,
        "kind": "test",
        "incident": incident,
        "state": "firing",
        "rule": "Test",
        "severity": "warning",
        "summary": format!("this is a test by {by_whom}: nothing has happened"),
        "at": Utc::now(),
    });
    let label = Label { incident, news: ALONE.to_owned(), target: name.to_owned() };
    let delivery = Delivery::new(label, "Test", "", payload, Utc::now());
    let post = Post::new().map_err(AlertsError::HttpClient)?;
    let attempted = attempt(post.http(), target, &delivery).await;
    Ok(Sent::of(name, &attempted, false))
}

/// How long a target may take by its own limits and a little more: after that nobody is at it any more.
const AT_IT: TimeDelta = TimeDelta::seconds(60);

/// What somebody else has to say.
#[derive(Debug, Clone)]
pub struct Said {
    /// Who says it, as Airflow.
    pub source: String,
    /// What it is about: of one incident every target is told once, however often it is said. Said once where
    /// there is none.
    pub incident: Option<String>,
    /// An object, or anything else as its `message`.
    pub what: Value,
}

impl Said {
    fn incident(&self) -> Uuid {
        let named =
            |name: &String| Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{}\n{name}", self.source).as_bytes());
        self.incident.as_ref().map_or_else(Uuid::now_v7, named)
    }

    fn payload(&self, incident: Uuid, now: DateTime<Utc>) -> Value {
        let mut payload = match self.what.clone() {
            Value::Object(fields) => fields,
            other => [("message".to_owned(), other)].into_iter().collect(),
        };
        payload.entry("kind").or_insert_with(|| self.source.clone().into());
        payload.insert("incident".to_owned(), json!(incident));
        payload.insert("source".to_owned(), self.source.clone().into());
        payload.entry("at").or_insert_with(|| json!(now));
        Value::Object(payload)
    }
}

/// Tells every target what somebody else has to say, as Airflow of a task that has failed: once here, and
/// where that fails the console goes on trying. It is written before it is told, where PostgreSQL can be
/// reached: whoever is killed while it tells leaves it to the console, and whoever says the same again tells
/// nobody.
///
/// # Errors
/// [`AlertsError::HttpClient`].
pub async fn send(
    settings: &Settings,
    client: Option<&Client>,
    said: &Said,
) -> Result<Vec<Sent>, AlertsError> {
    let (incident, now) = (said.incident(), Utc::now());
    let payload = said.payload(incident, now);
    let post = Post::new().map_err(AlertsError::HttpClient)?;
    let mut sent = Vec::new();
    for target in &settings.targets {
        let label = Label { incident, news: ALONE.to_owned(), target: target.name.clone() };
        let mut delivery = Delivery::new(label, &said.source, "", payload.clone(), now);
        delivery.next_at = Utc::now() + AT_IT;
        let claimed = noted(client, async |client| store::claim(client, &delivery).await).await;
        if let Some(Some(earlier)) = claimed {
            sent.push(Sent::earlier(&target.name, earlier));
            continue;
        }
        let attempted = attempt(post.http(), target, &delivery).await;
        let ended = Utc::now();
        delivery.attempts = 1;
        delivery.answer.clone_from(&attempted.answer);
        delivery.took_ms = Some(attempted.took_ms);
        (delivery.status, delivery.ended_at) = match attempted.outcome {
            Outcome::Delivered => (Status::Delivered, Some(ended)),
            Outcome::Refused => (Status::Failed, Some(ended)),
            Outcome::Again => (Status::Waiting, None),
        };
        delivery.next_at = ended + TimeDelta::seconds(5);
        let noted = noted(client, async |client| store::put_delivery(client, &delivery).await).await;
        let goes_on = noted.is_some() && delivery.status == Status::Waiting;
        sent.push(Sent::of(&target.name, &attempted, goes_on));
    }
    Ok(sent)
}

/// What PostgreSQL answers, where it does in time: somebody is told without it, too.
async fn noted<T>(
    client: Option<&Client>,
    ask: impl AsyncFnOnce(&Client) -> Result<T, tokio_postgres::Error>,
) -> Option<T> {
    tokio::time::timeout(store::ANSWER, ask(client?)).await.ok()?.ok()
}
