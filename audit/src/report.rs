//! The verdict, for people and for programs.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use contracts::cube::DISTINCT_RSD;
use contracts::family::CUBE_FAMILY;

use crate::row::{Figure, Key};

/// Below this many estimates a mean says nothing that the bound on each does not.
pub const MIN_FIGURES_FOR_A_MEAN: usize = 30;

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub table: &'static str,
    pub key: Key,
    /// What about it.
    pub kind: DifferenceKind,
}

/// What is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DifferenceKind {
    /// The row should be there.
    Missing,
    /// The row should not be there.
    TooMany,
    /// A figure differs.
    Figure {
        /// Of which measure.
        measure: &'static str,
        /// What `raw.events` gives.
        expected: Figure,
        /// What the table holds.
        found: Figure,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.table, self.key, self.kind)
    }
}

impl fmt::Display for DifferenceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("the row is missing"),
            Self::TooMany => f.write_str("the row should not be there"),
            Self::Figure { measure, expected, found } => {
                write!(f, "{measure} is {found}, expected {expected}")
            }
        }
    }
}

/// How far the estimates of one distinct count are off, over all rows that match.
///
/// Each row's relative error |estimate − n| / n counts the same, whatever its n: an estimator is judged by
/// how it does on a figure, not on the largest one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Deviation {
    pub measure: &'static str,
    /// How many estimates; those of nothing are left out.
    pub figures: usize,
    /// The sum of their relative errors.
    sum: f64,
}

impl Deviation {
    pub(crate) const fn of(measure: &'static str) -> Self {
        Self { measure, figures: 0, sum: 0.0 }
    }

    pub(crate) fn add(&mut self, exact: i64, estimate: i64) {
        if exact <= 0 {
            return;
        }
        self.figures += 1;
        #[expect(clippy::cast_precision_loss, reason = "counts of one minute are far below 2^53")]
        let error = estimate.abs_diff(exact) as f64 / exact as f64;
        self.sum += error;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.figures += other.figures;
        self.sum += other.sum;
    }

    /// The mean relative error.
    #[must_use]
    pub fn mean(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "far fewer rows than 2^53")]
        let figures = self.figures.max(1) as f64;
        self.sum / figures
    }

    /// Whether the estimator keeps its promise; of too few figures it is not judged.
    #[must_use]
    pub fn is_acceptable(&self) -> bool {
        self.figures < MIN_FIGURES_FOR_A_MEAN || self.mean() <= DISTINCT_RSD
    }
}

/// How far the mean is off.
impl fmt::Display for Deviation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { measure, figures, .. } = self;
        let mean = self.mean();
        write!(f, "{measure}: the mean error of {figures} estimates is {mean:.4}, more than {DISTINCT_RSD}")
    }
}

/// One table's part in the verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableReport {
    pub table: &'static str,
    /// Rows that match.
    pub rows_verified: usize,
    /// Rows that do not, or should not be there.
    pub rows_differing: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// When PostgreSQL was looked at, by its clock: what was committed by then was compared.
    pub snapshot_at: DateTime<Utc>,
    /// Every table, in the contract's order.
    pub tables: Vec<TableReport>,
    /// Records whose minute matches, each counted once.
    pub events_verified: i64,
    /// Rows that match, over all tables.
    pub rows_verified: usize,
    /// Records that came too late for the stream, which nothing here expects in the tables.
    pub late_events: i64,
    /// Sessions that are still open, so that no row of them is expected.
    pub open_sessions: usize,
    /// Rows of open windows that still changed: what they hold lies between what was stored before and after.
    pub moving_rows: usize,
    /// Rows astride the cut of a rebuild, which reconciliation puts right.
    pub deferred_rows: usize,
    /// How far the distinct counts are off.
    pub deviations: Vec<Deviation>,
    /// What is not as it should be.
    pub differences: Vec<Difference>,
    /// How long relay, Spark and moving rows were waited for.
    pub waited: Duration,
}

impl Report {
    /// Whether everything is as it should be, and something was compared.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.differences.is_empty()
            && self.rows_verified + self.moving_rows > 0
            && (self.events_verified > 0 || !self.has_total())
            && self.deviations.iter().all(Deviation::is_acceptable)
    }
}

impl Report {
    /// Whether the table that has every record once is among those compared.
    fn has_total(&self) -> bool {
        self.tables.iter().any(|table| CUBE_FAMILY.tables.iter().any(|of| of.table == table.table))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.passed() {
            write!(f, "verified {} events in {} rows", self.events_verified, self.rows_verified)?;
            if self.late_events > 0 {
                write!(f, "; {} late events are left to reconciliation", self.late_events)?;
            }
            if self.deferred_rows > 0 {
                write!(f, "; {} rows from around a rebuild's cut, too", self.deferred_rows)?;
            }
            if self.open_sessions > 0 {
                write!(f, "; {} visits are still open", self.open_sessions)?;
            }
            match self.moving_rows {
                0 => {}
                1 => f.write_str("; 1 row still changes, within its bounds")?,
                rows => write!(f, "; {rows} rows still change, within their bounds")?,
            }
            return Ok(());
        }
        for difference in &self.differences {
            writeln!(f, "{difference}")?;
        }
        for deviation in self.deviations.iter().filter(|deviation| !deviation.is_acceptable()) {
            writeln!(f, "{deviation}")?;
        }
        if self.rows_verified == 0 && self.differences.is_empty() {
            return f.write_str("not verified: there was nothing to compare");
        }
        let differing: usize = self.tables.iter().map(|table| table.rows_differing).sum();
        write!(f, "not verified: {differing} rows differ, {} match", self.rows_verified)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report {
            snapshot_at: DateTime::UNIX_EPOCH,
            tables: Vec::new(),
            events_verified: 10,
            rows_verified: 2,
            late_events: 0,
            open_sessions: 0,
            moving_rows: 0,
            deferred_rows: 0,
            deviations: Vec::new(),
            differences: Vec::new(),
            waited: Duration::ZERO,
        }
    }

    #[test]
    fn a_verdict_is_one_line() {
        assert!(report().passed());
        assert_eq!(report().to_string(), "verified 10 events in 2 rows");
        let report = Report { moving_rows: 1, ..report() };
        assert_eq!(
            report.to_string(),
            "verified 10 events in 2 rows; 1 row still changes, within its bounds"
        );
    }

    #[test]
    fn a_run_that_compared_nothing_fails() {
        let report = Report { rows_verified: 0, events_verified: 0, ..report() };
        assert!(!report.passed());
        assert_eq!(report.to_string(), "not verified: there was nothing to compare");
    }

    #[test]
    fn a_biased_estimator_fails_though_each_estimate_is_within_its_bound() {
        let mut deviation = Deviation::of("users");
        for _ in 0..MIN_FIGURES_FOR_A_MEAN {
            deviation.add(1_000, 1_021);
        }
        assert!(!deviation.is_acceptable());
        let report = Report { deviations: vec![deviation], ..report() };
        assert!(!report.passed());
        assert!(report.to_string().contains("mean error"), "{report}");
    }

    #[test]
    fn few_estimates_are_not_judged_by_their_mean() {
        let mut deviation = Deviation::of("users");
        deviation.add(1_000, 1_050);
        deviation.add(0, 0);
        assert_eq!(deviation.figures, 1);
        assert!(deviation.is_acceptable());
    }
}
