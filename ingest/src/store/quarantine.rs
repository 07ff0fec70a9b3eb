use chrono::{DateTime, Utc};
use contracts::Reason;
use contracts::admission::Admission;
use sha2::{Digest, Sha256};
use tokio_postgres::Client;
use uuid::Uuid;

use super::admission;
use super::connection::Store;
use super::error::StoreError;
use super::tally;

/// What coordinates begin with that are a sender's own id: whatever else comes under it is the same record,
/// and adds nothing.
const KEPT_ONCE: &str = "id/";

/// The coordinates of a record that is known by an id of its sender's, however often and with whatever bytes
/// it comes.
#[must_use]
pub fn kept_once(id: impl AsRef<[u8]>) -> String {
    format!("{KEPT_ONCE}{:x}", Sha256::digest(id))
}

/// A record that did not pass, with where it stands in its source and its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// Where it came from: an API, a file, a simulated run.
    pub source: String,
    /// Where it stands in there; with `source` the key, so that a second reading adds nothing. Other bytes at
    /// the same coordinates are kept beside, under the coordinates and their digest.
    pub coordinates: String,
    /// The kind of cause.
    pub reason: Reason,
    /// What is wrong, for a person to read.
    pub detail: String,
    /// Its bytes, untouched.
    pub payload: Vec<u8>,
    /// Whose it is, where its bytes name the person by another id than ours, as a shop's file does.
    pub user_id: Option<Uuid>,
    /// When it was set aside.
    pub quarantined_at: DateTime<Utc>,
}

impl Store {
    /// Commits records to `raw.quarantine` and counts them in the ledger; those that are there already stay
    /// as they are and are not counted again.
    ///
    /// # Errors
    /// When PostgreSQL stays away or refuses; sending the records again is safe.
    pub async fn quarantine(&mut self, records: &[SetAside]) -> Result<(), StoreError> {
        if records.is_empty() {
            return Ok(());
        }
        let writer = self.writer;
        let insert = async |client: &mut Client, admission: &Admission| {
            Columns::of(records, admission).insert(client, writer, &admission.rules).await
        };
        self.admitted("set records aside", insert).await
    }
}

/// Records column by column, as the statement takes them.
pub(super) struct Columns<'a> {
    sources: Vec<&'a str>,
    coordinates: Vec<&'a str>,
    reasons: Vec<&'a str>,
    details: Vec<String>,
    /// None where they are not kept.
    payloads: Vec<Option<&'a [u8]>>,
    sizes: Vec<i64>,
    digests: Vec<String>,
    users: Vec<Option<Uuid>>,
    times: Vec<DateTime<Utc>>,
}

impl<'a> Columns<'a> {
    /// Of records about an erased person only that there were any.
    pub(super) fn of(records: &'a [SetAside], admission: &Admission) -> Self {
        let is_erased: Vec<bool> = records
            .iter()
            .map(|record| {
                record.user_id.is_some_and(|user_id| admission.is_erased(&user_id))
                    || admission.is_about_erased(&record.payload)
                    || admission.is_about_erased(record.detail.as_bytes())
            })
            .collect();
        let judged = || records.iter().zip(&is_erased);
        let reason = |record: &SetAside, is_erased| if is_erased { Reason::Erased } else { record.reason };
        Self {
            sources: records.iter().map(|record| record.source.as_str()).collect(),
            coordinates: records.iter().map(|record| record.coordinates.as_str()).collect(),
            reasons: judged().map(|(record, &is_erased)| reason(record, is_erased).as_str()).collect(),
            // PostgreSQL's text holds no NUL; a detail may quote the record.
            details: judged()
                .map(|(record, &is_erased)| match is_erased {
                    true => admission::erased().to_string(),
                    false => record.detail.replace('\0', "\u{fffd}"),
                })
                .collect(),
            payloads: judged()
                .map(|(record, &is_erased)| {
                    (!reason(record, is_erased).keeps_no_bytes()).then_some(record.payload.as_slice())
                })
                .collect(),
            sizes: records
                .iter()
                .map(|record| i64::try_from(record.payload.len()).unwrap_or(i64::MAX))
                .collect(),
            digests: records.iter().map(|record| format!("{:x}", Sha256::digest(&record.payload))).collect(),
            users: judged()
                .map(|(record, &is_erased)| {
                    record.user_id.filter(|_| !reason(record, is_erased).keeps_no_bytes())
                })
                .collect(),
            times: records.iter().map(|record| record.quarantined_at).collect(),
        }
    }

    /// Inserts them and counts those that are new for a writer, in one statement.
    pub(super) async fn insert(
        &self,
        client: &Client,
        writer: Uuid,
        rules: &str,
    ) -> Result<(), tokio_postgres::Error> {
        let statement = format!(
            "with fresh as (
                 insert into raw.quarantine
                     (source, coordinates, reason, detail, payload, size_bytes, sha256, quarantined_at, user_id)
                 select r.source, raw.quarantine_coordinates(r.source, r.coordinates, r.sha256), r.reason,
                        r.detail, r.payload, r.size_bytes, r.sha256, r.quarantined_at, r.user_id
                 from raw.admit($10) admission (holds), unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[],
                             $7::bigint[], $8::text[], $9::timestamptz[], $11::uuid[])
                      r (source, coordinates, reason, detail, payload, size_bytes, sha256, quarantined_at, user_id)
                 where admission.holds and not (starts_with(r.coordinates, '{KEPT_ONCE}') and exists (
                     select from raw.quarantine q where q.source = r.source and q.coordinates = r.coordinates
                 ))
                 on conflict (source, coordinates) do nothing
                 returning quarantined_at
             ) {}",
            tally::count_set_aside()
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
                    &rules,
                    &self.users,
                ],
            )
            .await?;
        Ok(())
    }
}
