//! The thread that reads a file: rows judged one by one, and handed on in steps that are each one
//! transaction.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use contracts::Event;
use contracts::lateness::{self, Lateness};
use contracts::validation::Accepted;
use ingest::clock::Clock;
use ingest::store::{EncodedRows, FileState, FileStep, Passed, SetAside};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Shop, coordinates};
use crate::error::HistoryError;
use crate::file::Source;
use crate::notes::Notes;
use crate::orders::{Plan, Planner};
use crate::pages::{PAGE_ROWS, Pages, Row};
use crate::translate::{Cells, Refusals, Translator};

/// Rows set aside in one transaction: each is sent with its bytes.
const MAX_SET_ASIDE: usize = 1_000;
/// Their bytes, but for the last one's.
const MAX_SET_ASIDE_BYTES: usize = 8 << 20;
/// Days that the events of one transaction fall into: each is a partition with locks of its own, and
/// PostgreSQL has some thousands for all.
const MAX_DAYS: usize = 200;

/// Rows on their way to the store, and where reading them ended.
pub(super) struct Batch {
    pub(super) rows: EncodedRows,
    pub(super) step: FileStep,
    set_aside_bytes: usize,
    days: BTreeSet<i64>,
    pub(super) read_to: u64,
    pub(super) of: u64,
}

impl Batch {
    fn new(state: &FileState, source: &str, rows_before: u64, of: u64, at: DateTime<Utc>) -> Self {
        let step = FileStep {
            file_id: state.file_id,
            rows_before,
            set_aside: Vec::new(),
            source: source.to_owned(),
            passed: Vec::new(),
            late: None,
            at,
        };
        let rows = EncodedRows::with_capacity(PAGE_ROWS).from_source(source);
        Self { rows, step, set_aside_bytes: 0, days: BTreeSet::new(), read_to: 0, of }
    }

    fn len(&self) -> u64 {
        (self.rows.rows() + self.step.set_aside.len()) as u64
    }

    fn is_full(&self) -> bool {
        self.rows.is_full()
            || self.step.set_aside.len() >= MAX_SET_ASIDE
            || self.set_aside_bytes >= MAX_SET_ASIDE_BYTES
            || self.days.len() >= MAX_DAYS
    }

    fn set_aside(&mut self, record: SetAside) {
        self.set_aside_bytes += record.payload.len();
        self.step.set_aside.push(record);
    }

    fn take(&mut self, accepted: &Accepted) {
        const DAY_US: i64 = 86_400_000_000;
        let event = &accepted.event;
        let at = event.occurred_at;
        self.days.insert(at.timestamp_micros().div_euclid(DAY_US));
        if lateness::judge(at, event.ingested_at) == Lateness::Late {
            let (first, last) = self.step.late.unwrap_or((at, at));
            self.step.late = Some((first.min(at), last.max(at)));
        }
        let taken = self.rows.take(accepted);
        debug_assert!(taken, "a full batch is sent");
    }
}

/// What a run has read.
pub(super) struct Read {
    pub(super) refusals: Refusals,
    pub(super) notes: Notes,
    pub(super) is_at_end: bool,
}

/// The thread that reads.
pub(super) struct Reader {
    pub(super) shop: Arc<Shop>,
    pub(super) source: Arc<Source>,
    pub(super) source_of_rows: String,
    pub(super) state: FileState,
    /// Coordinates of rows of this file that stand open in quarantine.
    pub(super) open: HashSet<String>,
    pub(super) clock: Clock,
    pub(super) cancel: CancellationToken,
    pub(super) to_store: mpsc::Sender<Batch>,
}

impl Reader {
    /// Reads from where the file was left; what was refused, and whether the end was reached.
    pub(super) fn run(self) -> Result<Read, HistoryError> {
        let mapping = &self.shop.mapping;
        let mut translator = Translator::new(mapping, &self.source_of_rows);
        let mut planner = Planner::new(mapping, Pages::open(&self.source, mapping)?);
        let of = planner.pages().size();
        let mut to_pass_over = self.state.rows_done;
        if !translator.needs_all_rows() {
            planner.pages().skip(to_pass_over)?;
            to_pass_over = 0;
        }
        let mut notes = Notes::default();
        let mut refusals = Refusals::default();
        let mut rows_done = self.state.rows_done;
        let mut batch = self.batch(rows_done, of);
        while let Some(planned) = planner.next()? {
            if self.cancel.is_cancelled() {
                // What was judged is stored all the same: less to do for the next run.
                let _ = self.send(batch);
                return Ok(Read { refusals, notes, is_at_end: false });
            }
            let ingested_at = self.clock.now();
            let page = &planned.page;
            notes.page(page);
            for (row, plan) in planned.rows() {
                // Rows that are skipped are none of the file's, whoever counts.
                let is_skipped = plan.is_some_and(Plan::is_skipped);
                if to_pass_over > 0 {
                    if !is_skipped {
                        to_pass_over -= 1;
                        translator.pass_over(page, row, plan);
                    }
                    continue;
                }
                notes.row(row, plan);
                if is_skipped {
                    continue;
                }
                match translator.event(page, row, plan, ingested_at, &self.shop.rates) {
                    Ok(accepted) => {
                        let event = &accepted.event;
                        self.note_passed(row, event, &mut batch);
                        if let Ok(at) = row.cells {
                            notes.passed(&Cells { mapping, page, row, at, plan }, event, self.shop.floor);
                        }
                        batch.take(&accepted);
                    }
                    Err(rejection) => {
                        refusals.count(row.line, &rejection);
                        batch.set_aside(SetAside {
                            source: self.source_of_rows.clone(),
                            coordinates: coordinates(&self.state.name, row.place()),
                            reason: rejection.reason,
                            detail: rejection.to_string(),
                            payload: page.record(row, mapping.columns()),
                            user_id: translator.user_id(page, row, plan),
                            quarantined_at: ingested_at,
                        });
                    }
                }
                batch.read_to = page.read_to;
                if batch.is_full() {
                    rows_done += batch.len();
                    if !self.send(std::mem::replace(&mut batch, self.batch(rows_done, of))) {
                        return Ok(Read { refusals, notes, is_at_end: false });
                    }
                }
            }
        }
        let is_at_end = self.send(batch);
        notes.taken_first = translator.taken_first();
        notes.end(mapping, planner.pages().known());
        Ok(Read { refusals, notes, is_at_end })
    }

    fn batch(&self, rows_before: u64, of: u64) -> Batch {
        Batch::new(&self.state, &self.source_of_rows, rows_before, of, self.clock.now())
    }

    /// `false` when nobody takes it.
    fn send(&self, batch: Batch) -> bool {
        batch.len() == 0 || self.to_store.blocking_send(batch).is_ok()
    }

    fn note_passed(&self, row: &Row, event: &Event, batch: &mut Batch) {
        if self.open.is_empty() {
            return;
        }
        let coordinates = coordinates(&self.state.name, row.place());
        if self.open.contains(&coordinates) {
            batch.step.passed.push(Passed { coordinates, event_id: event.event_id });
        }
    }
}
