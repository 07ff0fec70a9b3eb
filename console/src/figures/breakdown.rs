//! A measure by the values of one dimension: shares, ranks and what is left.

use std::collections::{BTreeMap, HashMap};

use rust_decimal::Decimal;

use super::sums::Sums;
use super::view::{Amount, Breakdown, BreakdownRow, By, Measure, Rest};

/// The country of the doctor's probe: an event that it sends to see whether the line works. It stands last.
pub(crate) const PROBE: &str = audit::doctor::DOCTOR_COUNTRY;

/// Sums of each value of a dimension.
pub(crate) type Groups = BTreeMap<String, Sums>;

/// Which rows are wanted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slice<'a> {
    pub(crate) limit: usize,
    /// The rows after this one.
    pub(crate) after: Option<&'a str>,
}

/// The greatest first; equal ones by their key.
pub(crate) fn breakdown(
    by: By,
    measure: Measure,
    groups: &Groups,
    compared: Result<&Groups, &String>,
    slice: &Slice<'_>,
    label: impl Fn(&str) -> String,
) -> Breakdown {
    let ranked = ranked(by, measure, groups);
    let before: Option<HashMap<&str, u32>> =
        compared.ok().map(|compared| ranked_keys(&self::ranked(by, measure, compared)).collect());
    let total = total(measure, ranked.iter().map(|(_, amount)| *amount));
    let skip = slice
        .after
        .map_or(0, |after| ranked.iter().position(|(key, _)| *key == after).map_or(0, |at| at + 1));
    let rows = ranked_keys(&ranked)
        .zip(&ranked)
        .skip(skip)
        .take(slice.limit)
        .map(|((key, rank), (_, value))| BreakdownRow {
            key: key.to_owned(),
            label: label(key),
            value: *value,
            share: share(*value, total),
            compared: compared
                .ok()
                .map(|compared| compared.get(key).copied().unwrap_or_default().get(measure)),
            rank,
            rank_before: before.as_ref().and_then(|before| before.get(key).copied()),
        })
        .collect();
    let left = ranked.get(skip.saturating_add(slice.limit)..).unwrap_or_default();
    let rest = (!left.is_empty()).then(|| Rest {
        keys: left.len(),
        value: self::total(measure, left.iter().map(|(_, amount)| *amount)),
    });
    Breakdown { by, measure, currency: None, rows, rest, total, why: compared.err().cloned() }
}

fn ranked(by: By, measure: Measure, groups: &Groups) -> Vec<(&str, Amount)> {
    let mut ranked: Vec<_> = groups.iter().map(|(key, sums)| (key.as_str(), sums.get(measure))).collect();
    let probe = |key: &str| by == By::Country && key == PROBE;
    ranked.sort_by(|(key, amount), (other_key, other)| {
        let order = probe(key).cmp(&probe(other_key));
        order.then_with(|| exact(*other).cmp(&exact(*amount))).then_with(|| key.cmp(other_key))
    });
    ranked
}

fn ranked_keys<'a>(ranked: &[(&'a str, Amount)]) -> impl Iterator<Item = (&'a str, u32)> {
    ranked.iter().map(|(key, _)| *key).zip(1..)
}

fn exact(amount: Amount) -> Decimal {
    match amount {
        Amount::Count(count) => count.into(),
        Amount::Money(amount) => amount,
        Amount::Share(share) => Decimal::try_from(share).unwrap_or_default(),
    }
}

fn total(measure: Measure, amounts: impl Iterator<Item = Amount>) -> Amount {
    let sum = amounts.fold(Decimal::ZERO, |sum, amount| sum.saturating_add(exact(amount)));
    if measure.is_money() {
        Amount::Money(sum)
    } else {
        Amount::Count(i64::try_from(sum).unwrap_or(i64::MAX))
    }
}

