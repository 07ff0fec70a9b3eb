//! The comparison: pure, row by row, figure by figure.
//!
//! A row whose expectation was the same before and after the tables were read has no excuse: it must match.
//! Of the others, and only of those, it is not known which records the read caught; they are
//! [in motion](crate::motion).

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use contracts::cube::Grouping;
use contracts::family::Family;
use contracts::measure::MEASURE;

use crate::estimate::distinct_tolerance;
use crate::motion::{Moving, is_between};
use crate::report::{Deviation, Difference, DifferenceKind};
use crate::row::{Figure, Key, Rows};

/// What a table's comparison came to.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Rows that match.
    pub(crate) rows_verified: usize,
    /// Events that those rows count.
    pub(crate) events_verified: i64,
    /// What differs for certain.
    pub(crate) differences: Vec<Difference>,
    /// Rows that were in motion, and differ.
    pub(crate) moving: BTreeMap<Key, Moving>,
    /// How far the estimates of matching rows are off.
    pub(crate) deviations: Vec<Deviation>,
}

impl Outcome {
    /// The keys of the rows in motion.
    pub(crate) fn moving_keys(&self) -> BTreeSet<Key> {
        self.moving.keys().cloned().collect()
    }

    /// Whether waiting until an instant brings a row to rest.
    pub(crate) fn can_rest_by(&self, family: &Family, by: DateTime<Utc>) -> bool {
        self.moving.iter().any(|(key, moving)| moving.can_rest_by(family, key, by))
    }

    /// Ends the comparison: how many rows are still in motion, as they may be. All others differ.
    pub(crate) fn rest(&mut self, family: &Family, now: DateTime<Utc>) -> usize {
        let moving = std::mem::take(&mut self.moving);
        let (excused, differing): (Vec<_>, Vec<_>) =
            moving.into_iter().partition(|(key, moving)| moving.is_excused(family, key, now));
        self.differences.extend(differing.into_iter().flat_map(|(_, moving)| moving.differences));
        excused.len()
    }

    fn row(
        &mut self,
        grouping: &'static Grouping,
        key: &Key,
        expected: &[Figure],
        found: Option<&Vec<Figure>>,
    ) -> Vec<Difference> {
        let differences = differences(grouping, key, expected, found);
        let Some(found) = found.filter(|_| differences.is_empty()) else { return differences };
        self.rows_verified += 1;
        for ((measure, expected), found) in grouping.measures.iter().zip(expected).zip(found) {
            match (expected, found) {
                (Figure::Count(events), _) if measure.column() == MEASURE.events => {
                    self.events_verified += events;
                }
                (Figure::Distinct(exact), Figure::Distinct(estimate)) => {
                    deviation(&mut self.deviations, measure.column().name()).add(*exact, *estimate);
                }
                _ => {}
            }
        }
        Vec::new()
    }

    /// Compares a whole table: the expectations before and after, and what was read in between.
    pub(crate) fn table(grouping: &'static Grouping, before: &Rows, after: &Rows, found: &Rows) -> Self {
        let mut outcome = Self::default();
        for (key, expected) in after {
            let differences = outcome.row(grouping, key, expected, found.get(key));
            if before.get(key) == Some(expected) {
                outcome.differences.extend(differences);
            } else if !differences.is_empty() {
                let is_bounded = is_between(grouping, before.get(key), expected, found.get(key));
                let expected = expected.clone();
                outcome.moving.insert(key.clone(), Moving { differences, is_bounded, expected, moved: true });
            }
        }
        // Whatever was in the table when it was read came of records that are in the later expectation.
        let too_many = found.keys().filter(|key| !after.contains_key(*key));
        outcome.differences.extend(too_many.map(|key| Difference {
            table: grouping.table,
            key: key.clone(),
            kind: DifferenceKind::TooMany,
        }));
        outcome
    }

