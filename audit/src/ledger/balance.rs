//! The rules of the ledger: pure, minute by minute.

use std::fmt;

use super::counts::{Minute, Stage};

/// A minute that does not balance, and the stage to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Imbalance {
    /// Of what came in, too much or too little is accounted for.
    Within {
        stage: Stage,
        /// What came in.
        records_in: i64,
        /// What went on, was repeated, late, set aside or kept beside.
        accounted: i64,
    },
    /// A stage took in something else than the one before gave out.
    Between {
        /// The stage that took.
        stage: Stage,
        /// What it took.
        taken: i64,
        /// The stage before.
        before: Stage,
        /// What that gave.
        given: i64,
    },
}

impl Imbalance {
    /// The stage to look at.
    #[must_use]
    pub const fn stage(&self) -> Stage {
        match self {
            Self::Within { stage, .. } | Self::Between { stage, .. } => *stage,
        }
    }
}

impl fmt::Display for Imbalance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Within { stage, records_in, accounted } => {
                write!(f, "{stage}: {records_in} records came in, {accounted} are accounted for")
            }
            Self::Between { stage, taken, before, given } => {
                write!(f, "{stage}: {taken} records were taken, {before} gave {given}")
            }
        }
    }
}

/// Judges a minute. One that was not streamed has no business with relay and Spark.
#[must_use]
pub fn judge(minute: &Minute, streamed: bool) -> Vec<Imbalance> {
    let stages: &[Stage] = if streamed { &Stage::ALL } else { &[Stage::Ingest, Stage::Store] };
    let mut imbalances = Vec::new();
    for (index, &stage) in stages.iter().enumerate() {
        if let Some(&before) = index.checked_sub(1).and_then(|index| stages.get(index)) {
            let (given, taken) = (minute.of(before).records_out, taken(minute, stage));
            if given != taken {
                imbalances.push(Imbalance::Between { stage, taken, before, given });
            }
        }
        let (records_in, accounted) = (minute.of(stage).records_in, minute.of(stage).accounted());
        if records_in != accounted {
            imbalances.push(Imbalance::Within { stage, records_in, accounted });
        }
    }
    imbalances
}

/// What a stage took from the one before. What Spark refuses is not the relay's: a record of another
/// producer, without the magic byte, schema id or generation that the relay writes, in the minute of its own
/// Kafka time.
const fn taken(minute: &Minute, stage: Stage) -> i64 {
    match stage {
        Stage::Spark => minute.spark.records_in - minute.spark.quarantined,
        _ => minute.of(stage).records_in,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::counts::Counts;
    use super::*;

    /// A minute in which every record went one of the ways there are.
    fn balanced() -> impl Strategy<Value = Minute> {
        [0..1_000i64, 0..1_000, 0..1_000, 0..1_000, 0..1_000, 0..1_000].prop_map(
            |[on_time, late, repeated, rejected, undecodable, foreign]| {
                let stored = on_time + late + undecodable;
                Minute {
                    ingest: Counts {
                        records_in: stored + repeated + rejected,
                        records_out: stored,
                        repeated,
                        quarantined: rejected,
                        ..Counts::default()
                    },
                    store: Counts { records_in: stored, records_out: stored, ..Counts::default() },
                    relay: Counts {
                        records_in: stored,
                        records_out: on_time + late,
                        quarantined: undecodable,
                        ..Counts::default()
                    },
                    spark: Counts {
                        records_in: on_time + late + foreign,
                        records_out: on_time,
                        late,
                        quarantined: foreign,
                        ..Counts::default()
                    },
                }
            },
        )
    }

    /// Adds to one count of one stage.
    fn doctor(minute: &mut Minute, stage: Stage, count: usize, by: i64) {
        let counts = minute.of_mut(stage);
        let counts = [
            &mut counts.records_in,
            &mut counts.records_out,
            &mut counts.repeated,
            &mut counts.late,
            &mut counts.quarantined,
        ];
        *counts.into_iter().nth(count).unwrap() += by;
    }

    proptest! {
        #[test]
        fn what_went_its_way_balances(minute in balanced(), streamed: bool) {
            prop_assert_eq!(judge(&minute, streamed), Vec::new());
        }

        #[test]
        fn any_one_count_that_is_off_is_found_at_its_stage_or_the_next(
            minute in balanced(),
            stage in 0..4usize,
            count in 0..5usize,
            by in prop_oneof![-500..0i64, 1..500i64],
        ) {
            let stage = Stage::ALL[stage];
            let mut doctored = minute;
            doctor(&mut doctored, stage, count, by);
            let imbalances = judge(&doctored, true);
            prop_assert!(imbalances.iter().any(|found| found.stage() == stage), "{imbalances:?}");
            let neighbours = imbalances.iter().all(|found| match *found {
                Imbalance::Within { stage: found, .. } => found == stage,
                Imbalance::Between { stage: found, before, .. } => found == stage || before == stage,
            });
            prop_assert!(neighbours, "{imbalances:?}");
        }

        #[test]
        fn a_record_lost_between_two_stages_is_found_where_it_is_missed(
            minute in balanced(),
            stage in 1..4usize,
        ) {
            let stage = Stage::ALL[stage];
            let mut lossy = minute;
            for later in Stage::ALL.into_iter().filter(|later| *later >= stage) {
                doctor(&mut lossy, later, 0, -1);
                doctor(&mut lossy, later, 1, -1);
            }
            let imbalances = judge(&lossy, true);
            prop_assert_eq!(imbalances.len(), 1);
            prop_assert_eq!(imbalances[0].stage(), stage);
            let named =
                matches!(imbalances[0], Imbalance::Between { taken, given, .. } if given == taken + 1);
            prop_assert!(named, "{imbalances:?}");
        }
    }

    #[test]
    fn minutes_of_before_a_generation_are_judged_up_to_the_table() {
        let stored = Counts { records_in: 3, records_out: 3, ..Counts::default() };
        let mut minute = Minute { ingest: stored, store: stored, ..Minute::default() };
        assert_eq!(judge(&minute, false), []);
        assert_eq!(judge(&minute, true)[0].stage(), Stage::Relay);
        minute.store.records_out = 2;
        assert_eq!(judge(&minute, false)[0].stage(), Stage::Store);
    }

    #[test]
    fn texts_name_the_stage() {
        let within = Imbalance::Within { stage: Stage::Relay, records_in: 3, accounted: 2 };
        assert_eq!(within.to_string(), "relay: 3 records came in, 2 are accounted for");
        let between = Imbalance::Between { stage: Stage::Spark, taken: 2, before: Stage::Relay, given: 3 };
        assert_eq!(between.to_string(), "spark: 2 records were taken, relay gave 3");
    }
}
