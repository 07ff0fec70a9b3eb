//! What would become of a file, without a store.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use contracts::{Event, Reason};
use ingest::clock::Clock;
use tokio_util::sync::CancellationToken;

use crate::error::HistoryError;
use crate::file::Source;
use crate::notes::Notes;
use crate::orders::{Plan, Planner};
use crate::pages::Pages;
use crate::replay::Shop;
use crate::translate::{Cells, Example, Refusals, Translator};

/// What would become of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// This event.
    Event(Box<Event>),
    /// A row in quarantine, for this reason.
    Rejected {
        /// The kind of cause.
        reason: Reason,
        /// The same, for a person to read.
        detail: String,
    },
}

/// What would become of a file: `rows` = `accepted` + all of `refused`. Which events are there already only
/// the store knows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Checked {
    /// Rows read.
    pub rows: u64,
    /// Rows that would pass.
    pub accepted: u64,
    /// Rows that would be set aside.
    pub refused: BTreeMap<Reason, u64>,
    /// One of each.
    pub examples: BTreeMap<Reason, Example>,
    /// The first rows, with the lines they stand on.
    pub first: Vec<(u64, Outcome)>,
    /// Rows that have the id of a row before them, and of which one alone would be stored.
    pub repeated: u64,
    /// What else is to be said of it.
    pub notes: Notes,
}

/// Reads a whole file, or as far as it is let, and stores nothing. It blocks: not for a task.
///
/// # Errors
/// When the file cannot be read to its end.
pub fn check(
    path: &Path,
    shop: &Shop,
    first: usize,
    clock: &Clock,
    cancel: &CancellationToken,
) -> Result<Checked, HistoryError> {
    let source = Source::open(path, &shop.mapping)?;
    let source_of_rows = shop.source_of_rows();
    let mut translator = Translator::new(&shop.mapping, &source_of_rows);
    let mut planner = Planner::new(&shop.mapping, Pages::open(&source, &shop.mapping)?);
    let (mut checked, mut refusals) = (Checked::default(), Refusals::default());
    let mut ids = HashSet::new();
    while !cancel.is_cancelled()
        && let Some(planned) = planner.next()?
    {
        let ingested_at = clock.now();
        let page = &planned.page;
        checked.notes.page(page);
        for (row, plan) in planned.rows() {
            checked.notes.row(row, plan);
            if plan.is_some_and(Plan::is_skipped) {
                continue;
            }
            checked.rows += 1;
            let judged = translator.event(page, row, plan, ingested_at, &shop.rates);
            match &judged {
                Ok(accepted) => {
                    checked.accepted += 1;
                    if ids.insert(accepted.identity()) {
                        if let Ok(at) = row.cells {
                            let cells = Cells { mapping: &shop.mapping, page, row, at, plan };
                            checked.notes.passed(&cells, &accepted.event, shop.floor);
                        }
                    } else {
                        checked.repeated += 1;
                    }
                }
                Err(rejection) => refusals.count(row.line, rejection),
            }
            if checked.first.len() < first {
                let outcome = match judged {
                    Ok(accepted) => Outcome::Event(Box::new(accepted.event)),
                    Err(rejection) => {
                        Outcome::Rejected { reason: rejection.reason, detail: rejection.to_string() }
                    }
                };
                checked.first.push((row.line, outcome));
            }
        }
    }
    checked.notes.taken_first = translator.taken_first();
    checked.notes.end(&shop.mapping, planner.pages().known());
    Ok(Checked { refused: refusals.counts, examples: refusals.examples, ..checked })
}
