//! What stages count.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use contracts::ledger::PIPELINE_LEDGER;

/// A stage of the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// From sources into PostgreSQL.
    Ingest,
    /// What stands in `raw.events`.
    Store,
    /// From PostgreSQL's log to Kafka.
    Relay,
    /// From Kafka into the cube.
    Spark,
}

impl Stage {
    /// All of them, in the order of the way.
    pub const ALL: [Self; 4] = [Self::Ingest, Self::Store, Self::Relay, Self::Spark];

    /// Its name, as `pipeline_ledger` has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Store => "store",
            Self::Relay => "relay",
            Self::Spark => "spark",
        }
    }
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// One stage's records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// That came in.
    pub records_in: i64,
    /// That went on.
    pub records_out: i64,
    /// That were there already.
    pub repeated: i64,
    /// Left to reconciliation.
    pub late: i64,
    /// Set aside.
    pub quarantined: i64,
    /// Of the late ones, those that reconciliation has brought into the metrics since.
    pub repaired: i64,
    /// Without a place in the figures: kept beside them.
    pub other: i64,
}

impl Counts {
    /// How many there are.
    pub const COLUMNS: usize = PIPELINE_LEDGER.counts.len();

    /// As a row of `pipeline_ledger` has them.
    #[must_use]
    pub const fn of_row(counts: [i64; Self::COLUMNS]) -> Self {
        let [records_in, records_out, repeated, late, quarantined, repaired, other] = counts;
        Self { records_in, records_out, repeated, late, quarantined, repaired, other }
    }

    /// As a row of `pipeline_ledger` has them.
    #[must_use]
    pub const fn row(&self) -> [i64; Self::COLUMNS] {
        let Self { records_in, records_out, repeated, late, quarantined, repaired, other } = *self;
        [records_in, records_out, repeated, late, quarantined, repaired, other]
    }

    /// What of those that came in is accounted for.
    #[must_use]
    pub const fn accounted(&self) -> i64 {
        self.records_out
            .saturating_add(self.repeated)
            .saturating_add(self.late)
            .saturating_add(self.quarantined)
            .saturating_add(self.other)
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.records_in += other.records_in;
        self.records_out += other.records_out;
        self.repeated += other.repeated;
        self.late += other.late;
        self.quarantined += other.quarantined;
        self.repaired += other.repaired;
        self.other += other.other;
    }
}

/// All stages' counts of one minute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Minute {
    /// What ingestors counted.
    pub ingest: Counts,
    /// What stands in the table.
    pub store: Counts,
    /// What the relay counted.
    pub relay: Counts,
    /// What Spark counted.
    pub spark: Counts,
}

impl Minute {
    /// One stage's counts.
    #[must_use]
    pub const fn of(&self, stage: Stage) -> &Counts {
        match stage {
            Stage::Ingest => &self.ingest,
            Stage::Store => &self.store,
            Stage::Relay => &self.relay,
            Stage::Spark => &self.spark,
        }
    }

    #[cfg(test)]
    pub(super) const fn of_mut(&mut self, stage: Stage) -> &mut Counts {
        match stage {
            Stage::Ingest => &mut self.ingest,
            Stage::Store => &mut self.store,
            Stage::Relay => &mut self.relay,
            Stage::Spark => &mut self.spark,
        }
    }
}

/// Counts by the minute's start.
pub(super) type Minutes = BTreeMap<DateTime<Utc>, Minute>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_stand_in_the_order_of_their_columns() {
        for (index, column) in PIPELINE_LEDGER.counts.iter().enumerate() {
            let mut row = [0; Counts::COLUMNS];
            row[index] = 7;
            let counts = Counts::of_row(row);
            assert_eq!(serde_json::to_value(counts).unwrap()[column.name()], 7, "{column}");
            assert_eq!(counts.row(), row);
        }
    }
}
