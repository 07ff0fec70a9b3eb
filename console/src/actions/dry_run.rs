//! A dry run over quarantine: which records it is of, and what it judged.

use contracts::Reason;
use contracts::printable::printable_name;
use ingest::store::Filter;

use crate::problem::Problem;

/// What a dry run judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DryRun {
    pub(crate) selection: Selection,
    pub(crate) records: u64,
    pub(crate) accepted: u64,
    pub(crate) repeated: u64,
    pub(crate) refused: u64,
}

/// Which records of quarantine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    pub(crate) source: Option<String>,
    pub(crate) reason: Option<Reason>,
    pub(crate) coordinates: Option<String>,
}

impl Selection {
    /// As a form has it.
    ///
    /// # Errors
    /// Where the reason is none.
    pub(crate) fn of(
        source: Option<String>,
        reason: Option<String>,
        coordinates: Option<String>,
    ) -> Result<Self, Problem> {
        let some = |text: Option<String>| text.filter(|text| !text.is_empty());
        let reason = some(reason).map(|word| {
            word.parse().map_err(|_| {
                Problem::bad_request("bad-choice", format!("{word:?} is no reason of quarantine"))
            })
        });
        Ok(Self { source: some(source), reason: reason.transpose()?, coordinates: some(coordinates) })
    }

    /// For the store: those that are open.
    pub(super) fn filter(&self) -> Filter {
        Filter {
            source: self.source.clone(),
            reason: self.reason,
            coordinates: self.coordinates.clone(),
            since: None,
            open: Some(true),
        }
    }

    /// For people and the log.
    pub(crate) fn told(&self) -> String {
        let mut told = String::from("open records");
        if let Some(reason) = self.reason {
            told += &format!(", {reason}");
        }
        if let Some(source) = &self.source {
            told += &format!(", of {}", printable_name(source));
        }
        if let Some(coordinates) = &self.coordinates {
            told += &format!(", at {}", printable_name(coordinates));
        }
        told
    }
}
