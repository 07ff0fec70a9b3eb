//! What could not be used, into `raw.quarantine` with its bytes.

use contracts::Reason;
use sha2::{Digest, Sha256};
use tokio_postgres::Client;

/// One record.
pub(crate) struct Entry<'a> {
    /// Where it came from.
    pub(crate) source: &'a str,
    /// Where it stands in there; together with the source the key, so that a repeat changes nothing.
    pub(crate) coordinates: &'a str,
    /// Why it was set aside.
    pub(crate) reason: Reason,
    /// The same, for a person to read.
    pub(crate) detail: &'a str,
    /// Its bytes.
    pub(crate) payload: &'a [u8],
}

/// Stores a record; it is durable when this returns.
pub(crate) async fn store(client: &Client, entry: &Entry<'_>) -> Result<(), tokio_postgres::Error> {
    let size_bytes = i64::try_from(entry.payload.len()).unwrap_or(i64::MAX);
    let sha256 = hex(&Sha256::digest(entry.payload));
    client
        .execute(
            "insert into raw.quarantine \
             (source, coordinates, reason, detail, payload, size_bytes, sha256, quarantined_at) \
             values ($1, $2, $3, $4, $5, $6, $7, now()) on conflict do nothing",
            &[
                &entry.source,
                &entry.coordinates,
                &entry.reason.as_str(),
                &entry.detail,
                &entry.payload,
                &size_bytes,
                &sha256,
            ],
        )
        .await
        .map(drop)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
