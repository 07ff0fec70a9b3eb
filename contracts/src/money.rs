//! Money: decimal, converted once, at ingest.

mod exact;
mod minor;

pub use exact::{Cost, Exact};
pub use minor::{Places, minor_units};

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use chrono::NaiveDate;
use rust_decimal::Decimal;

use crate::event::{Amount, Currency, Price, Rate};

/// Rates into the base currency, by currency and day.
#[derive(Debug, Clone)]
pub struct Rates {
    base: Currency,
    by_currency: BTreeMap<Currency, BTreeMap<NaiveDate, Rate>>,
    max_age_days: i64,
}

/// A conversion that cannot be done.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MoneyError {
    /// No rate of the currency on or before the day, or only one that is too old.
    #[error("no rate from {currency} to {base} for {date}")]
    MissingRate {
        /// Of which there is no rate.
        currency: Currency,
        /// What it was to be converted into.
        base: Currency,
        /// The day of the event, whose rate applies.
        date: NaiveDate,
    },
    /// The amount has more than twelve digits before the point.
    #[error("{sum} x {quantity} x {rate} does not fit decimal(14,2)")]
    Overflow {
        /// Price of one unit, or 1 x the amount of the line.
        sum: Exact,
        /// How many units, where `sum` is the price of one.
        quantity: i32,
        /// How much of the base currency one unit of the currency is.
        rate: Rate,
    },
}

/// A rates file that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RatesError {
    /// A line that is not `date,currency,rate`.
    #[error("line {line}: {message}; a line is `date,currency,rate`, as in 2026-01-02,USD,0.92000000")]
    Line {
        /// The line's number, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// The same day and currency twice.
    #[error("line {line}: {currency} has a rate for {date} already")]
    Repeated {
        /// The line's number, from 1.
        line: usize,
        /// The currency that the line repeats.
        currency: Currency,
        /// The day for which both lines give a rate.
        date: NaiveDate,
    },
}

impl Rates {
    /// Parses `date,currency,rate` lines; `#` starts a comment. The rate of a day is the last one on or
    /// before it, no older than `max_age_days`; the base currency's own rate is always 1.
    ///
    /// # Errors
    /// Names the first line that is malformed, not positive or repeated.
    pub fn parse(base: Currency, max_age_days: i64, text: &str) -> Result<Self, RatesError> {
        let mut by_currency: BTreeMap<Currency, BTreeMap<NaiveDate, Rate>> = BTreeMap::new();
        for (index, content) in text.lines().enumerate() {
            let line = index + 1;
            let content = content.split('#').next().unwrap_or_default().trim();
            if content.is_empty() || content == "date,currency,rate" {
                continue;
            }
            let bad = |message: String| RatesError::Line { line, message };
            let parts: Vec<&str> = content.split(',').map(str::trim).collect();
            let [date, currency, rate] = parts[..] else {
                return Err(bad(format!("{} fields, 3 were expected", parts.len())));
            };
            let date: NaiveDate = date.parse().map_err(|_| bad(format!("{date:?} is no date")))?;
            let currency: Currency = currency.parse().map_err(|e: record_error::Code| bad(e.to_string()))?;
            let rate: Rate = rate.parse().map_err(|e: record_error::Fixed| bad(e.to_string()))?;
            if rate.unscaled() <= 0 {
                return Err(bad(format!("rate {rate} is not positive")));
            }
            if by_currency.entry(currency).or_default().insert(date, rate).is_some() {
                return Err(RatesError::Repeated { line, currency, date });
            }
        }
        Ok(Self { base, by_currency, max_age_days })
    }

    /// No rate at all: what is in the base currency passes, and nothing else.
    #[must_use]
    pub const fn none(base: Currency) -> Self {
        Self { base, by_currency: BTreeMap::new(), max_age_days: 0 }
    }

    /// The base currency.
    #[must_use]
    pub const fn base(&self) -> Currency {
        self.base
    }

    /// What amounts in it are rounded to. Of a base currency with more places than are kept, which no command
    /// takes, those that are.
    #[must_use]
    pub fn places(&self) -> Places {
        Places::of(self.base).unwrap_or_default()
    }

    /// The rate in force for a currency on a day, and the day it is of.
    ///
    /// # Errors
    /// [`MoneyError::MissingRate`].
    pub fn rate(&self, currency: Currency, date: NaiveDate) -> Result<(Rate, NaiveDate), MoneyError> {
        if currency == self.base {
            return Ok((one(), date));
        }
        let missing = MoneyError::MissingRate { currency, base: self.base, date };
        let Some((&rate_date, &rate)) =
            self.by_currency.get(&currency).and_then(|days| days.range(..=date).next_back())
        else {
            return Err(missing);
        };
        if (date - rate_date).num_days() > self.max_age_days {
            return Err(missing);
        }
        Ok((rate, rate_date))
    }
}

mod record_error {
    pub(super) use crate::record::{CodeError as Code, FixedError as Fixed};
}

#[expect(clippy::expect_used, reason = "one fits every rate")]
fn one() -> Rate {
    Rate::from_unscaled(100_000_000).expect("1.00000000 fits decimal(18,8)")
}