    /// Compares the rows in motion again, with a fresh expectation and a fresh read.
    pub(crate) fn again(&mut self, grouping: &'static Grouping, expected: &Rows, found: &Rows) {
        for (key, before) in std::mem::take(&mut self.moving) {
            match expected.get(&key) {
                Some(figures) => {
                    let differences = self.row(grouping, &key, figures, found.get(&key));
                    if !differences.is_empty() {
                        let (moved, expected) = (before.expected != *figures, figures.clone());
                        self.moving.insert(key, Moving { differences, expected, moved, ..before });
                    }
                }
                None if found.contains_key(&key) => self.differences.push(Difference {
                    table: grouping.table,
                    key,
                    kind: DifferenceKind::TooMany,
                }),
                // Its records are gone and so is the row.
                None => {}
            }
        }
    }
}

pub(crate) fn deviation<'a>(deviations: &'a mut Vec<Deviation>, measure: &'static str) -> &'a mut Deviation {
    let index = deviations.iter().position(|deviation| deviation.measure == measure).unwrap_or_else(|| {
        deviations.push(Deviation::of(measure));
        deviations.len() - 1
    });
    &mut deviations[index]
}

pub(crate) fn differences(
    grouping: &'static Grouping,
    key: &Key,
    expected: &[Figure],
    found: Option<&Vec<Figure>>,
) -> Vec<Difference> {
    let difference = |kind| Difference { table: grouping.table, key: key.clone(), kind };
    let Some(found) = found else { return vec![difference(DifferenceKind::Missing)] };
    let figures = grouping.measures.iter().zip(expected).zip(found);
    figures
        .filter(|((_, expected), found)| !matches(expected, found))
        .map(|((measure, expected), found)| {
            difference(DifferenceKind::Figure {
                measure: measure.column().name(),
                expected: expected.clone(),
                found: found.clone(),
            })
        })
        .collect()
}

