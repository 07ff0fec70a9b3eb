//! Rows that changed while they were compared.
//!
//! A row of a window that is still open changes with every micro-batch, for as long as events come in. Which
//! of them a read caught is not known, so such a row cannot be held to one expectation. It is held between
//! two: what was stored before the line was drained is in it, and nothing is in it that was not stored after
//! it was read.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::cube::Grouping;
use contracts::family::{Family, Geometry};
use contracts::lateness::MAX_LATE_US;
use contracts::measure::{Aggregate, Measure};

use crate::estimate::distinct_tolerance;
use crate::report::Difference;
use crate::row::{Figure, Key};

/// A row in motion.
#[derive(Debug)]
pub(crate) struct Moving {
    /// What differed when it was last read.
    pub(crate) differences: Vec<Difference>,
    /// Whether it lay between the expectations around its first reading.
    pub(crate) is_bounded: bool,
    /// The newest expectation.
    pub(crate) expected: Vec<Figure>,
    /// Whether that was another than the one before.
    pub(crate) moved: bool,
}

impl Moving {
    /// Whether it may differ: its window takes events in, it took some in until the end, and it was never out
    /// of its bounds.
    pub(crate) fn is_excused(&self, family: &Family, key: &Key, now: DateTime<Utc>) -> bool {
        let late = TimeDelta::microseconds(MAX_LATE_US);
        self.is_bounded && self.moved && window_end(family, key).is_some_and(|end| now < end + late)
    }

    /// Whether waiting until an instant brings it to rest.
    pub(crate) fn can_rest_by(&self, family: &Family, key: &Key, by: DateTime<Utc>) -> bool {
        !self.is_bounded || window_end(family, key).is_none_or(|end| end <= by)
    }
}

/// Where the window of a row ends.
fn window_end(family: &Family, key: &Key) -> Option<DateTime<Utc>> {
    match family.geometry {
        Geometry::Windows { length_us, at_us, .. } => {
            Some(key.at + TimeDelta::microseconds(length_us - at_us))
        }
        Geometry::Sessions | Geometry::Records => None,
    }
}

/// Whether what was read lies between what had to be there and what could be. Every measure but net sales
/// only grows.
pub(crate) fn is_between(
    grouping: &Grouping,
    before: Option<&Vec<Figure>>,
    after: &[Figure],
    found: Option<&Vec<Figure>>,
) -> bool {
    let Some(found) = found else { return before.is_none() };
    grouping.measures.iter().enumerate().all(|(index, measure)| {
        let (Some(most), Some(found)) = (after.get(index), found.get(index)) else { return false };
        let least = before.and_then(|before| before.get(index));
        match (least, most, found) {
            (_, Figure::Money(_), Figure::Money(_)) if is_net(*measure) => true,
            (least, Figure::Count(most), Figure::Count(found)) => {
                let least = if let Some(Figure::Count(least)) = least { *least } else { 0 };
                (least..=*most).contains(found)
            }
            (least, Figure::Distinct(most), Figure::Distinct(found)) => {
                let least = if let Some(Figure::Distinct(least)) = least { *least } else { 0 };
                (least - distinct_tolerance(least)..=most + distinct_tolerance(*most)).contains(found)
            }
            (least, Figure::Money(most), Figure::Money(found)) => {
                found <= most && !matches!(least, Some(Figure::Money(least)) if found < least)
            }
            (least, Figure::Instant(most), Figure::Instant(found)) => {
                found <= most && !matches!(least, Some(Figure::Instant(least)) if found < least)
            }
            _ => false,
        }
    })
}

/// A refund takes from it.
const fn is_net(measure: Measure) -> bool {
    match measure {
        Measure::Of(aggregate) => matches!(aggregate, Aggregate::Net),
        Measure::Before(counterpart) => matches!(counterpart.aggregate(), Aggregate::Net),
        Measure::Registrations | Measure::Visit(_) | Measure::Field(..) => false,
    }
}

