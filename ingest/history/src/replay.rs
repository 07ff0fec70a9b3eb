//! A replay: the file is read and judged on a thread of its own, the store works on this task, a short queue
//! between them.

mod reader;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use contracts::Reason;
use contracts::cube::WINDOW_US;
use contracts::ledger::minute_us;
use contracts::money::Rates;
use ingest::clock::Clock;
use ingest::source::FILE_PREFIX;
use ingest::store::{FileKey, FileState, Store};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::error::HistoryError;
use crate::file::Source;
use crate::mapping::{Mapping, SourceName};
use crate::notes::Notes;
use crate::translate::{Example, Refusals};
use reader::{Batch, Read, Reader};

/// Steps between reader and store.
const QUEUED_STEPS: usize = 2;
/// How often progress is told.
const TOLD_EVERY: Duration = Duration::from_millis(100);
/// How much of a digest tells two files of one name apart.
const DIGEST_SHOWN: usize = 8;

/// Whose files are read, and by what.
#[derive(Debug, Clone)]
pub struct Shop {
    /// Which columns are which fields.
    pub mapping: Mapping,
    /// Whose rows they are.
    pub source: SourceName,
    /// What money is converted with.
    pub rates: Rates,
    /// What lies before it is kept out, as far as that is known; only for [`check()`](crate::check()) to say
    /// how much that is.
    pub floor: Option<DateTime<Utc>>,
}

impl Shop {
    /// The source of its rows in `raw.quarantine` and in re-keyed ids.
    #[must_use]
    pub fn source_of_rows(&self) -> String {
        format!("{FILE_PREFIX}{}", self.source.as_str())
    }
}

/// How far a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Its bytes are being hashed.
    Hashing {
        /// Bytes done.
        done: u64,
        /// Of how many.
        of: u64,
    },
    /// Its rows are being read.
    Reading {
        /// Bytes, or rows of a Parquet file, that are committed.
        done: u64,
        /// Of how many.
        of: u64,
        /// Rows read.
        rows: u64,
        /// Of these, set aside.
        rejected: u64,
    },
}

/// What became of a file: `rows` = `accepted` + `repeated` + `rejected`, over all runs that it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// The name by which its rows stand in quarantine.
    pub name: String,
    /// Rows read.
    pub rows: u64,
    /// Rows that are events since.
    pub accepted: u64,
    /// Rows whose event was there already.
    pub repeated: u64,
    /// Rows set aside.
    pub rejected: u64,
    /// Why rows of this run were set aside.
    pub refused: BTreeMap<Reason, u64>,
    /// One of each.
    pub examples: BTreeMap<Reason, Example>,
    /// Rows of this run that the store kept out, from before the retention floor or of an erased person; they
    /// are among `rejected`.
    pub kept_out: u64,
    /// What else is to be said of this run.
    pub notes: Notes,
    /// The windows that hold the events that the stream leaves to reconciliation.
    pub windows: Option<Range<DateTime<Utc>>>,
    /// Rows that were done before this run.
    pub rows_before: u64,
    /// Whether its last row was read.
    pub is_finished: bool,
    /// When it was finished by a run before this one, which then had nothing to do.
    pub finished_before: Option<DateTime<Utc>>,
}