/// What a line costs × rate, from all digits, rounded once, half up (away from zero), to the places of the
/// base currency.
///
/// # Errors
/// [`MoneyError::Overflow`].
pub fn amount_base(cost: Cost, quantity: i32, rate: Rate, places: Places) -> Result<Amount, MoneyError> {
    let quantity = match cost {
        Cost::Unit(_) => quantity,
        Cost::Line(_) => 1,
    };
    cost.amount(quantity, rate, places).map_err(|_| MoneyError::Overflow { sum: cost.sum(), quantity, rate })
}

/// What [`amount_base`] may have given for a line of which the price is known as it is kept, to two digits:
/// its source may have told more, so that every price that is rounded to it counts. Earlier commits rounded
/// to two places whatever the base currency has, so that what these give counts, too.
///
/// # Errors
/// [`MoneyError::Overflow`].
pub fn amounts_base(
    price: Price,
    quantity: i32,
    rate: Rate,
    places: Places,
) -> Result<RangeInclusive<Amount>, MoneyError> {
    let half = Decimal::new(5, 3);
    let of = |price: Decimal, places| amount_base(Cost::Unit(price.into()), quantity, rate, places);
    let range = |places| -> Result<(Amount, Amount), MoneyError> {
        let least = of((price.to_decimal() - half).max(Decimal::ZERO), places)?;
        // An exact price may fit where one that was rounded to it does not.
        let most = of(price.to_decimal() + half, places).or_else(|_| of(price.to_decimal(), places))?;
        Ok((least, most))
    };
    let ((least, most), (least_whole, most_whole)) = (range(Places::CENTS)?, range(places)?);
    Ok(least.min(least_whole)..=most.max(most_whole))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn rates(text: &str) -> Result<Rates, RatesError> {
        Rates::parse("EUR".parse().unwrap(), 7, text)
    }

    #[test]
    fn the_last_rate_on_or_before_the_day_holds() {
        let rates = rates("2026-01-01,USD,0.9\n2026-01-05,USD,0.8 # lower\n").unwrap();
        let usd = "USD".parse().unwrap();
        assert_eq!(rates.rate(usd, day("2026-01-04")).unwrap().1, day("2026-01-01"));
        assert_eq!(rates.rate(usd, day("2026-01-05")).unwrap().1, day("2026-01-05"));
        assert!(rates.rate(usd, day("2025-12-31")).is_err());
        assert!(rates.rate(usd, day("2026-01-13")).is_err(), "older than a week");
        assert_eq!(rates.rate("EUR".parse().unwrap(), day("1999-01-01")).unwrap().0, one());
    }

    #[test]
    fn a_bad_line_is_named() {
        assert!(matches!(rates("x"), Err(RatesError::Line { line: 1, .. })));
        assert!(matches!(rates("2026-01-01,USD,0"), Err(RatesError::Line { line: 1, .. })));
        let twice = "2026-01-01,USD,1\n2026-01-01,USD,1";
        assert!(matches!(rates(twice), Err(RatesError::Repeated { line: 2, .. })));
    }

    #[test]
    fn half_cents_go_up() {
        let amount = |price: &str, rate: &str| {
            let cost = Cost::Unit(price.parse().unwrap());
            amount_base(cost, 1, rate.parse().unwrap(), Places::CENTS).unwrap().to_string()
        };
        assert_eq!(amount("0.01", "0.5"), "0.01");
        assert_eq!(amount("0.01", "0.49999999"), "0.00");
        assert_eq!(amount("10.05", "0.1"), "1.01");
    }

    proptest! {
        #[test]
        fn agrees_with_integer_arithmetic(cents in 0i64..100_000_000, quantity in 1i32..1000, rate in 1i64..1_000_000_000) {
            let price = Price::from_unscaled(cents).unwrap();
            let rate_value = Rate::from_unscaled(rate).unwrap();
            let exact = i128::from(cents) * i128::from(quantity) * i128::from(rate);
            let expected = (exact + 50_000_000) / 100_000_000;
            match amount_base(Cost::Unit(price.into()), quantity, rate_value, Places::CENTS) {
                Ok(amount) => prop_assert_eq!(i128::from(amount.unscaled()), expected),
                Err(_) => prop_assert!(expected >= 100_000_000_000_000),
            }
        }

        #[test]
        fn what_was_booked_is_among_what_its_kept_price_allows(
            mantissa in 0i64..10_000_000_000, scale in 0u32..9, quantity in 1i32..100, rate in 1i64..1_000_000_000, of_line: bool,
            of_yen: bool,
        ) {
            let places = if of_yen { Places::of("JPY".parse().unwrap()).unwrap() } else { Places::CENTS };
            let sum = Exact::from(Decimal::new(mantissa, scale));
            let cost = if of_line { Cost::Line(sum) } else { Cost::Unit(sum) };
            let rate = Rate::from_unscaled(rate).unwrap();
            let (Ok(amount), Ok(price)) = (amount_base(cost, quantity, rate, places), cost.price(quantity)) else { return Ok(()) };
            prop_assert!(amounts_base(price, quantity, rate, places).unwrap().contains(&amount));
        }
    }
}
