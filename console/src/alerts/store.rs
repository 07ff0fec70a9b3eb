//! What is kept of alerts in PostgreSQL, as the console's own role writes it.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use tokio_postgres::types::Json;
use tokio_postgres::{Client, Error, GenericClient, Row};

use super::board::{Change, Key};
use super::outbox::{Delivery, Label, Status};
use super::rules::Severity;
use super::silence::{Matcher, Silence};
use super::state::{Alert, State};

/// For how long history is kept.
const KEPT: &str = "400 days";
/// How long a statement may take.
pub(super) const ANSWER: Duration = Duration::from_secs(3);
/// How much of the history a page has.
pub(super) const NEWEST: i64 = 50;

/// Something to be written.
#[derive(Debug, Clone)]
pub(crate) enum Write {
    State(Key, Alert),
    Gone(Key),
    Event(Box<Change>),
    Delivery(Box<Delivery>),
    /// A silence has kept back one more incident.
    Suppressed(i64),
}

/// One change of state, as it was written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) event_id: i64,
    pub(crate) at: DateTime<Utc>,
    pub(crate) rule: String,
    pub(crate) subject: String,
    pub(crate) severity: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) value: f64,
    pub(crate) detail: String,
}

/// Writes all of it or nothing.
pub(super) async fn write(client: &mut Client, writes: &[Write]) -> Result<(), Error> {
    let transaction = client.transaction().await?;
    for write in writes {
        match write {
            Write::State(key, alert) => put_state(&transaction, key, alert).await?,
            Write::Gone(Key { rule, subject }) => {
                let delete = "delete from ops.alert_state where rule = $1 and subject = $2";
                transaction.execute(delete, &[rule, subject]).await?;
            }
            Write::Event(change) => put_event(&transaction, change).await?,
            Write::Delivery(delivery) => put_delivery(&transaction, delivery).await?,
            Write::Suppressed(id) => {
                let count = "update ops.alert_silence set suppressed = suppressed + 1 where silence_id = $1";
                transaction.execute(count, &[id]).await?;
            }
        }
    }
    transaction.commit().await
}

async fn put_state(client: &impl GenericClient, key: &Key, alert: &Alert) -> Result<(), Error> {
    const PUT: &str = "
        insert into ops.alert_state (rule, subject, state, since, read_at, value, detail, incident, raised_at,
                                     notified_at, repeats, suppressed)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        on conflict (rule, subject) do update
        set state = excluded.state, since = excluded.since, read_at = excluded.read_at, value = excluded.value,
            detail = excluded.detail, incident = excluded.incident, raised_at = excluded.raised_at,
            notified_at = excluded.notified_at, repeats = excluded.repeats, suppressed = excluded.suppressed";
    let Alert { state, since, read_at, value, detail, incident, raised_at, notified_at, repeats, suppressed } =
        alert;
    client
        .execute(
            PUT,
            &[
                &key.rule,
                &key.subject,
                &state.word(),
                since,
                read_at,
                value,
                &storable(detail),
                incident,
                raised_at,
                notified_at,
                repeats,
                suppressed,
            ],
        )
        .await
        .map(drop)
}

async fn put_event(client: &impl GenericClient, change: &Change) -> Result<(), Error> {
    const PUT: &str = "
        insert into ops.alert_event (at, rule, subject, severity, state_from, state_to, value, detail, incident)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let Change { key, severity, from, at, alert } = change;
    client
        .execute(
            PUT,
            &[
                at,
                &key.rule,
                &key.subject,
                &severity.word(),
                &from.word(),
                &alert.state.word(),
                &alert.value,
                &storable(&alert.detail),
                &alert.incident,
            ],
        )
        .await
        .map(drop)
}

/// Adds a delivery that nobody has added before; else tells how far the earlier one is.
pub(super) async fn claim(client: &impl GenericClient, delivery: &Delivery) -> Result<Option<Status>, Error> {
    const ADD: &str = "
        insert into ops.alert_delivery (incident, news, target, rule, subject, payload, created_at, status, next_at)
        values ($1, $2, $3, $4, $5, $6, $7, 'waiting', $8) on conflict do nothing";
    const EARLIER: &str =
        "select status from ops.alert_delivery where incident = $1 and news = $2 and target = $3";
    let Delivery {
        label: Label { incident, news, target }, rule, subject, payload, created_at, next_at, ..
    } = delivery;
    let added = client
        .execute(ADD, &[incident, news, target, rule, subject, &Json(payload), created_at, next_at])
        .await?;
    if added > 0 {
        return Ok(None);
    }
    let earlier = client.query_opt(EARLIER, &[incident, news, target]).await?;
    earlier.map(|row| Ok(Status::of_word(row.try_get(0)?).unwrap_or(Status::Failed))).transpose()
}

