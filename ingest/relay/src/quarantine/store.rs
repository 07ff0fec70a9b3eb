//! The table of what could not be used.

use contracts::Reason;
use contracts::admission::{Admission, OUTDATED, READ};
use sha2::{Digest, Sha256};
use tokio_postgres::Client;

/// One record.
pub(crate) struct Entry<'a> {
    /// Where it came from.
    pub(crate) source: &'a str,
    /// Where it stands in there; together with the source the key, so that a repeat changes nothing. Other
    /// bytes at the same coordinates, as in a topic that was made anew, are kept beside.
    pub(crate) coordinates: &'a str,
    /// Why it was set aside.
    pub(crate) reason: Reason,
    /// The same, for a person to read.
    pub(crate) detail: &'a str,
    pub(crate) payload: Option<&'a [u8]>,
    /// How many bytes it has, and their SHA-256 in hex; told apart from the bytes, which may be gone.
    pub(crate) size_bytes: i64,
    /// See [`size_bytes`](Self::size_bytes).
    pub(crate) sha256: &'a str,
}

/// Stores a record, durable when this returns; whether it was new. Of one about an erased person only that
/// there was one.
pub(crate) async fn store(client: &Client, entry: &Entry<'_>) -> Result<bool, tokio_postgres::Error> {
    loop {
        let row = client.query_one(READ, &[]).await?;
        let admission = Admission::new(row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
        match store_by(client, entry, &admission).await {
            // Somebody was erased meanwhile.
            Err(error) if error.code().is_some_and(|code| code.code() == OUTDATED) => {}
            stored => return stored,
        }
    }
}

async fn store_by(
    client: &Client,
    entry: &Entry<'_>,
    admission: &Admission,
) -> Result<bool, tokio_postgres::Error> {
    let is_erased = entry.payload.is_some_and(|payload| admission.is_about_erased(payload))
        || admission.is_about_erased(entry.detail.as_bytes());
    let (reason, detail, payload) = match is_erased {
        true => (Reason::Erased, "it is about a person who was erased", None),
        false => (entry.reason, entry.detail, entry.payload),
    };
    let stored = client
        .execute(
            "insert into raw.quarantine \
             (source, coordinates, reason, detail, payload, size_bytes, sha256, quarantined_at) \
             select $1::text, raw.quarantine_coordinates($1, $2, $7), $3::text, $4::text, $5::bytea, $6::bigint, $7::text, now() \
             from raw.admit($8) admission (holds) where admission.holds on conflict do nothing",
            &[
                &entry.source,
                &entry.coordinates,
                &reason.as_str(),
                &detail,
                &payload,
                &entry.size_bytes,
                &entry.sha256,
                &admission.rules,
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
