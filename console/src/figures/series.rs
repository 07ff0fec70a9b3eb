//! Figures over time, step by step: 0, not known and not over are three things.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::NOT_LOADED;
use super::coverage::Coverage;
use super::period::{Stretch, floor, start_of_day};
use super::sums::Sums;
use super::view::{Measure, Point, Series};
use crate::watch::shop::{Kept, Shop};

/// More points are of no use on a screen.
pub(crate) const MAX_POINTS: usize = 1_500;
/// The steps there are.
pub(crate) const STEPS: [TimeDelta; 8] = [
    TimeDelta::minutes(1),
    TimeDelta::minutes(5),
    TimeDelta::minutes(10),
    TimeDelta::minutes(15),
    TimeDelta::minutes(30),
    TimeDelta::hours(1),
    TimeDelta::hours(6),
    TimeDelta::days(1),
];

/// Sums by the start of what they are of.
pub(crate) type Rows = BTreeMap<DateTime<Utc>, Sums>;

/// The step of a curve that nobody chose one for: a few hundred points.
pub(crate) fn step_for(length: TimeDelta) -> TimeDelta {
    let fits = |step: &TimeDelta| length.num_minutes() / step.num_minutes() <= 300;
    STEPS.into_iter().find(fits).unwrap_or(TimeDelta::days(1))
}

/// The steps of a stretch. Days are the zone's own, so that one may have 23 hours or 25.
pub(crate) fn steps(stretch: Stretch, step: TimeDelta, zone: Tz) -> Vec<Stretch> {
    let mut steps = Vec::new();
    let mut from = stretch.from;
    while from < stretch.to {
        let next = if step >= TimeDelta::days(1) {
            let day = from.with_timezone(&zone).date_naive();
            day.succ_opt().map_or(stretch.to, |day| start_of_day(day, zone))
        } else {
            from + step
        };
        // A zone has skipped a whole day: there is no step in it.
        let to = if next > from { next.min(stretch.to) } else { stretch.to };
        steps.push(Stretch { from, to });
        from = to;
    }
    steps
}

/// A measure of the whole shop, from memory. Each step is compared with the one `shift` before.
pub(crate) fn in_memory(
    shop: &Shop,
    coverage: &Coverage,
    steps: &[Stretch],
    shift: Result<TimeDelta, String>,
    measure: Measure,
    now: DateTime<Utc>,
) -> Series {
    let rows = |shift: TimeDelta| {
        let (first, last) = (steps.first()?, steps.last()?);
        let stretch = Stretch { from: first.from - shift, to: last.to - shift };
        shop.table(Kept::Activity)?.minutes(stretch).ok()
    };
    let value = rows(TimeDelta::zero());
    let before = shift.as_ref().ok().and_then(|shift| rows(*shift));
    let mut series = Drawn { coverage, steps, shift, measure, now }.of(value.as_ref(), before.as_ref());
    series.currency = shop.currency.clone().filter(|_| measure.is_money());
    series
}

/// What a curve is drawn of, beside its rows.
#[derive(Debug)]
pub(crate) struct Drawn<'a> {
    pub(crate) coverage: &'a Coverage,
    pub(crate) steps: &'a [Stretch],
    pub(crate) shift: Result<TimeDelta, String>,
    pub(crate) measure: Measure,
    pub(crate) now: DateTime<Utc>,
}