fn matches(expected: &Figure, found: &Figure) -> bool {
    match (expected, found) {
        (Figure::Distinct(exact), Figure::Distinct(estimate)) => {
            *estimate >= 0 && (estimate - exact).abs() <= distinct_tolerance(*exact)
        }
        (expected, found) => expected == found,
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};
    use contracts::cube::grouping;
    use proptest::prelude::*;
    use rust_decimal::Decimal;

    use super::*;

    fn countries() -> &'static Grouping {
        grouping("activity_by_country").unwrap()
    }

    fn minute(index: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap() + TimeDelta::minutes(index)
    }

    fn key(country: &str) -> Key {
        Key::of(countries(), minute(0), vec![country.to_owned()])
    }

    /// Figures in the order of the measures, every one its own.
    fn figures(seed: i64) -> Vec<Figure> {
        let kinds = countries().measures.iter().zip(seed..);
        kinds
            .map(|(measure, value)| match measure.kind() {
                contracts::measure::MeasureKind::Count => Figure::Count(value),
                contracts::measure::MeasureKind::Distinct => Figure::Distinct(value),
                contracts::measure::MeasureKind::Money => Figure::Money(Decimal::new(value, 2)),
                contracts::measure::MeasureKind::Instant => Figure::Instant(value),
                contracts::measure::MeasureKind::Text => Figure::Text(value.to_string()),
                contracts::measure::MeasureKind::Flag => Figure::Flag(value % 2 == 0),
            })
            .collect()
    }

    fn rows() -> Rows {
        [("DE", 100), ("FR", 2_000), ("GB", 1)].map(|(country, seed)| (key(country), figures(seed))).into()
    }

    fn perturbed(figure: &Figure) -> Figure {
        match figure {
            Figure::Count(count) => Figure::Count(count + 1),
            Figure::Distinct(count) => Figure::Distinct(count * 2 + 4),
            Figure::Money(amount) => Figure::Money(*amount - Decimal::new(1, 2)),
            Figure::Instant(unix_ms) => Figure::Instant(unix_ms - 1),
            Figure::Text(text) => Figure::Text(format!("{text}?")),
            Figure::Flag(flag) => Figure::Flag(!flag),
            Figure::Absent => Figure::Count(0),
        }
    }

    #[test]
    fn equal_tables_are_verified_whole() {
        let outcome = Outcome::table(countries(), &rows(), &rows(), &rows());
        assert_eq!((outcome.rows_verified, outcome.events_verified), (3, 2_101));
        assert!(outcome.differences.is_empty() && outcome.moving.is_empty());
    }

    #[test]
    fn any_perturbed_figure_is_found_and_named() {
        for (index, measure) in countries().measures.iter().enumerate() {
            for wrong in [perturbed(&rows()[&key("DE")][index]), Figure::Absent] {
                let mut found = rows();
                found.get_mut(&key("DE")).unwrap()[index] = wrong.clone();
                let outcome = Outcome::table(countries(), &rows(), &rows(), &found);
                assert_eq!(outcome.rows_verified, 2);
                let [difference] = outcome.differences.as_slice() else { panic!("{outcome:?}") };
                assert_eq!(difference.key, key("DE"));
                let DifferenceKind::Figure { measure: named, found, .. } = &difference.kind else { panic!() };
                assert_eq!((*named, found), (measure.column().name(), &wrong));
            }
        }
    }

    #[test]
    fn a_row_missing_and_a_row_too_many_are_found() {
        let mut found = rows();
        found.remove(&key("FR"));
        found.insert(key("XX"), figures(1));
        let outcome = Outcome::table(countries(), &rows(), &rows(), &found);
        let kinds: Vec<_> = outcome.differences.iter().map(|d| (d.key.clone(), d.kind.clone())).collect();
        assert_eq!(kinds, [(key("FR"), DifferenceKind::Missing), (key("XX"), DifferenceKind::TooMany)]);
    }

    #[test]
    fn a_row_filed_under_another_day_is_too_many() {
        let mut found = rows();
        let mut misfiled = key("DE");
        misfiled.day = misfiled.day.succ_opt().unwrap();
        let figures = found.remove(&key("DE")).unwrap();
        found.insert(misfiled.clone(), figures);
        let outcome = Outcome::table(countries(), &rows(), &rows(), &found);
        assert_eq!(outcome.differences.len(), 2);
        assert!(misfiled.to_string().contains("filed under"));
    }

    #[test]
    fn rows_in_motion_are_compared_again_until_they_match() {
        let mut after = rows();
        after.insert(key("DE"), figures(150));
        after.insert(key("NL"), figures(5));
        let mut outcome = Outcome::table(countries(), &rows(), &after, &rows());
        assert!(outcome.differences.is_empty());
        assert_eq!(outcome.moving_keys(), [key("DE"), key("NL")].into());
        assert_eq!(outcome.rows_verified, 2);

        outcome.again(countries(), &after, &rows());
        assert_eq!(outcome.moving_keys().len(), 2);
        outcome.again(countries(), &after, &after);
        assert_eq!((outcome.moving_keys().len(), outcome.rows_verified), (0, 4));
        assert!(outcome.differences.is_empty());
    }

    #[test]
    fn a_row_that_lost_its_records_may_not_stay() {
        let mut outcome = Outcome::table(countries(), &Rows::new(), &rows(), &Rows::new());
        assert_eq!(outcome.moving.len(), 3);
        outcome.again(countries(), &Rows::new(), &[(key("DE"), figures(1))].into());
        assert!(outcome.moving.is_empty());
        assert_eq!(outcome.differences.len(), 1);
    }

    proptest! {
        #[test]
        fn estimates_are_held_to_three_or_a_tenth(
            exact in 0i64..10_000_000,
            off in -20_000_000i64..20_000_000,
        ) {
            let estimate = exact + off;
            let allowed = estimate >= 0 && (off.abs() <= 3 || off.abs() * 10 <= exact);
            prop_assert_eq!(matches(&Figure::Distinct(exact), &Figure::Distinct(estimate)), allowed);
        }
    }
}
