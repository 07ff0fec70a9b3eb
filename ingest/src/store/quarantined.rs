use chrono::{DateTime, Utc};
use contracts::Reason;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::connection::Store;
use super::error::StoreError;

/// What became of a record that was judged again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It passed and is counted since.
    Accepted,
    /// It passed, and its id was there already.
    Repeated,
    /// It did not pass; it stays open.
    Refused,
}

impl Outcome {
    /// The word in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Repeated => "repeated",
            Self::Refused => "refused",
        }
    }

    pub(super) fn read(word: Option<&str>) -> Option<Self> {
        match word? {
            "accepted" => Some(Self::Accepted),
            "repeated" => Some(Self::Repeated),
            // The table's check admits no other word.
            _ => Some(Self::Refused),
        }
    }
}

/// Which records: those that meet all that is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this source.
    pub source: Option<String>,
    /// Set aside for this reason.
    pub reason: Option<Reason>,
    /// At these coordinates.
    pub coordinates: Option<String>,
    /// Set aside at this time or later.
    pub since: Option<DateTime<Utc>>,
    /// Open (`true`: never judged again, or refused again) or passed since (`false`).
    pub open: Option<bool>,
}

impl Filter {
    const SQL: &str = "($1::text is null or source = $1) and ($2::text is null or reason = $2)
        and ($3::text is null or coordinates = $3) and ($4::timestamptz is null or quarantined_at >= $4)
        and ($5::bool is null or $5 = (outcome is null or outcome = 'refused'))";

    fn parameters<'a>(&'a self, reason: &'a Option<&'static str>) -> [&'a (dyn ToSql + Sync); 5] {
        [&self.source, reason, &self.coordinates, &self.since, &self.open]
    }

    fn reason(&self) -> Option<&'static str> {
        self.reason.map(Reason::as_str)
    }
}

/// A record in quarantine, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Quarantined {
    /// Where it came from: a simulated run, an API, a topic, the log of PostgreSQL.
    pub source: String,
    /// Where it stands in there.
    pub coordinates: String,
    /// Why it was set aside.
    pub reason: Reason,
    /// The same, for a person to read.
    pub detail: String,
    /// How many bytes it has.
    pub size_bytes: i64,
    /// Their SHA-256, hex.
    pub sha256: String,
    /// When it was set aside.
    pub quarantined_at: DateTime<Utc>,
    /// When it was last judged again.
    pub replayed_at: Option<DateTime<Utc>>,
    /// What became of it then.
    pub outcome: Option<Outcome>,
    /// Why it was refused again.
    pub outcome_reason: Option<Reason>,
    /// The same, for a person to read.
    pub outcome_detail: Option<String>,
    /// The event or user it is now.
    pub record_id: Option<Uuid>,
}

const COLUMNS: &str =
    "source, coordinates, reason, detail, size_bytes, sha256, quarantined_at, replayed_at, outcome,
    outcome_reason, outcome_detail, record_id";

/// How many records of a source were set aside for a reason.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Count {
    /// Where they came from.
    pub source: String,
    /// Why they were set aside.
    pub reason: Reason,
    /// Those that are open: never judged again, or refused again.
    pub open: i64,
    /// Those that passed and are counted since.
    pub accepted: i64,
    /// Those that passed and were there already.
    pub repeated: i64,
}

impl Store {
    /// The newest records in quarantine, at most `limit`.
    ///
    /// # Errors
    /// When PostgreSQL stays away or refuses, or a row breaks the contract.
    pub async fn quarantined(&mut self, filter: &Filter, limit: u32) -> Result<Vec<Quarantined>, StoreError> {
        let sql = format!(
            "select {COLUMNS} from raw.quarantine where {}
             order by quarantined_at desc, source, coordinates limit $6",
            Filter::SQL
        );
        let (reason, limit) = (filter.reason(), i64::from(limit));
        let rows = self
            .repeatable("list the quarantine", async |client| {
                let mut parameters = filter.parameters(&reason).to_vec();
                parameters.push(&limit);
                client.query(&sql, &parameters).await
            })
            .await?;
        rows.iter().map(read).collect()
    }

    /// Records with their bytes, by key, at most `limit` of those after a key.
    ///
    /// # Errors
    /// As [`quarantined`](Self::quarantined).
    pub async fn quarantined_after(
        &mut self,
        filter: &Filter,
        after: &(String, String),
        limit: u32,
    ) -> Result<Vec<(Quarantined, Option<Vec<u8>>)>, StoreError> {
        let sql = format!(
            "select {COLUMNS}, payload from raw.quarantine where {} and (source, coordinates) > ($6, $7)
             order by source, coordinates limit $8",
            Filter::SQL
        );
        let (reason, limit) = (filter.reason(), i64::from(limit));
        let rows = self
            .repeatable("read the quarantine", async |client| {
                let mut parameters = filter.parameters(&reason).to_vec();
                parameters.extend_from_slice(&[&after.0, &after.1, &limit]);
                client.query(&sql, &parameters).await
            })
            .await?;
        rows.iter().map(|row| Ok((read(row)?, row.get("payload")))).collect()
    }

    /// How many records there are, by source and reason.
    ///
    /// # Errors
    /// As [`quarantined`](Self::quarantined).
    pub async fn count_quarantined(&mut self, filter: &Filter) -> Result<Vec<Count>, StoreError> {
        let sql = format!(
            "select source, reason, count(*) filter (where outcome is null or outcome = 'refused') as open,
                    count(*) filter (where outcome = 'accepted') as accepted,
                    count(*) filter (where outcome = 'repeated') as repeated
             from raw.quarantine where {} group by source, reason order by source, reason",
            Filter::SQL
        );
        let reason = filter.reason();
        let rows = self
            .repeatable("count the quarantine", async |client| {
                client.query(&sql, &filter.parameters(&reason)).await
            })
            .await?;
        rows.iter()
            .map(|row| {
                Ok(Count {
                    source: row.get("source"),
                    reason: word("reason", row.get("reason"))?,
                    open: row.get("open"),
                    accepted: row.get("accepted"),
                    repeated: row.get("repeated"),
                })
            })
            .collect()
    }
}

fn word(column: &'static str, text: &str) -> Result<Reason, StoreError> {
    text.parse().map_err(|error: contracts::vocabulary::UnknownWord| StoreError::BadRow {
        table: "raw.quarantine",
        column,
        detail: error.to_string(),
    })
}

fn read(row: &Row) -> Result<Quarantined, StoreError> {
    let again: Option<&str> = row.get("outcome_reason");
    Ok(Quarantined {
        source: row.get("source"),
        coordinates: row.get("coordinates"),
        reason: word("reason", row.get("reason"))?,
        detail: row.get("detail"),
        size_bytes: row.get("size_bytes"),
        sha256: row.get("sha256"),
        quarantined_at: row.get("quarantined_at"),
        replayed_at: row.get("replayed_at"),
        outcome: Outcome::read(row.get("outcome")),
        outcome_reason: again.map(|text| word("outcome_reason", text)).transpose()?,
        outcome_detail: row.get("outcome_detail"),
        record_id: row.get("record_id"),
    })
}
