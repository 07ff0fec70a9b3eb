//! How a figure has changed against an equal stretch before, or why that cannot be told.

use chrono::TimeDelta;

use super::sums::Sums;
use super::view::{Amount, ChangeIn, Compared, Measure};

/// Of fewer events no percentage is told: one more or less would be many percent.
const LEAST_BASE: i64 = 20;
/// A visit takes a while to become an order: of shorter stretches no conversion is told.
const SHORTEST_CONVERSION: TimeDelta = TimeDelta::minutes(30);

/// The sums of a period: with the open minute, without it, and of the stretch before.
#[derive(Debug, Clone)]
pub(crate) struct Sides {
    pub(crate) value: Sums,
    pub(crate) closed: Sums,
    /// Or why there are none.
    pub(crate) compared: Result<Sums, String>,
    /// Of the closed stretch.
    pub(crate) length: TimeDelta,
    pub(crate) provisional: bool,
}

/// What a percentage of a measure rests upon: how many things were counted or paid for.
fn base(measure: Measure, sums: &Sums) -> i64 {
    match measure {
        Measure::Units | Measure::Gross | Measure::Refunds | Measure::Net => {
            sums.count(Measure::Orders).max(sums.count(Measure::OrderLines))
        }
        counted => sums.count(counted),
    }
}

/// One measure of both sides.
pub(crate) fn measure(sides: &Sides, measure: Measure) -> Compared {
    let closed = sides.closed.get(measure);
    let told = |compared, change, change_in, why| Compared {
        value: Some(sides.value.get(measure)),
        closed: Some(closed),
        compared,
        change,
        change_in,
        provisional: sides.provisional && change.is_some(),
        why,
    };
    let before = match &sides.compared {
        Ok(before) => before,
        Err(why) => return told(None, None, ChangeIn::None, Some(why.clone())),
    };
    let compared = before.get(measure);
    let none = |why: String| told(Some(compared), None, ChangeIn::None, Some(why));
    let (now, was) = (closed.drawn(), compared.drawn());
    if was == 0.0 {
        return if now == 0.0 {
            none("nothing in either stretch".into())
        } else {
            told(Some(compared), None, ChangeIn::New, None)
        };
    }
    let rests_on = base(measure, before);
    if rests_on < LEAST_BASE {
        return none(format!("it would rest on {rests_on} events, fewer than {LEAST_BASE}"));
    }
    if was < 0.0 {
        return none("the stretch before was below 0".into());
    }
    told(Some(compared), Some((now - was) / was), ChangeIn::Ratio, None)
}

/// Orders per visit of both sides.
pub(crate) fn conversion(sides: &Sides) -> Compared {
    if sides.length < SHORTEST_CONVERSION {
        return Compared::unknown("of stretches of 30 minutes or more alone");
    }
    let share = |sums: &Sums| audit::figures::share(sums.count(Measure::Orders), sums.count(Measure::Visits));
    let Some(value) = share(&sides.value) else { return Compared::unknown("no visit has begun") };
    let told = |compared: Option<f64>, change, change_in, why| Compared {
        value: Some(Amount::Share(value)),
        closed: share(&sides.closed).map(Amount::Share),
        compared: compared.map(Amount::Share),
        change,
        change_in,
        provisional: sides.provisional && change.is_some(),
        why,
    };
    let before = match &sides.compared {
        Ok(before) => before,
        Err(why) => return told(None, None, ChangeIn::None, Some(why.clone())),
    };
    let visits = before.count(Measure::Visits).min(sides.closed.count(Measure::Visits));
    match (share(&sides.closed), share(before)) {
        (Some(now), Some(was)) if visits >= LEAST_BASE => {
            told(Some(was), Some(now - was), ChangeIn::Points, None)
        }
        (_, was) => told(
            was,
            None,
            ChangeIn::None,
            Some(format!("it would rest on {visits} visits, fewer than {LEAST_BASE}")),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::states::Change;
    use proptest::prelude::*;

    fn sums(orders: i64, visits: i64, net_cents: i64) -> Sums {
        let mut sums = Sums::default();
        for (measure, value) in [(Measure::Orders, orders), (Measure::Visits, visits)] {
            let Some(super::super::sums::Slot::Count(at)) = Sums::slot(measure.column()) else { panic!() };
            sums.set_count(at, value);
        }
        let Some(super::super::sums::Slot::Money(at)) = Sums::slot(Measure::Net.column()) else { panic!() };
        sums.set_money(at, rust_decimal::Decimal::new(net_cents, 2));
        sums
    }

    fn sides(now: Sums, before: Result<Sums, String>) -> Sides {
        Sides { value: now, closed: now, compared: before, length: TimeDelta::hours(1), provisional: false }
    }

    #[test]
    fn a_percentage_needs_a_base_and_a_reason_stands_where_there_is_none() {
        let told = measure(&sides(sums(110, 0, 0), Ok(sums(100, 0, 0))), Measure::Orders);
        assert!((told.change.unwrap() - 0.1).abs() < 1e-9);
        assert_eq!(told.as_change(), Change::Ratio(0.1));

        let few = measure(&sides(sums(40, 0, 0), Ok(sums(19, 0, 0))), Measure::Orders);
        assert_eq!((few.change, few.change_in), (None, ChangeIn::None));
        assert_eq!(few.compared, Some(Amount::Count(19)));
        assert!(few.why.unwrap().contains("19 events"));

        let new = measure(&sides(sums(40, 0, 0), Ok(sums(0, 0, 0))), Measure::Orders);
        assert_eq!(new.as_change(), Change::New);
        let floor = measure(&sides(sums(40, 0, 0), Err("before the floor".into())), Measure::Orders);
        assert_eq!(floor.as_change(), Change::None("before the floor".into()));
        let below = measure(&sides(sums(40, 0, 500), Ok(sums(40, 0, -500))), Measure::Net);
        assert_eq!(below.change, None);
        // Money rests on orders: a single large one is no trend.
        let one = measure(&sides(sums(40, 0, 500), Ok(sums(1, 0, 9_999_900))), Measure::Net);
        assert_eq!(one.change, None);
    }

    #[test]
    fn conversion_changes_in_points_and_needs_half_an_hour() {
        let told = conversion(&sides(sums(33, 1_000, 0), Ok(sums(31, 1_000, 0))));
        let Change::Points(points) = told.as_change() else { panic!("{told:?}") };
        assert!((points - 0.2).abs() < 1e-9);
        let short = Sides { length: TimeDelta::minutes(29), ..sides(sums(3, 100, 0), Ok(sums(3, 100, 0))) };
        assert_eq!(conversion(&short).value, None);
        assert_eq!(conversion(&sides(sums(0, 0, 0), Ok(sums(1, 50, 0)))).value, None);
    }

    proptest! {
        #[test]
        fn a_change_leads_from_what_was_to_what_is(now in 0_i64..10_000, was in 20_i64..10_000) {
            let told = measure(&sides(sums(now, 0, 0), Ok(sums(was, 0, 0))), Measure::Orders);
            let change = told.change.unwrap();
            prop_assert!(((was as f64) * (1.0 + change) - now as f64).abs() < 1e-6);
        }
    }
}
