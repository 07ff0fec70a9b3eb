//! Sums of a stretch: what adds up over time, and nothing else. Distinct counts do not, so they are not here.

use std::ops::AddAssign;

use contracts::cube::Grouping;
use contracts::measure::{Aggregate, MeasureKind};
use contracts::record::Column;
use rust_decimal::Decimal;

use super::view::{Amount, By, Measure};

/// Sums over the minutes of a stretch: of every aggregate of the contract that adds up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    counts: [i64; COUNTS.len()],
    money: [Decimal; MONEY.len()],
}

const COUNTS: [Aggregate; Aggregate::how_many(MeasureKind::Count)] = Aggregate::of_kind(MeasureKind::Count);
const MONEY: [Aggregate; Aggregate::how_many(MeasureKind::Money)] = Aggregate::of_kind(MeasureKind::Money);

/// Where a column's value goes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Slot {
    Count(usize),
    Money(usize),
}

impl Measure {
    const ALL: [Self; 11] = [
        Self::Events,
        Self::Visits,
        Self::ItemViews,
        Self::CartAdds,
        Self::Checkouts,
        Self::Orders,
        Self::OrderLines,
        Self::Units,
        Self::Gross,
        Self::Refunds,
        Self::Net,
    ];

    /// All of them.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter()
    }

    /// What the tables have of it.
    const fn aggregate(self) -> Aggregate {
        match self {
            Self::Events => Aggregate::Events,
            Self::Visits => Aggregate::SessionStarts,
            Self::ItemViews => Aggregate::ItemViews,
            Self::CartAdds => Aggregate::CartAdds,
            Self::Checkouts => Aggregate::Checkouts,
            Self::Orders => Aggregate::Orders,
            Self::OrderLines => Aggregate::OrderLines,
            Self::Units => Aggregate::Units,
            Self::Gross => Aggregate::Gross,
            Self::Refunds => Aggregate::Refunds,
            Self::Net => Aggregate::Net,
        }
    }

    /// Its column in the tables.
    pub(crate) const fn column(self) -> Column {
        self.aggregate().column()
    }

    /// As it stands in addresses and answers.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Visits => "visits",
            Self::ItemViews => "item_views",
            Self::CartAdds => "cart_adds",
            Self::Checkouts => "checkouts",
            Self::Orders => "orders",
            Self::OrderLines => "order_lines",
            Self::Units => "units",
            Self::Gross => "gross",
            Self::Refunds => "refunds",
            Self::Net => "net",
        }
    }

    /// The one of a word.
    pub(crate) fn of(word: &str) -> Option<Self> {
        Self::all().find(|measure| measure.word() == word)
    }

    /// Whether it is money.
    pub(crate) fn is_money(self) -> bool {
        self.aggregate().kind() == MeasureKind::Money
    }

    /// Whether a table has it.
    pub(crate) fn is_in(self, grouping: &Grouping) -> bool {
        grouping.measures.iter().any(|measure| measure.column() == self.column())
    }
}

impl By {
    pub(crate) const ALL: [Self; 7] = [
        Self::Country,
        Self::Category,
        Self::Channel,
        Self::Device,
        Self::Gender,
        Self::AgeBand,
        Self::Product,
    ];

    /// As it stands in addresses and answers.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Country => "country",
            Self::Category => "category",
            Self::Channel => "channel",
            Self::Device => "device",
            Self::Gender => "gender",
            Self::AgeBand => "age_band",
            Self::Product => "product",
        }
    }

    /// The one of a word.
    pub(crate) fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|by| by.word() == word)
    }
}

impl Sums {
    /// Where the value of a column goes; nothing where it is none that adds up.
    pub(crate) fn slot(column: Column) -> Option<Slot> {
        let at = |sums: &[Aggregate]| sums.iter().position(|sum| sum.column() == column);
        at(&COUNTS).map(Slot::Count).or_else(|| at(&MONEY).map(Slot::Money))
    }

    pub(crate) fn set_count(&mut self, at: usize, value: i64) {
        if let Some(count) = self.counts.get_mut(at) {
            *count = value;
        }
    }

    pub(crate) fn set_money(&mut self, at: usize, value: Decimal) {
        if let Some(money) = self.money.get_mut(at) {
            *money = value;
        }
    }

    /// One of them.
    pub(crate) fn get(&self, measure: Measure) -> Amount {
        match Self::slot(measure.column()) {
            Some(Slot::Money(at)) => Amount::Money(self.money.get(at).copied().unwrap_or_default()),
            Some(Slot::Count(at)) => Amount::Count(self.counts.get(at).copied().unwrap_or_default()),
            None => Amount::Count(0),
        }
    }

    /// A count; 0 for money.
    pub(crate) fn count(&self, measure: Measure) -> i64 {
        match self.get(measure) {
            Amount::Count(count) => count,
            Amount::Money(_) | Amount::Share(_) => 0,
        }
    }
}

impl AddAssign<&Self> for Sums {
    fn add_assign(&mut self, other: &Self) {
        for (own, other) in self.counts.iter_mut().zip(other.counts) {
            *own = own.saturating_add(other);
        }
        for (own, other) in self.money.iter_mut().zip(other.money) {
            // Most minutes have no refund: an addition of 0 is worth skipping.
            if !other.is_zero() {
                *own = own.saturating_add(other);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::cube::GROUPINGS;
    use proptest::prelude::*;

    #[test]
    fn every_column_that_adds_up_has_a_place_of_its_own() {
        for measure in GROUPINGS.iter().flat_map(|grouping| grouping.measures) {
            let slot = Sums::slot(measure.column());
            match measure.kind() {
                MeasureKind::Count => assert!(matches!(slot, Some(Slot::Count(_))), "{measure:?}"),
                MeasureKind::Money => assert!(matches!(slot, Some(Slot::Money(_))), "{measure:?}"),
                _ => assert!(slot.is_none(), "{measure:?} must not be added up"),
            }
        }
        let mut words: Vec<_> = Measure::all().map(Measure::word).collect();
        assert!(words.iter().all(|word| Measure::of(word).is_some_and(|found| found.word() == *word)));
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Measure::all().count());
        for measure in Measure::all() {
            assert_eq!(
                matches!(Sums::slot(measure.column()), Some(Slot::Money(_))),
                measure.is_money(),
                "{measure:?}"
            );
            assert!(Sums::slot(measure.column()).is_some(), "{measure:?}");
        }
    }

    proptest! {
        #[test]
        fn adding_is_per_measure(
            values in proptest::collection::vec((0_i64..1_000_000, -1_000_000_i64..1_000_000), 0..20),
        ) {
            let mut sum = Sums::default();
            for (count, cents) in &values {
                let mut one = Sums::default();
                for at in 0..COUNTS.len() {
                    one.set_count(at, *count);
                }
                for at in 0..MONEY.len() {
                    one.set_money(at, Decimal::new(*cents, 2));
                }
                sum += &one;
            }
            let count: i64 = values.iter().map(|(count, _)| count).sum();
            let cents: i64 = values.iter().map(|(_, cents)| cents).sum();
            for measure in Measure::all() {
                let expected = if measure.is_money() {
                    Amount::Money(Decimal::new(cents, 2))
                } else {
                    Amount::Count(count)
                };
                prop_assert_eq!(sum.get(measure), expected);
            }
        }
    }
}
