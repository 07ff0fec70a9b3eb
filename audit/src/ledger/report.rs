//! The ledger's verdict, for people and for programs.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};

use super::balance::Imbalance;
use super::counts::{Counts, Minute, Stage};

/// A minute that was judged.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JudgedMinute {
    #[serde(rename = "minute")]
    pub start: DateTime<Utc>,
    /// Whether it is over.
    pub closed: bool,
    /// Whether it went through relay and stream; one of before a topic generation did not.
    pub streamed: bool,
    /// What was counted.
    #[serde(flatten)]
    pub counts: Minute,
    /// What does not balance.
    #[serde(serialize_with = "as_texts")]
    pub imbalances: Vec<Imbalance>,
}

fn as_texts<S: Serializer>(imbalances: &[Imbalance], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(imbalances.iter().map(ToString::to_string))
}

impl JudgedMinute {
    /// The stages that it went through.
    pub fn stages(&self) -> impl Iterator<Item = Stage> + use<> {
        let streamed = self.streamed;
        Stage::ALL.into_iter().filter(move |stage| streamed || *stage <= Stage::Store)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LedgerReport {
    /// When PostgreSQL's counts were read, by its clock.
    pub read_at: DateTime<Utc>,
    /// Minutes that are not over, or still moved.
    pub open: usize,
    /// Every minute that was judged, in order.
    pub minutes: Vec<JudgedMinute>,
}

impl LedgerReport {
    /// Whether every judged minute balances.
    #[must_use]
    pub fn balances(&self) -> bool {
        self.minutes.iter().all(|minute| minute.imbalances.is_empty())
    }

    /// A stage's sum over the judged minutes.
    #[must_use]
    pub fn total(&self, stage: Stage) -> Counts {
        let mut total = Counts::default();
        for minute in &self.minutes {
            total += *minute.counts.of(stage);
        }
        total
    }
}

/// The verdict in a few lines: what does not balance, then one line for all.
impl fmt::Display for LedgerReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for minute in &self.minutes {
            let at = minute.start.to_rfc3339_opts(SecondsFormat::Secs, true);
            for imbalance in &minute.imbalances {
                writeln!(f, "{at} {imbalance}")?;
            }
        }
        let off = self.minutes.iter().filter(|minute| !minute.imbalances.is_empty()).count();
        if off > 0 {
            write!(f, "the ledger does not balance: {off} of {} minutes", self.minutes.len())?;
        } else {
            let ingest = self.total(Stage::Ingest);
            let spark = self.total(Stage::Spark);
            write!(
                f,
                "the ledger balances over {} minutes: {} records in, {} repeated, {} quarantined at ingest; \
                 {} in the metrics, {} late",
                self.minutes.len(),
                ingest.records_in,
                ingest.repeated,
                ingest.quarantined,
                spark.records_out,
                spark.late
            )?;
            if ingest.other > 0 {
                write!(f, "; {} without a place in them", ingest.other)?;
            }
            if spark.repaired > 0 {
                write!(f, " of which {} are repaired", spark.repaired)?;
            }
        }
        if self.open > 0 {
            write!(f, "; {} minutes are open", self.open)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(imbalances: Vec<Imbalance>) -> JudgedMinute {
        let start = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        JudgedMinute { start, closed: true, streamed: true, counts: Minute::default(), imbalances }
    }

    #[test]
    fn an_imbalance_is_named_by_minute_and_stage() {
        let off = Imbalance::Between { stage: Stage::Relay, taken: 1, before: Stage::Store, given: 2 };
        let report = LedgerReport {
            read_at: DateTime::UNIX_EPOCH,
            open: 1,
            minutes: vec![minute(Vec::new()), minute(vec![off])],
        };
        assert!(!report.balances());
        assert_eq!(
            report.to_string(),
            "2027-01-15T08:00:00Z relay: 1 records were taken, store gave 2\n\
             the ledger does not balance: 1 of 2 minutes; 1 minutes are open"
        );
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["minutes"][1]["imbalances"][0], "relay: 1 records were taken, store gave 2");
        assert_eq!(json["minutes"][0]["spark"]["records_in"], 0);
    }

    #[test]
    fn minutes_of_before_a_generation_have_no_business_behind_the_table() {
        let before = JudgedMinute { streamed: false, ..minute(Vec::new()) };
        assert_eq!(before.stages().collect::<Vec<_>>(), [Stage::Ingest, Stage::Store]);
        assert_eq!(minute(Vec::new()).stages().count(), 4);
    }
}