/// Replays a file, from where an earlier run has left it, until its end or until it is cancelled; either way
/// what was read is stored, and the file goes on from there. With `again` one that is done starts over, and
/// what came in before is found repeated.
///
/// # Errors
/// [`HistoryError`]; what was committed stays, and running it again goes on.
pub async fn replay(
    path: &Path,
    shop: &Arc<Shop>,
    again: bool,
    store: &mut Store,
    clock: &Clock,
    cancel: &CancellationToken,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Replayed, HistoryError> {
    let source = Arc::new(Source::open(path, &shop.mapping)?);
    store.settle_base_currency(shop.rates.base()).await?;
    let Some(sha256) = hash(&source, cancel, progress).await? else {
        return Ok(untouched(source.name()));
    };
    let key = FileKey {
        source: shop.source_of_rows(),
        mapping: shop.mapping.sha256().to_owned(),
        identity: shop.mapping.identity_sha256().to_owned(),
        name: format!("{}@{}", source.name(), &sha256[..DIGEST_SHOWN]),
        sha256,
    };
    let mut state = store.begin_file(&key).await?;
    // One that is being read again goes on as any other.
    if again && state.finished_at.is_some() {
        state = store.restart_file(state.file_id).await?;
    }
    if state.finished_at.is_some() {
        return Ok(replayed(state, Refusals::default(), None));
    }
    let open = store.open_in_quarantine(&key.source, &coordinates(&state.name, "")).await?;
    let (to_store, mut steps) = mpsc::channel(QUEUED_STEPS);
    let reader = Reader {
        shop: Arc::clone(shop),
        source: Arc::clone(&source),
        source_of_rows: key.source,
        state: state.clone(),
        open,
        clock: clock.clone(),
        cancel: cancel.clone(),
        to_store,
    };
    let reading = tokio::task::spawn_blocking(move || reader.run());
    let stored = store_all(store, &mut steps, &mut state, progress).await;
    // The reader stops at its next step once nobody takes it.
    drop(steps);
    let read =
        reading.await.map_err(|cause| HistoryError::Reader { path: path.to_owned(), source: cause })?;
    let (rows_before, kept_out) = stored?;
    let Read { refusals, notes, is_at_end } = read?;
    // A file that gave nothing is not taken for one that was read: it is looked at again, whatever was wrong
    // with it.
    if is_at_end && state.rows_done > 0 {
        store.finish_file(state.file_id).await?;
    }
    let mut replayed =
        Replayed { is_finished: is_at_end, notes, ..replayed(state, refusals, Some(rows_before)) };
    replayed.kept_out = kept_out;
    Ok(replayed)
}

/// A file that was cancelled before anything was known of it.
fn untouched(name: String) -> Replayed {
    let state = FileState {
        file_id: 0,
        name,
        rows_done: 0,
        accepted: 0,
        repeated: 0,
        rejected: 0,
        late: None,
        finished_at: None,
    };
    replayed(state, Refusals::default(), Some(0))
}

fn replayed(state: FileState, refusals: Refusals, rows_before: Option<u64>) -> Replayed {
    Replayed {
        rows: state.rows_done,
        accepted: state.accepted,
        repeated: state.repeated,
        rejected: state.rejected,
        refused: refusals.counts,
        examples: refusals.examples,
        kept_out: 0,
        notes: Notes::default(),
        windows: state.late.map(windows),
        rows_before: rows_before.unwrap_or(state.rows_done),
        is_finished: state.finished_at.is_some(),
        finished_before: state.finished_at,
        name: state.name,
    }
}

/// Whole windows around two instants.
fn windows((first, last): (DateTime<Utc>, DateTime<Utc>)) -> Range<DateTime<Utc>> {
    let window = |at: DateTime<Utc>| {
        DateTime::from_timestamp_micros(minute_us(at.timestamp_micros())).unwrap_or_default()
    };
    window(first)..window(last) + TimeDelta::microseconds(WINDOW_US)
}

/// Where a row stands in its source.
fn coordinates(name: &str, line: impl std::fmt::Display) -> String {
    format!("{name}:{line}")
}

async fn hash(
    source: &Arc<Source>,
    cancel: &CancellationToken,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Option<String>, HistoryError> {
    let (told, mut heard) = mpsc::channel(1);
    let (file, cancelled) = (Arc::clone(source), cancel.clone());
    let hashing = tokio::task::spawn_blocking(move || {
        file.sha256(|done| {
            // Who does not listen yet hears of it next time.
            let _ = told.try_send(done);
            !cancelled.is_cancelled()
        })
    });
    while let Some(done) = heard.recv().await {
        progress(Progress::Hashing { done, of: source.size_bytes });
    }
    let hashed = hashing.await;
    hashed.map_err(|cause| HistoryError::Reader { path: source.path.clone(), source: cause })?
}

/// Commits steps as they come; returns how many rows were done before the first, and how many events the
/// store kept out.
async fn store_all(
    store: &mut Store,
    steps: &mut mpsc::Receiver<Batch>,
    state: &mut FileState,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<(u64, u64), HistoryError> {
    let rows_before = state.rows_done;
    let mut kept_out = 0;
    let mut told: Option<Instant> = None;
    while let Some(Batch { rows, step, read_to, of, .. }) = steps.recv().await {
        let appended = store.append_step(rows, &step).await?;
        let rejected = step.set_aside.len() as u64 + appended.refused;
        kept_out += appended.refused;
        state.accepted += appended.committed;
        state.repeated += appended.repeated;
        state.rejected += rejected;
        state.rows_done += appended.committed + appended.repeated + rejected;
        if let Some((first, last)) = step.late {
            let (known_first, known_last) = state.late.unwrap_or((first, last));
            state.late = Some((known_first.min(first), known_last.max(last)));
        }
        if told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
            told = Some(Instant::now());
            let (rows, rejected) = (state.rows_done, state.rejected);
            progress(Progress::Reading { done: read_to, of, rows, rejected });
        }
    }
    Ok((rows_before, kept_out))
}