#[cfg(test)]
mod tests {
    use contracts::family::{CUBE_FAMILY, HOURS, PRODUCTS, SESSIONS};
    use proptest::prelude::*;
    use rust_decimal::Decimal;

    use super::*;

    const TABLE: &Grouping = &HOURS.tables[0];

    /// A row of as many events; net sales fall where others grow.
    fn row(events: i64) -> Vec<Figure> {
        let figure = |measure: &Measure| match measure.kind() {
            contracts::measure::MeasureKind::Count => Figure::Count(events),
            contracts::measure::MeasureKind::Distinct => Figure::Distinct(events),
            contracts::measure::MeasureKind::Money if is_net(*measure) => {
                Figure::Money(Decimal::new(-events, 2))
            }
            contracts::measure::MeasureKind::Money => Figure::Money(Decimal::new(events, 2)),
            contracts::measure::MeasureKind::Instant => Figure::Instant(events),
            contracts::measure::MeasureKind::Text | contracts::measure::MeasureKind::Flag => Figure::Absent,
        };
        TABLE.measures.iter().map(figure).collect()
    }

    fn moving(is_bounded: bool, moved: bool) -> Moving {
        Moving { differences: Vec::new(), is_bounded, expected: row(1), moved }
    }

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap() + TimeDelta::minutes(minute)
    }

    #[test]
    fn only_a_row_whose_window_takes_events_in_is_excused() {
        let hour = Key::of(TABLE, at(0), Vec::new());
        assert!(moving(true, true).is_excused(&HOURS, &hour, at(69)));
        assert!(!moving(true, true).is_excused(&HOURS, &hour, at(70)));
        assert!(!moving(true, false).is_excused(&HOURS, &hour, at(1)));
        assert!(!moving(false, true).is_excused(&HOURS, &hour, at(1)));
        // Visits and single records have their own excuses.
        assert!(!moving(true, true).is_excused(&SESSIONS, &hour, at(1)));
    }

    #[test]
    fn what_is_waited_for_can_come_to_rest() {
        let key = Key::of(TABLE, at(0), Vec::new());
        assert!(!moving(true, true).can_rest_by(&HOURS, &key, at(59)));
        assert!(moving(true, true).can_rest_by(&HOURS, &key, at(60)));
        assert!(moving(true, true).can_rest_by(&CUBE_FAMILY, &key, at(1)));
        // The hour of the key and the one before it: it ends with the former.
        assert!(!moving(true, true).can_rest_by(&PRODUCTS, &key, at(59)));
        assert!(moving(true, true).can_rest_by(&PRODUCTS, &key, at(60)));
        // What is out of its bounds is looked at again for as long as there is time.
        assert!(moving(false, true).can_rest_by(&HOURS, &key, at(0)));
    }

    #[test]
    fn a_row_that_is_not_there_yet_is_between_nothing_and_something() {
        assert!(is_between(TABLE, None, &row(3), None));
        assert!(is_between(TABLE, None, &row(3), Some(&row(2))));
        assert!(!is_between(TABLE, Some(&row(1)), &row(3), None));
        assert!(!is_between(
            TABLE,
            Some(&row(1)),
            &row(3),
            Some(&vec![Figure::Absent; TABLE.measures.len()])
        ));
    }

    proptest! {
        #[test]
        fn every_figure_is_held_between_its_bounds(
            least in 0i64..1_000,
            more in 0i64..1_000,
            found in 0i64..3_000,
            index in 0..TABLE.measures.len(),
            off in 100i64..1_000,
        ) {
            let most = least + more;
            let is = is_between(TABLE, Some(&row(least)), &row(most), Some(&row(found)));
            prop_assert_eq!(is, (least..=most).contains(&found));
            // One figure alone that is out of them is enough, except where nothing bounds it.
            let mut one = row(least);
            one[index] = row(most + most / 10 + off)[index].clone();
            let is = is_between(TABLE, Some(&row(least)), &row(most), Some(&one));
            prop_assert_eq!(is, is_net(TABLE.measures[index]));
        }
    }
}
