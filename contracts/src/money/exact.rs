//! Sums as sources tell them: with all their digits, rounded once, when they are booked.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Places;
use crate::event::{Amount, Price, Rate};
use crate::record::{Fixed, FixedError, decimal_digits};

/// A sum of money with every digit that its source gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exact(Decimal);

impl Exact {
    /// The sum, with all its digits.
    #[must_use]
    pub const fn to_decimal(self) -> Decimal {
        self.0
    }

    /// Whether it is less than nothing.
    #[must_use]
    pub fn is_negative(self) -> bool {
        self.0.is_sign_negative() && !self.0.is_zero()
    }
}

impl From<Decimal> for Exact {
    fn from(value: Decimal) -> Self {
        Self(value)
    }
}

impl From<Price> for Exact {
    fn from(price: Price) -> Self {
        Self(price.to_decimal())
    }
}

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Exact {
    type Err = FixedError;

    fn from_str(text: &str) -> Result<Self, FixedError> {
        decimal_digits(text).map(Self)
    }
}

impl Serialize for Exact {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What a line costs, as its source tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// The price of one unit.
    Unit(Exact),
    /// The price of the whole line, as of goods that are weighed.
    Line(Exact),
}

impl Cost {
    /// The sum, whatever it is of.
    #[must_use]
    pub const fn sum(self) -> Exact {
        match self {
            Self::Unit(sum) | Self::Line(sum) => sum,
        }
    }

    /// The field that gives it.
    #[must_use]
    pub const fn field(self) -> &'static str {
        match self {
            Self::Unit(_) => "price",
            Self::Line(_) => "amount",
        }
    }

    /// The price of one unit, rounded half up to the two digits that are kept of it.
    ///
    /// # Errors
    /// When it has more digits before the point than are kept.
    pub fn price(self, quantity: i32) -> Result<Price, FixedError> {
        let units = match self {
            Self::Unit(_) => 1,
            Self::Line(_) => quantity,
        };
        rounded(self.sum(), (1, 0), units, None)
    }

    /// The line in the base currency: all digits multiplied, then rounded once, half up, to the places of
    /// the base currency.
    ///
    /// # Errors
    /// When it does not fit.
    pub fn amount(self, quantity: i32, rate: Rate, places: Places) -> Result<Amount, FixedError> {
        let units = match self {
            Self::Unit(_) => i128::from(quantity),
            Self::Line(_) => 1,
        };
        rounded(self.sum(), (units * i128::from(rate.unscaled()), 8), 1, Some(places))
    }
}

/// Digits before which a sum is cut in two, so that no product leaves 128 bits.
const LIMB: i128 = 100_000_000_000_000;
const LIMB_DIGITS: u32 = 14;

/// `sum` × `factor` / 10^`factor_scale` / `divisor`, rounded half up (away from zero) to `S` digits or to
/// fewer places, without any rounding before.
fn rounded<const P: u8, const S: u8>(
    sum: Exact,
    (factor, factor_scale): (i128, u32),
    divisor: i32,
    places: Option<Places>,
) -> Result<Fixed<P, S>, FixedError> {
    let value = sum.0.normalize();
    let out_of_range = || FixedError::OutOfRange { value: value.to_string(), precision: P, scale: S };
    let (mantissa, scale) = (value.mantissa().abs(), value.scale() + factor_scale);
    let divisor = i128::from(divisor);
    if divisor < 1 {
        return Err(out_of_range());
    }
    // high × 10^14 + low, with low < 10^14.
    let low = (mantissa % LIMB).checked_mul(factor).ok_or_else(out_of_range)?;
    let high = (mantissa / LIMB).checked_mul(factor).and_then(|high| high.checked_add(low / LIMB));
    let (high, low) = (high.ok_or_else(out_of_range)?, low % LIMB);
    let wanted = places.map_or(u32::from(S), |places| places.count().min(u32::from(S)));
    let unscaled = if scale <= wanted {
        let whole = high.checked_mul(LIMB).and_then(|high| high.checked_add(low));
        let whole = whole.and_then(|whole| whole.checked_mul(10i128.pow(wanted - scale)));
        half_up(whole.ok_or_else(out_of_range)?, divisor)
    } else {
        let cut = scale - wanted;
        if divisor == 1 && cut > LIMB_DIGITS {
            // The rest is low and what high leaves: at least half where what high leaves is.
            let unit = 10i128.checked_pow(cut - LIMB_DIGITS).ok_or_else(out_of_range)?;
            let (whole, rest) = (high / unit, high % unit);
            whole + i128::from(rest * 2 >= unit)
        } else {
            let whole = high.checked_mul(LIMB).and_then(|high| high.checked_add(low));
            let unit = 10i128.checked_pow(cut).and_then(|unit| unit.checked_mul(divisor));
            half_up(whole.ok_or_else(out_of_range)?, unit.ok_or_else(out_of_range)?)
        }
    };
    let unscaled = unscaled.checked_mul(10i128.pow(u32::from(S) - wanted)).ok_or_else(out_of_range)?;
    let unscaled = i64::try_from(unscaled).map_err(|_| out_of_range())?;
    Fixed::from_unscaled(if value.is_sign_negative() { -unscaled } else { unscaled })
}