/// Of what was paid back more than sold there is no whole, and a negative part is none of it.
fn share(value: Amount, total: Amount) -> Option<f64> {
    let (value, total) = (exact(value), exact(total));
    (total > Decimal::ZERO && value >= Decimal::ZERO)
        .then(|| Amount::Money(value).drawn() / Amount::Money(total).drawn())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::sums::Slot;
    use proptest::prelude::*;

    fn groups(values: &[(&str, i64)]) -> Groups {
        let Some(Slot::Money(at)) = Sums::slot(Measure::Net.column()) else { panic!() };
        let one = |(key, cents): &(&str, i64)| {
            let mut sums = Sums::default();
            sums.set_money(at, Decimal::new(*cents, 2));
            ((*key).to_owned(), sums)
        };
        values.iter().map(one).collect()
    }

    fn net(now: &Groups, before: Result<&Groups, &String>, slice: &Slice<'_>) -> Breakdown {
        breakdown(By::Country, Measure::Net, now, before, slice, str::to_owned)
    }

    #[test]
    fn ranks_shares_and_rest_are_of_all_and_the_probe_is_last() {
        let now = groups(&[("CH", 3_000), ("DE", 5_000), ("US", 2_000), (PROBE, 90_000)]);
        let before = groups(&[("CH", 3_000), ("US", 9_000)]);
        let told = net(&now, Ok(&before), &Slice { limit: 2, after: None });
        let rows: Vec<_> =
            told.rows.iter().map(|row| (row.key.as_str(), row.rank, row.rank_before)).collect();
        assert_eq!(rows, [("DE", 1, None), ("CH", 2, Some(2))]);
        assert_eq!(told.rows[0].compared, Some(Amount::Money(Decimal::ZERO)));
        assert!((told.rows[0].share.unwrap() - 0.05).abs() < 1e-9);
        assert_eq!(told.rest, Some(Rest { keys: 2, value: Amount::Money(Decimal::new(92_000, 2)) }));
        let rest = net(&now, Ok(&before), &Slice { limit: 9, after: Some("CH") });
        assert_eq!(rest.rows.iter().map(|row| row.rank).collect::<Vec<_>>(), [3, 4]);
        assert_eq!(rest.rows[1].key, PROBE);
        assert_eq!(rest.rest, None);
    }

    #[test]
    fn without_a_stretch_before_nothing_is_compared_and_it_says_why() {
        let why = "before the floor".to_owned();
        let told = net(&groups(&[("CH", 1)]), Err(&why), &Slice { limit: 9, after: None });
        assert_eq!((told.rows[0].compared, told.rows[0].rank_before, told.why), (None, None, Some(why)));
        let back = net(&groups(&[("CH", -1)]), Ok(&Groups::new()), &Slice { limit: 9, after: None });
        assert_eq!(back.rows[0].share, None);
    }

    proptest! {
        #[test]
        fn pages_are_the_whole(
            cents in proptest::collection::vec(0_i64..100_000, 1..40),
            limit in 1_usize..10,
        ) {
            let keys: Vec<String> = (0..cents.len()).map(|number| format!("K{number:02}")).collect();
            let pairs: Vec<_> = keys.iter().map(String::as_str).zip(cents.iter().copied()).collect();
            let now = groups(&pairs);
            let whole = net(&now, Ok(&now), &Slice { limit: 100, after: None }).rows;
            let mut pages = Vec::new();
            let mut after: Option<String> = None;
            loop {
                let page = net(&now, Ok(&now), &Slice { limit, after: after.as_deref() });
                after = page.rows.last().map(|row| row.key.clone());
                pages.extend(page.rows);
                if page.rest.is_none() { break; }
            }
            prop_assert_eq!(&pages, &whole);
            prop_assert!(whole.iter().all(|row| row.rank_before == Some(row.rank)));
            prop_assert!(whole.windows(2).all(|pair| pair[0].value.drawn() >= pair[1].value.drawn()));
        }
    }
}
