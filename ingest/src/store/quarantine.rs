use chrono::{DateTime, Utc};
use contracts::Reason;
use sha2::{Digest, Sha256};
use tokio_postgres::Client;
use uuid::Uuid;

use super::connection::Store;
use super::error::StoreError;
use super::ledger;

/// A record that did not pass, with where it stands in its source and its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// Where it came from: an API, a file, a simulated run.
    pub source: String,
    /// Where it stands in there; with `source` the key, so that a second reading adds nothing. Other bytes at the same
    /// coordinates are kept beside, under the coordinates and their digest.
    pub coordinates: String,
    /// The kind of cause.
    pub reason: Reason,
    /// What is wrong, for a person to read.
    pub detail: String,
    /// Its bytes, untouched.
    pub payload: Vec<u8>,
    /// When it was set aside.
    pub quarantined_at: DateTime<Utc>,
}

impl Store {
    /// Commits records to `raw.quarantine` and counts them in the ledger; those that are there already stay as they
    /// are and are not counted again.
    ///
    /// # Errors
    /// When PostgreSQL stays away or refuses; sending the records again is safe.
    pub async fn quarantine(&mut self, records: &[SetAside]) -> Result<(), StoreError> {
        if records.is_empty() {
            return Ok(());
        }
        let columns = Columns::of(records);
        let writer = self.writer;
        self.repeatable("set records aside", async |client| columns.insert(client, writer).await).await?;
        Ok(())
    }
}

/// Records column by column, as the statement takes them.
pub(super) struct Columns<'a> {
    sources: Vec<&'a str>,
    coordinates: Vec<&'a str>,
    reasons: Vec<&'a str>,
    details: Vec<String>,
    payloads: Vec<&'a [u8]>,
    sizes: Vec<i64>,
    digests: Vec<String>,
    times: Vec<DateTime<Utc>>,
}

impl<'a> Columns<'a> {
    pub(super) fn of(records: &'a [SetAside]) -> Self {
        Self {
            sources: records.iter().map(|record| record.source.as_str()).collect(),
            coordinates: records.iter().map(|record| record.coordinates.as_str()).collect(),
            reasons: records.iter().map(|record| record.reason.as_str()).collect(),
            // PostgreSQL's text holds no NUL; a detail may quote the record.
            details: records.iter().map(|record| record.detail.replace('\0', "\u{fffd}")).collect(),
            payloads: records.iter().map(|record| record.payload.as_slice()).collect(),
            sizes: records
                .iter()
                .map(|record| i64::try_from(record.payload.len()).unwrap_or(i64::MAX))
                .collect(),
            digests: records.iter().map(|record| format!("{:x}", Sha256::digest(&record.payload))).collect(),
            times: records.iter().map(|record| record.quarantined_at).collect(),
        }
    }

    /// Inserts them and counts those that are new for a writer, in one statement.
    pub(super) async fn insert(&self, client: &Client, writer: Uuid) -> Result<(), tokio_postgres::Error> {
        let statement = format!(
            "with fresh as (
                 insert into raw.quarantine
                     (source, coordinates, reason, detail, payload, size_bytes, sha256, quarantined_at)
                 select r.source, raw.quarantine_coordinates(r.source, r.coordinates, r.sha256), r.reason,
                        r.detail, r.payload, r.size_bytes, r.sha256, r.quarantined_at
                 from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[],
                             $7::bigint[], $8::text[], $9::timestamptz[])
                      r (source, coordinates, reason, detail, payload, size_bytes, sha256, quarantined_at)
                 on conflict (source, coordinates) do nothing
                 returning quarantined_at
             ) {}",
            ledger::count_set_aside()
        );
        client
            .execute(
                &statement,
                &[
                    &writer,
                    &self.sources,
                    &self.coordinates,
                    &self.reasons,
                    &self.details,
                    &self.payloads,
                    &self.sizes,
                    &self.digests,
                    &self.times,
                ],
            )
            .await?;
        Ok(())
    }
}