fn half_up(value: i128, unit: i128) -> i128 {
    let (whole, rest) = (value / unit, value % unit);
    whole + i128::from(rest >= unit - rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn exact(text: &str) -> Exact {
        text.parse().unwrap()
    }

    fn rate(text: &str) -> Rate {
        text.parse().unwrap()
    }

    #[test]
    fn a_line_is_rounded_once_from_all_digits() {
        for (cost, quantity, by, amount, price) in [
            (Cost::Unit(exact("33.415")), 1, "1", "33.42", "33.42"),
            (Cost::Unit(exact("8.4033613445")), 119, "1", "1000.00", "8.40"),
            (Cost::Unit(exact("1.255")), 1, "3.01", "3.78", "1.26"),
            (Cost::Unit(exact("0.004")), 1_000, "1", "4.00", "0.00"),
            (Cost::Unit(exact("0.0049999999999999999999999999")), 1, "1", "0.00", "0.00"),
            (Cost::Unit(exact("0.0050000000000000000000000000")), 1, "1", "0.01", "0.01"),
            (Cost::Unit(exact("-2.505")), 2, "1", "-5.01", "-2.51"),
            (Cost::Line(exact("10.00")), 3, "0.5", "5.00", "3.33"),
            (Cost::Line(exact("0.995")), 1, "1", "1.00", "1.00"),
            (Cost::Line(exact("5")), 1_000, "1", "5.00", "0.01"),
        ] {
            assert_eq!(
                cost.amount(quantity, rate(by), Places::CENTS).unwrap().to_string(),
                amount,
                "{cost:?}"
            );
            assert_eq!(cost.price(quantity).unwrap().to_string(), price, "{cost:?}");
        }
    }

    #[test]
    fn yen_are_whole_and_rounded_once() {
        let yen = Places::of("JPY".parse().unwrap()).unwrap();
        for (cost, quantity, by, amount) in [
            (Cost::Unit(exact("10")), 1, "149.549", "1495.00"),
            (Cost::Unit(exact("10")), 1, "149.55", "1496.00"),
            // Not 0.50 first, which would be 1.
            (Cost::Unit(exact("0.4951")), 1, "1", "0.00"),
            (Cost::Unit(exact("0.4")), 3, "1", "1.00"),
            (Cost::Line(exact("-1234.5")), 3, "1", "-1235.00"),
            (Cost::Unit(exact("1980")), 2, "1", "3960.00"),
        ] {
            assert_eq!(cost.amount(quantity, rate(by), yen).unwrap().to_string(), amount, "{cost:?}");
        }
        assert!(Cost::Line(exact("999999999999.5")).amount(1, rate("1"), yen).is_err());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(Cost::Unit(exact("9999999999.99")).price(1).is_ok());
        assert!(Cost::Unit(exact("9999999999.995")).price(1).is_err());
        assert!(Cost::Unit(exact("9999999999.99")).amount(100_000, rate("1"), Places::CENTS).is_err());
        assert!(
            Cost::Unit(exact("7922816251426433759354395033"))
                .amount(1, rate("9999999999"), Places::CENTS)
                .is_err()
        );
        for bad in ["", "12_50", "1e3", "1,50", "12 50", "--1", "0x1", "1.2.3", ".", "+", "\u{0661}"] {
            assert!(bad.parse::<Exact>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn it_is_what_whole_numbers_give(
            mantissa in 0i64..1_000_000_000_000,
            scale in 0u32..12,
            quantity in 1i32..1_000,
            rate in 1i64..100_000_000_000,
        ) {
            let sum = Exact(Decimal::new(mantissa, scale));
            let rate = Rate::from_unscaled(rate).unwrap();
            let product = i128::from(mantissa) * i128::from(quantity) * i128::from(rate.unscaled());
            let unit = 10i128.pow(scale + 6);
            let expected = (product * 2 + unit) / (unit * 2);
            match Cost::Unit(sum).amount(quantity, rate, Places::CENTS) {
                Ok(amount) => prop_assert_eq!(i128::from(amount.unscaled()), expected),
                Err(_) => prop_assert!(expected >= 100_000_000_000_000),
            }
            let unit = 10i128.pow(scale) * i128::from(quantity);
            let expected = (i128::from(mantissa) * 200 + unit) / (unit * 2);
            match Cost::Line(sum).price(quantity) {
                Ok(price) => prop_assert_eq!(i128::from(price.unscaled()), expected),
                Err(_) => prop_assert!(expected >= 1_000_000_000_000),
            }
        }
    }
}
