use std::collections::HashSet;

use chrono::{DateTime, SecondsFormat, Utc};
use contracts::admission::Admission;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Row};
use uuid::Uuid;

use super::admission::Refused;
use super::appended::Appended;
use super::connection::Store;
use super::error::StoreError;
use super::identity::Repeats;
use super::quarantine::{Columns, SetAside};
use super::rows::EncodedRows;

/// Which file it is, and by which mapping it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileKey {
    /// Whose file it is, as in `raw.quarantine`.
    pub source: String,
    /// SHA-256 of its bytes, hex.
    pub sha256: String,
    /// SHA-256 of the mapping, hex.
    pub mapping: String,
    /// SHA-256 of what of the mapping the ids of its rows follow from, hex.
    pub identity: String,
    /// What it is called; the same bytes keep the name that they had first.
    pub name: String,
}

/// How far a file was read, and what became of its rows: `rows_done` = `accepted` + `repeated` + `rejected`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileState {
    /// Its number here.
    pub file_id: i64,
    /// The name that it had first.
    pub name: String,
    /// Rows read.
    pub rows_done: u64,
    /// Rows that are events since.
    pub accepted: u64,
    /// Rows whose event was there already.
    pub repeated: u64,
    /// Rows set aside.
    pub rejected: u64,
    /// The first and the last of its events that the stream leaves to reconciliation.
    pub late: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// When its last row was read.
    pub finished_at: Option<DateTime<Utc>>,
}

/// A row that stands open in quarantine and has passed now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// Where it stands in its source.
    pub coordinates: String,
    /// The event it is.
    pub event_id: Uuid,
}

/// Consecutive rows of a file: what is committed beside the events among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileStep {
    /// The file, as [`Store::begin_file`] numbered it.
    pub file_id: i64,
    /// How many rows were done before.
    pub rows_before: u64,
    /// Rows that did not pass.
    pub set_aside: Vec<SetAside>,
    /// Whose rows are in `passed`.
    pub source: String,
    /// Rows that pass now and did not before.
    pub passed: Vec<Passed>,
    /// The first and the last of the events that the stream leaves to reconciliation.
    pub late: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// When it was read.
    pub at: DateTime<Utc>,
}

const COLUMNS: &str =
    "file_id, name, rows_done, accepted, repeated, rejected, first_late_at, last_late_at, finished_at";

impl Store {
    /// Finds a file by its bytes and mapping, or records it.
    ///
    /// # Errors
    /// [`StoreError::OtherIds`] when events of the same bytes have come in by ids that this mapping does not
    /// give them; else when PostgreSQL stays away or refuses.
    pub async fn begin_file(&mut self, key: &FileKey) -> Result<FileState, StoreError> {
        let FileKey { source, sha256, mapping, identity, name } = key;
        let other = "select name from ops.replayed_file
            where source = $1 and sha256 = $2 and identity <> $3 and accepted + repeated > 0 limit 1";
        let insert =
            "insert into ops.replayed_file (source, sha256, mapping, identity, name) values ($1, $2, $3, $4, coalesce(
                (select name from ops.replayed_file where source = $1 and sha256 = $2 order by file_id limit 1), $5))
             on conflict (source, sha256, mapping) do nothing";
        let select = format!(
            "select {COLUMNS} from ops.replayed_file where source = $1 and sha256 = $2 and mapping = $3"
        );
        let found = self
            .repeatable("record the file", async |client| {
                if let Some(other) = client.query_opt(other, &[source, sha256, identity]).await? {
                    return Ok(Err(other.get(0)));
                }
                client.execute(insert, &[source, sha256, mapping, identity, name]).await?;
                client.query_one(&select, &[source, sha256, mapping]).await.map(Ok)
            })
            .await?;
        match found {
            Ok(row) => Ok(read(&row)),
            Err(name) => Err(StoreError::OtherIds { name }),
        }
    }

    /// Forgets how far a file was read: all of it is read again, and what came in before is found repeated.
    ///
    /// # Errors
    /// When PostgreSQL stays away or refuses.
    pub async fn restart_file(&mut self, file_id: i64) -> Result<FileState, StoreError> {
        let sql = format!(
            "update ops.replayed_file set rows_done = 0, accepted = 0, repeated = 0, rejected = 0,
                 first_late_at = null, last_late_at = null, started_at = now(), finished_at = null
             where file_id = $1 returning {COLUMNS}"
        );
        let row = self
            .repeatable("start the file again", async |client| client.query_one(&sql, &[&file_id]).await)
            .await?;
        Ok(read(&row))
    }

    /// Marks a file as read to its end.
    ///
    /// # Errors
    /// When PostgreSQL stays away or refuses.
    pub async fn finish_file(&mut self, file_id: i64) -> Result<(), StoreError> {
        let sql = "update ops.replayed_file set finished_at = now() where file_id = $1";
        self.repeatable("finish the file", async |client| client.execute(sql, &[&file_id]).await).await?;
        Ok(())
    }

    /// The coordinates that begin so and stand open in quarantine.
    ///
    /// # Errors
    /// When PostgreSQL stays away or refuses.
    pub async fn open_in_quarantine(
        &mut self,
        source: &str,
        beginning: &str,
    ) -> Result<HashSet<String>, StoreError> {
        let sql = "select coordinates from raw.quarantine where source = $1 and starts_with(coordinates, $2)
                       and (outcome is null or outcome = 'refused')";
        let rows = self
            .repeatable("look into the quarantine", async |client| {
                client.query(sql, &[&source, &beginning]).await
            })
            .await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Commits the events of a step, sets the other rows aside and moves the file on, in one transaction. The
    /// number of events is bounded as in [`append_rows`](Self::append_rows).
    ///
    /// # Errors
    /// [`StoreError::FileElsewhere`] when somebody else has moved the file on; else when PostgreSQL stays
    /// away or refuses. Nothing of the step is there then.
    pub async fn append_step(&mut self, rows: EncodedRows, step: &FileStep) -> Result<Appended, StoreError> {
        self.append_with(rows, step).await.map_err(|error| match error {
            StoreError::Refused { source, .. } if source.code() == Some(&SqlState::NOT_NULL_VIOLATION) => {
                StoreError::FileElsewhere
            }
            other => other,
        })
    }
}