impl Drawn<'_> {
    /// From rows of which each lies within one step; nothing where they are not to be had.
    pub(crate) fn of(self, value: Option<&Rows>, before: Option<&Rows>) -> Series {
        let Self { coverage, steps, shift, measure, now } = self;
        let sum = |rows: &Rows, stretch: Stretch| {
            let mut sum = Sums::default();
            rows.range(stretch.from..stretch.to).for_each(|(_, row)| sum += row);
            sum.get(measure)
        };
        let mut why = value.is_none().then(|| NOT_LOADED.to_owned());
        let mut points = Vec::with_capacity(steps.len());
        for &step in steps {
            let open = step.to > floor(now) || coverage.known_to().is_some_and(|to| step.contains(to));
            let begun = coverage.begun(step);
            let known = coverage.knows(step) || (open && begun);
            let own = value.filter(|_| known).map(|rows| sum(rows, step));
            let compared = shift.as_ref().ok().and_then(|shift| {
                let earlier = Stretch { from: step.from - *shift, to: step.to - *shift };
                coverage.comparable(earlier).ok()?;
                Some(sum(before?, earlier))
            });
            if own.is_none() && why.is_none() {
                why = coverage.whole(step).err().or_else(|| Some("figures do not reach there".to_owned()));
            }
            points.push(Point { at: step.from, value: own, compared, known: own.is_some(), open });
        }
        Series {
            measure,
            currency: None,
            step_s: steps.first().map_or(0, |step| step.length().num_seconds()),
            points,
            why: why.or(shift.err()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::sums::Slot;
    use crate::figures::view::Amount;
    use proptest::prelude::*;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + minute * 60, 0).unwrap()
    }

    fn rows(minutes: &[(i64, i64)]) -> Rows {
        let Some(Slot::Count(slot)) = Sums::slot(Measure::Orders.column()) else { panic!() };
        let one = |(minute, orders): &(i64, i64)| {
            let mut sums = Sums::default();
            sums.set_count(slot, *orders);
            (at(*minute), sums)
        };
        minutes.iter().map(one).collect()
    }

    #[test]
    fn a_quiet_minute_is_0_the_open_one_is_open_and_what_lies_before_is_not_known() {
        let coverage = Coverage { first_row: Some(at(2)), as_of: Some(at(5)), ..Coverage::default() };
        let steps = steps(Stretch { from: at(0), to: at(8) }, TimeDelta::minutes(1), Tz::UTC);
        let told = Drawn {
            coverage: &coverage,
            steps: &steps,
            shift: Ok(TimeDelta::minutes(3)),
            measure: Measure::Orders,
            now: at(7) + TimeDelta::seconds(20),
        }
        .of(Some(&rows(&[(2, 4), (5, 1)])), Some(&rows(&[(2, 4)])));
        let values: Vec<_> = told.points.iter().map(|point| point.value).collect();
        let count = |count| Some(Amount::Count(count));
        assert_eq!(values, [None, None, count(4), count(0), count(0), count(1), None, None]);
        assert_eq!(
            told.points.iter().map(|point| point.open).collect::<Vec<_>>(),
            [false, false, false, false, false, true, false, true]
        );
        let compared: Vec<_> = told.points.iter().map(|point| point.compared).collect();
        assert_eq!(compared, [None, None, None, None, None, count(4), count(0), count(0)]);
        assert!(told.why.is_some());
    }

    #[test]
    fn days_are_the_zones_own() {
        let zone = Tz::Europe__Zurich;
        let parse = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let stretch = Stretch { from: parse("2026-10-23T22:00:00Z"), to: parse("2026-10-26T23:00:00Z") };
        let hours: Vec<_> =
            steps(stretch, TimeDelta::days(1), zone).iter().map(|day| day.length().num_hours()).collect();
        assert_eq!(hours, [24, 25, 24]);
    }

    proptest! {
        #[test]
        fn steps_are_the_whole_stretch(
            minutes in 1_i64..100_000,
            step in 0_usize..8,
            zone in proptest::sample::select(chrono_tz::TZ_VARIANTS.to_vec()),
        ) {
            let stretch = Stretch { from: at(0), to: at(minutes) };
            let steps = steps(stretch, STEPS[step].max(step_for(stretch.length())), zone);
            prop_assert!(steps.len() <= 302);
            prop_assert_eq!((steps[0].from, steps[steps.len() - 1].to), (stretch.from, stretch.to));
            prop_assert!(
                steps.windows(2).all(|pair| pair[0].to == pair[1].from && pair[0].from < pair[0].to)
            );
        }
    }
}