/// Adds a delivery, or notes how far it is. One that has ended stays as it is.
pub(super) async fn put_delivery(client: &impl GenericClient, delivery: &Delivery) -> Result<(), Error> {
    const PUT: &str = "
        insert into ops.alert_delivery (incident, news, target, rule, subject, payload, created_at, status, attempts,
                                        next_at, ended_at, took_ms, answer)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
        on conflict (incident, news, target) do update
        set status = excluded.status, attempts = excluded.attempts, next_at = excluded.next_at,
            ended_at = excluded.ended_at, took_ms = excluded.took_ms, answer = excluded.answer
        where alert_delivery.status = 'waiting'";
    let Delivery {
        label,
        rule,
        subject,
        payload,
        created_at,
        status,
        attempts,
        next_at,
        ended_at,
        took_ms,
        answer,
    } = delivery;
    client
        .execute(
            PUT,
            &[
                &label.incident,
                &label.news,
                &label.target,
                rule,
                subject,
                &Json(payload),
                created_at,
                &status.word(),
                attempts,
                next_at,
                ended_at,
                took_ms,
                &storable(answer),
            ],
        )
        .await
        .map(drop)
}

/// PostgreSQL's text holds no NUL; of what others say a page's worth is kept.
fn storable(text: &str) -> String {
    text.chars().filter(|letter| *letter != '\0').take(2_000).collect()
}

/// Alerts that are not ok. What this program does not know is left out.
pub(super) async fn states(client: &impl GenericClient) -> Result<Vec<(Key, Alert)>, Error> {
    const ASK: &str = "
        select rule, subject, state, since, read_at, value, detail, incident, raised_at, notified_at, repeats,
               suppressed
        from ops.alert_state order by rule, subject";
    let rows = client.query(ASK, &[]).await?;
    rows.iter().filter_map(|row| state(row).transpose()).collect()
}

fn state(row: &Row) -> Result<Option<(Key, Alert)>, Error> {
    let Some(state) = State::of_word(row.try_get(2)?) else { return Ok(None) };
    let key = Key { rule: row.try_get(0)?, subject: row.try_get(1)? };
    let alert = Alert {
        state,
        since: row.try_get(3)?,
        read_at: row.try_get(4)?,
        value: row.try_get(5)?,
        detail: row.try_get(6)?,
        incident: row.try_get(7)?,
        raised_at: row.try_get(8)?,
        notified_at: row.try_get(9)?,
        repeats: row.try_get(10)?,
        suppressed: row.try_get(11)?,
    };
    Ok(Some((key, alert)))
}

const DELIVERY: &str = "
    select incident, news, target, rule, subject, payload, created_at, status, attempts, next_at, ended_at, took_ms,
           answer
    from ops.alert_delivery";

/// What waits, and what was told of incidents that go on or whose end waits.
pub(super) async fn open_deliveries(client: &impl GenericClient) -> Result<Vec<Delivery>, Error> {
    let ask = format!(
        "{DELIVERY} where status = 'waiting'
           or incident in (select incident from ops.alert_state where incident is not null)
           or incident in (select incident from ops.alert_delivery where status = 'waiting')
         order by created_at"
    );
    client.query(&ask, &[]).await?.iter().map(delivery).collect()
}

/// The newest, whatever became of them.
pub(super) async fn newest_deliveries(client: &impl GenericClient) -> Result<Vec<Delivery>, Error> {
    let ask = format!("{DELIVERY} order by created_at desc limit $1");
    client.query(&ask, &[&NEWEST]).await?.iter().map(delivery).collect()
}

fn delivery(row: &Row) -> Result<Delivery, Error> {
    let Json(payload): Json<Value> = row.try_get(5)?;
    Ok(Delivery {
        label: Label { incident: row.try_get(0)?, news: row.try_get(1)?, target: row.try_get(2)? },
        rule: row.try_get(3)?,
        subject: row.try_get(4)?,
        payload,
        created_at: row.try_get(6)?,
        // The table takes no other word.
        status: Status::of_word(row.try_get(7)?).unwrap_or(Status::Failed),
        attempts: row.try_get(8)?,
        next_at: row.try_get(9)?,
        ended_at: row.try_get(10)?,
        took_ms: row.try_get(11)?,
        answer: row.try_get(12)?,
    })
}