impl FileStep {
    /// Writes, within a transaction, what does not depend on how many events were new.
    pub(super) async fn write(
        &self,
        client: &Client,
        writer: Uuid,
        admission: &Admission,
        refused: &Refused,
        repeats: &Repeats,
    ) -> Result<(), tokio_postgres::Error> {
        if !self.set_aside.is_empty() {
            Columns::of(&self.set_aside, admission).insert(client, writer, &admission.rules).await?;
        }
        let passed = || self.passed.iter().filter(|passed| !refused.contains_key(&passed.event_id));
        let counts = |id: &Uuid| *repeats.get(id).unwrap_or(id);
        let (coordinates, ids): (Vec<&str>, Vec<Uuid>) =
            passed().map(|passed| (passed.coordinates.as_str(), counts(&passed.event_id))).unzip();
        let is_other: Vec<bool> = passed().map(|passed| repeats.contains_key(&passed.event_id)).collect();
        if ids.is_empty() {
            return Ok(());
        }
        client
            .execute(
                "update raw.quarantine q
                 set replayed_at = $1, outcome_reason = null, outcome_detail = null, record_id = r.event_id,
                     outcome = case when not r.is_other and exists (
                         select from raw.events e where e.event_id = r.event_id and e.tx = (select raw.current_tx())
                     ) then 'accepted' else 'repeated' end
                 from unnest($2::text[], $3::uuid[], $5::bool[]) r (coordinates, event_id, is_other)
                 where q.source = $4 and q.coordinates = r.coordinates
                     and (q.outcome is null or q.outcome = 'refused')",
                &[&self.at, &coordinates, &ids, &self.source, &is_other],
            )
            .await?;
        Ok(())
    }

    /// The statement, with its semicolon, that moves the file on: numbers and times leave nothing to quote.
    pub(super) fn statement(&self, appended: Appended) -> String {
        let Self { file_id, rows_before, .. } = self;
        let Appended { committed, repeated, refused } = appended;
        let rejected = self.set_aside.len() as u64 + refused;
        let rows_done = rows_before + committed + repeated + rejected;
        let at = |at: DateTime<Utc>| format!("'{}'", at.to_rfc3339_opts(SecondsFormat::Micros, true));
        let (first, last) = match self.late {
            Some((first, last)) => (at(first), at(last)),
            None => ("null".to_owned(), "null".to_owned()),
        };
        // Null, which the column refuses, where somebody else has moved it on.
        format!(
            "update ops.replayed_file set
                 rows_done = case when rows_done = {rows_before} then {rows_done} end,
                 accepted = accepted + {committed}, repeated = repeated + {repeated}, rejected = rejected + {rejected},
                 first_late_at = least(first_late_at, {first}), last_late_at = greatest(last_late_at, {last})
             where file_id = {file_id};"
        )
    }
}

fn read(row: &Row) -> FileState {
    let count = |column: &str| row.get::<_, i64>(column).unsigned_abs();
    let first: Option<DateTime<Utc>> = row.get("first_late_at");
    let last: Option<DateTime<Utc>> = row.get("last_late_at");
    FileState {
        file_id: row.get("file_id"),
        name: row.get("name"),
        rows_done: count("rows_done"),
        accepted: count("accepted"),
        repeated: count("repeated"),
        rejected: count("rejected"),
        late: first.zip(last),
        finished_at: row.get("finished_at"),
    }
}
