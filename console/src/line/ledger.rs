//! The ledger as it was drawn up: every closed minute, stage by stage, and what does not balance.

use std::collections::BTreeMap;

use audit::{Counts, Minute, Stage, judge_minute};
use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use scylla::value::{CqlTimestamp, CqlValue, Row};
use serde::Serialize;
use utoipa::ToSchema;

use crate::figures::period::Stretch;
use crate::watch::Refused;
use crate::watch::shop::store::Store;

/// A minute of arrival.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct MinuteView {
    pub(crate) minute: DateTime<Utc>,
    /// In the order of the way; a minute of before a rebuild has not gone through relay and Spark.
    pub(crate) stages: Vec<StageView>,
    /// What does not balance, with the stage to look at.
    pub(crate) imbalances: Vec<String>,
}

/// A stage of a minute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct StageView {
    pub(crate) stage: &'static str,
    pub(crate) records_in: i64,
    pub(crate) records_out: i64,
    pub(crate) repeated: i64,
    pub(crate) late: i64,
    pub(crate) quarantined: i64,
    /// Kept beside the figures: without a place in them, or of a program.
    pub(crate) other: i64,
    /// Of the late ones, those that are in the figures since.
    pub(crate) repaired: i64,
}

type Stages = BTreeMap<Stage, Counts>;

/// The minutes of a stretch that were drawn up, the oldest first.
pub(crate) async fn minutes_between(
    store: &Store,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<Vec<MinuteView>, Refused> {
    let mut minutes = BTreeMap::<DateTime<Utc>, Stages>::new();
    for stretch in days(from, to) {
        store
            .ledger(stretch, |row| {
                let (minute, stage, counts) = of_row(row).ok_or("a row of the ledger has another shape")?;
                minutes.entry(minute).or_default().insert(stage, counts);
                Ok(())
            })
            .await?;
    }
    Ok(minutes.into_iter().map(|(minute, stages)| view(minute, &stages)).collect())
}

/// A stretch, day by day: a day is a partition.
fn days(from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<Stretch> {
    let mut days = Vec::new();
    let mut at = from;
    while at < to {
        let midnight = (at.date_naive() + TimeDelta::days(1)).and_time(NaiveTime::MIN).and_utc();
        let end = midnight.min(to);
        days.push(Stretch { from: at, to: end });
        at = end;
    }
    days
}

fn of_row(row: Row) -> Option<(DateTime<Utc>, Stage, Counts)> {
    let mut columns = row.columns.into_iter();
    let Some(CqlValue::Timestamp(CqlTimestamp(ms))) = columns.next()? else { return None };
    let minute = DateTime::from_timestamp_millis(ms)?;
    let Some(CqlValue::Text(name)) = columns.next()? else { return None };
    let stage = Stage::ALL.into_iter().find(|stage| stage.name() == name)?;
    let mut counts = [0; Counts::COLUMNS];
    for count in &mut counts {
        *count = match columns.next()? {
            Some(CqlValue::BigInt(count)) => count,
            // Rows of before a column was added have none in it.
            None => 0,
            Some(_) => return None,
        };
    }
    Some((minute, stage, Counts::of_row(counts)))
}

fn view(start: DateTime<Utc>, stages: &Stages) -> MinuteView {
    let of = |stage: Stage| stages.get(&stage).copied().unwrap_or_default();
    let counts = Minute {
        ingest: of(Stage::Ingest),
        store: of(Stage::Store),
        relay: of(Stage::Relay),
        spark: of(Stage::Spark),
    };
    let streamed = stages.contains_key(&Stage::Relay) || stages.contains_key(&Stage::Spark);
    let told = |(stage, counts): (&Stage, &Counts)| StageView {
        stage: stage.name(),
        records_in: counts.records_in,
        records_out: counts.records_out,
        repeated: counts.repeated,
        late: counts.late,
        quarantined: counts.quarantined,
        other: counts.other,
        repaired: counts.repaired,
    };
    MinuteView {
        minute: start,
        stages: stages.iter().map(told).collect(),
        imbalances: judge_minute(&counts, streamed).iter().map(ToString::to_string).collect(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn records(count: i64) -> Counts {
        Counts { records_in: count, records_out: count, ..Counts::default() }
    }

    #[test]
    fn a_doctored_stage_is_named() {
        let mut stages: Stages = Stage::ALL.map(|stage| (stage, records(9))).into();
        assert_eq!(view(at(0), &stages).imbalances, Vec::<String>::new());
        stages.insert(Stage::Relay, records(8));
        let imbalances = view(at(0), &stages).imbalances;
        assert!(
            imbalances.iter().any(|text| text.starts_with("relay: 8 records were taken")),
            "{imbalances:?}"
        );
    }

    #[test]
    fn a_minute_of_before_a_rebuild_ends_at_the_table() {
        let stages: Stages = [Stage::Ingest, Stage::Store].map(|stage| (stage, records(9))).into();
        let view = view(at(0), &stages);
        assert_eq!((view.stages.len(), view.imbalances.len()), (2, 0));
    }

    #[test]
    fn a_row_is_read_as_it_was_written() {
        let count = |count| Some(CqlValue::BigInt(count));
        let mut columns = vec![
            Some(CqlValue::Timestamp(CqlTimestamp(at(0).timestamp_millis()))),
            Some(CqlValue::Text("store".into())),
        ];
        columns.extend([count(6), count(4), count(1), count(0), count(0), None, count(1)]);
        let (minute, stage, counts) = of_row(Row { columns }).unwrap();
        assert_eq!((minute, stage), (at(0), Stage::Store));
        assert_eq!((counts.records_in, counts.repeated, counts.repaired, counts.other), (6, 1, 0, 1));
        assert_eq!(of_row(Row { columns: vec![count(1)] }), None);
    }

    proptest! {
        #[test]
        fn days_follow_each_other_and_lie_within_one_day(from in 0i64..200_000, length in 0i64..400_000) {
            let days = days(at(from), at(from + length));
            prop_assert_eq!(days.iter().map(|day| (day.to - day.from).num_seconds()).sum::<i64>(), length);
            for day in &days {
                prop_assert_eq!((day.to - TimeDelta::milliseconds(1)).date_naive(), day.from.date_naive());
            }
        }
    }
}