/// Silences that have not ended.
pub(super) async fn silences(client: &impl GenericClient) -> Result<Vec<Silence>, Error> {
    const ASK: &str = "
        select silence_id, rule, severity, subject, begun_at, until, reason, by_whom, suppressed
        from ops.alert_silence where until > now() order by until";
    client.query(ASK, &[]).await?.iter().map(silence).collect()
}

pub(super) fn silence(row: &Row) -> Result<Silence, Error> {
    let severity: Option<&str> = row.try_get(2)?;
    Ok(Silence {
        silence_id: row.try_get(0)?,
        of: Matcher {
            rule: row.try_get(1)?,
            severity: severity.and_then(|word| word.parse::<Severity>().ok()),
            subject: row.try_get(3)?,
        },
        begun_at: row.try_get(4)?,
        until: row.try_get(5)?,
        reason: row.try_get(6)?,
        by_whom: row.try_get(7)?,
        suppressed: row.try_get(8)?,
    })
}

/// Adds a silence and returns its number.
pub(super) async fn put_silence(
    client: &impl GenericClient,
    of: &Matcher,
    length: TimeDelta,
    reason: &str,
    by_whom: &str,
) -> Result<i64, Error> {
    const PUT: &str = "
        insert into ops.alert_silence (rule, severity, subject, until, reason, by_whom)
        values ($1, $2, $3, now() + $4 * interval '1 second', $5, $6) returning silence_id";
    let Matcher { rule, subject, severity } = of;
    let severity = severity.map(Severity::word);
    // Seven days are less than an f64 can tell apart.
    let seconds = length.as_seconds_f64();
    client.query_one(PUT, &[rule, &severity, subject, &seconds, &reason, &by_whom]).await?.try_get(0)
}

/// Ends a silence now. Returns whether it went on.
pub(super) async fn end_silence(client: &impl GenericClient, silence_id: i64) -> Result<bool, Error> {
    const END: &str = "update ops.alert_silence set until = now() where silence_id = $1 and until > now()";
    Ok(client.execute(END, &[&silence_id]).await? > 0)
}

/// How many incidents of such alerts began within the last seven days.
pub(crate) async fn fired_in_a_week(client: &impl GenericClient, of: &Matcher) -> Result<i64, Error> {
    const ASK: &str = "
        select count(*) from ops.alert_event
        where at > now() - interval '7 days' and state_from = 'pending' and state_to = 'firing'
          and ($1::text is null or rule = $1) and ($2::text is null or subject = $2)
          and ($3::text is null or severity = $3)";
    let Matcher { rule, subject, severity } = of;
    let severity = severity.map(Severity::word);
    client.query_one(ASK, &[rule, subject, &severity]).await?.try_get(0)
}

/// Changes below one, the newest first.
pub(crate) async fn events(
    client: &impl GenericClient,
    below: Option<i64>,
    limit: i64,
) -> Result<Vec<Event>, Error> {
    const ASK: &str = "
        select event_id, at, rule, subject, severity, state_from, state_to, value, detail
        from ops.alert_event where event_id < $1 order by event_id desc limit $2";
    client.query(ASK, &[&below.unwrap_or(i64::MAX), &limit]).await?.iter().map(event).collect()
}

/// Into and out of firing within the last day, the oldest first: what is drawn of it.
pub(super) async fn fired_lately(client: &impl GenericClient) -> Result<Vec<Event>, Error> {
    const ASK: &str = "
        select event_id, at, rule, subject, severity, state_from, state_to, value, ''
        from ops.alert_event
        where at > now() - interval '1 day'
          and (state_to = 'firing' or (state_to = 'ok' and state_from in ('firing', 'clearing')))
        order by event_id limit 5000";
    client.query(ASK, &[]).await?.iter().map(event).collect()
}

fn event(row: &Row) -> Result<Event, Error> {
    Ok(Event {
        event_id: row.try_get(0)?,
        at: row.try_get(1)?,
        rule: row.try_get(2)?,
        subject: row.try_get(3)?,
        severity: row.try_get(4)?,
        from: row.try_get(5)?,
        to: row.try_get(6)?,
        value: row.try_get(7)?,
        detail: row.try_get(8)?,
    })
}

/// Removes what is too old, and gives up what nobody tries to tell any more.
pub(super) async fn prune(client: &Client) -> Result<(), Error> {
    let before = format!("now() - interval '{KEPT}'");
    client
        .batch_execute(&format!(
            "delete from ops.alert_event where at < {before};
             delete from ops.alert_delivery where created_at < {before};
             delete from ops.alert_silence where until < {before};
             update ops.alert_delivery set status = 'failed', ended_at = now(), answer = 'nobody has this target'
                where status = 'waiting' and created_at < now() - interval '25 hours'"
        ))
        .await
}
