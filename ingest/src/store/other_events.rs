//! Events of foreign dialects that are well formed and have no place in the figures.

use chrono::{DateTime, Utc};
use contracts::admission::Admission;
use contracts::ledger::minute_us;
use tokio_postgres::{Client, Error};
use uuid::Uuid;

use super::admission::{before_floor, erased};
use super::connection::Store;
use super::error::StoreError;
use super::quarantine::SetAside;
use super::tally::{Counts, Tally};
use super::user_facts::UserStatement;

/// What a dialect told that our vocabulary has no word for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherEvent {
    /// The sender's own id of it; with the source the key on which repeats are recognised.
    pub id: String,
    /// In which dialect it was told.
    pub dialect: &'static str,
    /// What kind of event it is.
    pub kind: OtherKind,
    /// What the dialect calls it.
    pub name: String,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// The user whose it is, where it names one.
    pub user_id: Option<Uuid>,
    /// The visitor by the browser or the app, where it names one.
    pub anonymous_id: Option<Uuid>,
    /// What it tells of a user.
    pub tells: Option<Box<UserStatement>>,
    /// Its JSON as it came, without IP addresses and credentials.
    pub payload: Vec<u8>,
}

/// Why an event has no place in the figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherKind {
    /// Our vocabulary has no word for it.
    Other,
    /// A program sent it that says of itself that it is no shopper.
    Bot,
}

impl OtherKind {
    /// The word in `raw.other_events`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Other => "other",
            Self::Bot => "bot",
        }
    }
}

/// Such an event on its way into `raw.other_events`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Where it came from.
    pub source: String,
    /// When it came.
    pub received_at: DateTime<Utc>,
    /// What it is.
    pub event: OtherEvent,
}

/// How many events of a name are kept.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct OtherNames {
    /// In which dialect they were told.
    pub dialect: String,
    /// Of which kind they are.
    pub kind: String,
    /// What the dialect calls them.
    pub name: String,
    /// How many there are.
    pub events: i64,
}

/// Those that may come in, and the others without their bytes.
pub(super) fn screen(others: &[Kept], admission: &Admission) -> (Vec<Kept>, Vec<SetAside>) {
    let (mut kept, mut set_aside) = (Vec::with_capacity(others.len()), Vec::new());
    for other in others {
        let OtherEvent { user_id, anonymous_id, occurred_at, payload, .. } = &other.event;
        let is_erased = [user_id, anonymous_id].into_iter().flatten().any(|id| admission.is_erased(id))
            || admission.is_about_erased(payload);
        let judged = if is_erased { Err(erased()) } else { before_floor(admission, *occurred_at) };
        match judged {
            Ok(()) => kept.push(other.clone()),
            Err(rejection) => set_aside.push(SetAside {
                source: other.source.clone(),
                coordinates: format!("other/{}", other.event.id),
                reason: rejection.reason,
                detail: rejection.to_string(),
                payload: Vec::new(),
                user_id: None,
                quarantined_at: other.received_at,
            }),
        }
    }
    // One order for all writers, so that they wait for each other and not in a circle.
    kept.sort_by(|one, other| (&one.source, &one.event.id).cmp(&(&other.source, &other.event.id)));
    (kept, set_aside)
}

const INSERT: &str = "insert into raw.other_events
        (source, id, dialect, kind, name, occurred_at, received_at, visitor_id, anonymous_id, payload)
    select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[],
                         $8::uuid[], $9::uuid[], $10::bytea[])
    on conflict (source, id) do nothing returning received_at";

/// Inserts within a transaction those that are new, and counts them and the others by the minute in which
/// they came.
pub(super) async fn insert(client: &Client, others: &[Kept]) -> Result<Tally, Error> {
    let mut tally = Tally::default();
    if others.is_empty() {
        return Ok(tally);
    }
    fn column<'a, T>(others: &'a [Kept], value: impl Fn(&'a Kept) -> T) -> Vec<T> {
        others.iter().map(value).collect()
    }
    let visitors = column(others, |kept| kept.event.user_id.or(kept.event.anonymous_id));
    let new = client
        .query(
            INSERT,
            &[
                &column(others, |kept| kept.source.as_str()),
                &column(others, |kept| kept.event.id.as_str()),
                &column(others, |kept| kept.event.dialect),
                &column(others, |kept| kept.event.kind.as_str()),
                &column(others, |kept| kept.event.name.as_str()),
                &column(others, |kept| kept.event.occurred_at),
                &column(others, |kept| kept.received_at),
                &visitors,
                &column(others, |kept| kept.event.anonymous_id),
                &column(others, |kept| kept.event.payload.as_slice()),
            ],
        )
        .await?;
    let minute = |at: DateTime<Utc>| minute_us(at.timestamp_micros());
    for kept in others {
        let counts = Counts { records_in: 1, repeated: 1, ..Counts::default() };
        tally.add(minute(kept.received_at), counts);
    }
    for row in new {
        tally.add(minute(row.try_get(0)?), Counts { other: 1, repeated: -1, ..Counts::default() });
    }
    Ok(tally)
}

impl Store {
    /// What is kept, by name, the most frequent first.
    ///
    /// # Errors
    /// When PostgreSQL stays away or refuses.
    pub async fn other_names(&mut self) -> Result<Vec<OtherNames>, StoreError> {
        let sql = "select dialect, kind, name, count(*) from raw.other_events group by 1, 2, 3 order by 4 desc, 1, 2, 3";
        let rows = self.repeatable("count other events", async |client| client.query(sql, &[]).await).await?;
        let names = |row: &tokio_postgres::Row| OtherNames {
            dialect: row.get(0),
            kind: row.get(1),
            name: row.get(2),
            events: row.get(3),
        };
        Ok(rows.iter().map(names).collect())
    }

    /// The events of a dialect that are kept behind a key, in the order of their keys: source, id, when they
    /// happened, payload.
    ///
    /// # Errors
    /// When PostgreSQL stays away or refuses.
    pub async fn others_after(
        &mut self,
        dialect: &str,
        (source, id): &(String, String),
        limit: i64,
    ) -> Result<Vec<(String, String, DateTime<Utc>, Vec<u8>)>, StoreError> {
        let sql = "select source, id, occurred_at, payload from raw.other_events
                   where dialect = $1 and kind = 'other' and (source, id) > ($2, $3) order by source, id limit $4";
        let rows = self
            .repeatable("read other events", async |client| {
                client.query(sql, &[&dialect, source, id, &limit]).await
            })
            .await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2), row.get(3))).collect())
    }

    /// Forgets events that have found their place.
    ///
    /// # Errors
    /// When PostgreSQL stays away or refuses.
    pub async fn forget_others(&mut self, keys: &[(String, String)]) -> Result<(), StoreError> {
        let (sources, ids): (Vec<&str>, Vec<&str>) =
            keys.iter().map(|(source, id)| (source.as_str(), id.as_str())).unzip();
        let sql = "delete from raw.other_events where (source, id) in (select * from unnest($1::text[], $2::text[]))";
        self.repeatable("move other events", async |client| client.execute(sql, &[&sources, &ids]).await)
            .await?;
        Ok(())
    }
}
