//! The table of what could not be used.

use contracts::Reason;
use sha2::{Digest, Sha256};
use tokio_postgres::Client;

/// One record.
pub(crate) struct Entry<'a> {
    /// Where it came from.
    pub(crate) source: &'a str,
    /// Where it stands in there; together with the source the key, so that a repeat changes nothing. Other bytes at the
    /// same coordinates, as in a topic that was made anew, are kept beside.
    pub(crate) coordinates: &'a str,
    /// Why it was set aside.
    pub(crate) reason: Reason,
    /// The same, for a person to read.
    pub(crate) detail: &'a str,
    /// Its bytes.
    pub(crate) payload: Option<&'a [u8]>,
    /// How many bytes it has, and their SHA-256 in hex; told apart from the bytes, which may be gone.
    pub(crate) size_bytes: i64,
    /// See [`size_bytes`](Self::size_bytes).
    pub(crate) sha256: &'a str,
}

/// Stores a record, durable when this returns; whether it was new.
pub(crate) async fn store(client: &Client, entry: &Entry<'_>) -> Result<bool, tokio_postgres::Error> {
    let stored = client
        .execute(
            "insert into raw.quarantine \
             (source, coordinates, reason, detail, payload, size_bytes, sha256, quarantined_at) \
             values ($1, raw.quarantine_coordinates($1, $2, $7), $3, $4, $5, $6, $7, now()) on conflict do nothing",
            &[
                &entry.source,
                &entry.coordinates,
                &entry.reason.as_str(),
                &entry.detail,
                &entry.payload,
                &entry.size_bytes,
                &entry.sha256,
            ],
        )
        .await?;
    Ok(stored > 0)
}

/// Size and SHA-256 (hex) of bytes, as an [`Entry`] tells them.
pub(crate) fn fingerprint(bytes: &[u8]) -> (i64, String) {
    let sha256 = hex::encode(Sha256::digest(bytes));
    (i64::try_from(bytes.len()).unwrap_or(i64::MAX), sha256)
}
