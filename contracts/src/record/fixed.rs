//! Exact decimals of a fixed scale, kept as an unscaled integer.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{FieldType, Kind, bad_value};
use crate::avro::binary as avro;
use crate::avro::binary::{ReadError, Reader};
use crate::pg_binary;

/// A decimal of `P` digits, `S` of them after the point. `P` is at most 18, so that it fits an `i64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Fixed<const P: u8, const S: u8>(i64);

/// Why a number is no [`Fixed`] of the wanted precision and scale.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FixedError {
    /// More digits than the precision allows.
    #[error("{value} does not fit decimal({precision},{scale})")]
    OutOfRange {
        /// The number given.
        value: String,
        /// All digits allowed.
        precision: u8,
        /// Digits after the point allowed.
        scale: u8,
    },
    /// Digits after the point that the scale cannot hold.
    #[error("{value} has more than {scale} digits after the point")]
    TooPrecise {
        /// The number given.
        value: String,
        /// Digits after the point allowed.
        scale: u8,
    },
    /// Not a number.
    #[error("{0:?} is not a decimal number")]
    NotANumber(String),
}

impl<const P: u8, const S: u8> Fixed<P, S> {
    /// Takes an unscaled value: `Fixed::<12, 2>::from_unscaled(1999)` is 19.99.
    ///
    /// # Errors
    /// When it has more than `P` digits.
    pub fn from_unscaled(unscaled: i64) -> Result<Self, FixedError> {
        const { assert!(P <= 18 && S <= P) };
        if unscaled.unsigned_abs() >= 10u64.pow(u32::from(P)) {
            return Err(FixedError::OutOfRange {
                value: Decimal::new(unscaled, u32::from(S)).to_string(),
                precision: P,
                scale: S,
            });
        }
        Ok(Self(unscaled))
    }

    /// Takes a decimal whose digits fit without rounding.
    ///
    /// # Errors
    /// When it would have to be rounded or does not fit.
    pub fn try_from_decimal(value: Decimal) -> Result<Self, FixedError> {
        let normal = value.normalize();
        if normal.scale() > u32::from(S) {
            return Err(FixedError::TooPrecise { value: value.to_string(), scale: S });
        }
        let out_of_range = || FixedError::OutOfRange { value: value.to_string(), precision: P, scale: S };
        let factor = Decimal::from(10u64.pow(u32::from(S)));
        let unscaled = normal.checked_mul(factor).and_then(|v| v.to_i64()).ok_or_else(out_of_range)?;
        Self::from_unscaled(unscaled)
    }

    /// The value times 10^`S`.
    #[must_use]
    pub const fn unscaled(self) -> i64 {
        self.0
    }

    /// The value with its scale.
    #[must_use]
    pub fn to_decimal(self) -> Decimal {
        Decimal::new(self.0, u32::from(S))
    }
}

impl<const P: u8, const S: u8> fmt::Display for Fixed<P, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_decimal().fmt(f)
    }
}

impl<const P: u8, const S: u8> FromStr for Fixed<P, S> {
    type Err = FixedError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::try_from_decimal(decimal_digits(text)?)
    }
}

/// A decimal that stands in digits: no exponent, and nothing between the digits, which the parser of decimals
/// would pass over.
///
/// # Errors
/// [`FixedError::NotANumber`], also for one of more digits than can be kept.
pub fn decimal_digits(text: &str) -> Result<Decimal, FixedError> {
    let trimmed = text.trim();
    let not_a_number = || FixedError::NotANumber(text.to_owned());
    if trimmed.contains('_') {
        return Err(not_a_number());
    }
    Decimal::from_str_exact(trimmed).map_err(|_| not_a_number())
}

impl<const P: u8, const S: u8> Serialize for Fixed<P, S> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, const P: u8, const S: u8> Deserialize<'de> for Fixed<P, S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl<const P: u8, const S: u8> FieldType for Fixed<P, S> {
    const KIND: Kind = Kind::Decimal { precision: P, scale: S };

    fn write_avro(&self, out: &mut Vec<u8>) {
        avro::write_decimal(out, self.0);
    }

    fn read_avro(reader: &mut Reader<'_>, field: &'static str) -> Result<Self, ReadError> {
        Self::from_unscaled(reader.decimal()?).map_err(|error| bad_value(field, error))
    }

    fn write_pg(&self, out: &mut Vec<u8>) {
        pg_binary::write_numeric(out, self.0, S);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_it_cannot_hold_exactly() {
        assert_eq!("19.90".parse::<Fixed<12, 2>>().map(Fixed::unscaled), Ok(1990));
        assert_eq!("1.000".parse::<Fixed<12, 2>>().map(Fixed::unscaled), Ok(100));
        assert!(matches!("0.001".parse::<Fixed<12, 2>>(), Err(FixedError::TooPrecise { .. })));
        assert!(matches!("10000000000".parse::<Fixed<12, 2>>(), Err(FixedError::OutOfRange { .. })));
        assert!("9999999999.99".parse::<Fixed<12, 2>>().is_ok());
        assert!(matches!("12_50".parse::<Fixed<12, 2>>(), Err(FixedError::NotANumber(_))));
        assert!(matches!("1e3x".parse::<Fixed<12, 2>>(), Err(FixedError::NotANumber(_))));
    }
}
