//! Events per 100 visits, from visit to order. A visit may view many products, so a step can be more than the
//! one before.

use super::sums::Sums;
use super::view::{Funnel, FunnelStep, Measure};

const STEPS: [(Measure, &str); 5] = [
    (Measure::Visits, "visits"),
    (Measure::ItemViews, "products viewed"),
    (Measure::CartAdds, "added to cart"),
    (Measure::Checkouts, "checkouts"),
    (Measure::Orders, "orders"),
];

/// The steps of a stretch and of the one before.
pub(crate) fn funnel(sums: &Sums, compared: Result<&Sums, &String>) -> Funnel {
    let per_100 = |sums: &Sums, step| {
        audit::figures::share(sums.count(step), sums.count(Measure::Visits)).map(|share| share * 100.0)
    };
    let steps = STEPS.map(|(step, label)| FunnelStep {
        step,
        label,
        count: sums.get(step),
        per_100_visits: per_100(sums, step),
        compared: compared.ok().and_then(|compared| per_100(compared, step)),
    });
    Funnel { steps: steps.into(), why: compared.err().cloned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::sums::Slot;

    #[test]
    fn steps_are_per_100_visits_and_nothing_without_any() {
        let mut sums = Sums::default();
        for (measure, count) in [(Measure::Visits, 200), (Measure::ItemViews, 364), (Measure::Orders, 6)] {
            let Some(Slot::Count(at)) = Sums::slot(measure.column()) else { panic!() };
            sums.set_count(at, count);
        }
        let told = funnel(&sums, Ok(&Sums::default()));
        let rates: Vec<_> = told.steps.iter().map(|step| step.per_100_visits.unwrap()).collect();
        assert_eq!(rates, [100.0, 182.0, 0.0, 0.0, 3.0]);
        assert!(told.steps.iter().all(|step| step.compared.is_none()));
        assert_eq!(funnel(&Sums::default(), Err(&"none".to_owned())).steps[0].per_100_visits, None);
    }
}
