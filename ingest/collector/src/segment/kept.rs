//! Messages that were kept because they had no place, translated again by what is known today.

use contracts::money::Rates;
use contracts::validation::{Accepted, Rejection};
use ingest::clock::Clock;
use ingest::store::{EncodedRows, Store, StoreError};
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use super::{DIALECT, Received, translate};
use crate::item::Item;
use crate::judged::accept;

/// Messages that are read at a time.
const PAGE: i64 = 500;

/// What became of the messages: `translated` = `moved` + `ignored` + `refused` + those that have no place
/// still.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Messages looked at.
    pub translated: u64,
    /// Messages that have a place, and are gone from where they were kept.
    pub moved: u64,
    /// The records that these are.
    pub records: u64,
    /// Messages that a program sent: they count nowhere, and stay.
    pub ignored: u64,
    /// Messages that would have a place if they broke no rule; they stay.
    pub refused: u64,
}

/// Translates kept messages again and stores those that have a place now; each of their events counts once.
/// With `dry_run` nothing is changed.
///
/// # Errors
/// When PostgreSQL stays away or refuses. What was moved is moved, and running it again goes on.
pub async fn replay(
    store: &mut Store,
    rates: &Rates,
    clock: &Clock,
    dry_run: bool,
    cancel: &CancellationToken,
) -> Result<Replayed, StoreError> {
    let (mut replayed, mut after) = (Replayed::default(), Default::default());
    while !cancel.is_cancelled() {
        let page = store.others_after(DIALECT, &after, PAGE).await?;
        let Some((source, id, ..)) = page.last() else { break };
        after = (source.clone(), id.clone());
        for (source, id, occurred_at, payload) in page {
            replayed.translated += 1;
            let now = clock.now();
            let received = Received {
                source: &source,
                at: now,
                sent_at: None,
                occurred_at: Some(occurred_at),
                base: rates.base(),
            };
            let Some(records) = again(&payload, &received, rates) else { continue };
            let Ok(records) = records else {
                replayed.refused += 1;
                continue;
            };
            if records.iter().any(|(_, is_of_bot)| *is_of_bot) {
                replayed.ignored += 1;
                continue;
            }
            replayed.moved += 1;
            replayed.records += records.len() as u64;
            if !dry_run {
                let mut rows = EncodedRows::with_capacity(records.len()).from_source(&source);
                for (record, _) in &records {
                    let taken = rows.take(record);
                    debug_assert!(taken, "a message has fewer lines than a commit rows");
                }
                // Killed in between, the next run finds its events repeated and forgets the message.
                store.append_rows(rows).await?;
                store.forget_others(&[(source, id)]).await?;
            }
        }
    }
    Ok(replayed)
}

/// The records of a message, and whether a program sent them; nothing where it has no place still.
fn again(
    payload: &[u8],
    received: &Received<'_>,
    rates: &Rates,
) -> Option<Result<Vec<(Accepted, bool)>, Rejection>> {
    // How large it may be was judged when it came.
    const EVENT_BYTES: usize = usize::MAX;
    let message: &RawValue = serde_json::from_slice(payload).ok()?;
    let Item::Records(records) = translate(message, None, received) else { return None };
    let judged =
        records.iter().map(|record| accept(record, received.source, received.at, rates, EVENT_BYTES, None));
    Some(judged.collect())
}
