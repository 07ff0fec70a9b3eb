//! PostgreSQL's binary representation of our kinds, both ways.
//!
//! Written by COPY (ingest) and read from logical replication (relay). Formats: `numeric.c` (`numeric_send`),
//! `timestamp.c`, `date.c` of PostgreSQL 15; epoch 2000-01-01, all integers big-endian.

use chrono::NaiveDate;

/// µs between 1970-01-01 and PostgreSQL's epoch, 2000-01-01.
pub const PG_EPOCH_UNIX_US: i64 = 946_684_800_000_000;
/// Days between 1970-01-01 and PostgreSQL's epoch.
pub const PG_EPOCH_UNIX_DAYS: i32 = 10_957;

const NUMERIC_POSITIVE: u16 = 0x0000;
const NUMERIC_NEGATIVE: u16 = 0x4000;
/// `numeric` digits are base 10,000.
const NUMERIC_BASE: u64 = 10_000;

/// A value that is not what its column's type promises.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DecodeError {
    /// The wrong number of bytes.
    #[error("a {kind} value has {actual} bytes, {expected} were expected")]
    Length {
        /// PostgreSQL's name of the type.
        kind: &'static str,
        /// Bytes it must have.
        expected: usize,
        /// Bytes it has.
        actual: usize,
    },
    /// NaN or infinity where a number is needed.
    #[error("a numeric value is not finite")]
    NotFinite,
    /// More digits than the contract's decimal can hold.
    #[error("a numeric value does not fit {scale} digits after the point in 64 bits")]
    OutOfRange {
        /// Digits after the point.
        scale: u8,
    },
    /// Infinity where an instant is needed.
    #[error("a timestamp or date is out of range")]
    Instant,
}

/// Appends a length-prefixed field; `value` appends the bytes.
pub fn write_field(out: &mut Vec<u8>, value: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    value(out);
    // A field is bounded by the record's limits, far below 2 GiB.
    #[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "fields are bounded")]
    let length = (out.len() - at - 4) as i32;
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
}

/// Appends a null field.
pub fn write_null(out: &mut Vec<u8>) {
    out.extend_from_slice(&(-1i32).to_be_bytes());
}

/// Days from 1970-01-01 to a date.
#[must_use]
pub fn days_since_unix_epoch(date: NaiveDate) -> i32 {
    date.to_epoch_days()
}

/// Appends a `timestamptz` given in µs since 1970.
pub fn write_timestamp(out: &mut Vec<u8>, unix_us: i64) {
    out.extend_from_slice(&(unix_us - PG_EPOCH_UNIX_US).to_be_bytes());
}

/// Appends a `date` given in days since 1970.
pub fn write_date(out: &mut Vec<u8>, unix_days: i32) {
    out.extend_from_slice(&(unix_days - PG_EPOCH_UNIX_DAYS).to_be_bytes());
}

/// Appends a `numeric` of the given scale from its unscaled value.
pub fn write_numeric(out: &mut Vec<u8>, unscaled: i64, scale: u8) {
    let sign = if unscaled < 0 { NUMERIC_NEGATIVE } else { NUMERIC_POSITIVE };
    let magnitude = unscaled.unsigned_abs();
    let unit = 10u64.pow(u32::from(scale));
    let (mut integer, fraction) = (magnitude / unit, magnitude % unit);

    // Groups of four decimal digits, most significant first; the fraction is padded on the right.
    let mut groups = [0u16; 10];
    let fraction_groups = usize::from(scale).div_ceil(4);
    let padding = u32::try_from(fraction_groups * 4 - usize::from(scale)).unwrap_or(0);
    let mut padded = u128::from(fraction) * 10u128.pow(padding);
    let mut first = groups.len();
    for _ in 0..fraction_groups {
        first -= 1;
        groups[first] = group(padded % u128::from(NUMERIC_BASE));
        padded /= u128::from(NUMERIC_BASE);
    }
    let mut integer_groups = 0i16;
    while integer > 0 {
        first -= 1;
        groups[first] = group(u128::from(integer % NUMERIC_BASE));
        integer /= NUMERIC_BASE;
        integer_groups += 1;
    }
    // The weight is the position of the first group relative to the point; zero groups at either end are
    // dropped.
    let mut weight = integer_groups - 1;
    let mut digits = &groups[first..];
    while let [0, rest @ ..] = digits {
        digits = rest;
        weight -= 1;
    }
    while let [rest @ .., 0] = digits {
        digits = rest;
    }
    if digits.is_empty() {
        weight = 0;
    }
    #[expect(clippy::cast_possible_truncation, reason = "at most ten groups")]
    out.extend_from_slice(&(digits.len() as u16).to_be_bytes());
    out.extend_from_slice(&weight.to_be_bytes());
    out.extend_from_slice(&(if digits.is_empty() { NUMERIC_POSITIVE } else { sign }).to_be_bytes());
    out.extend_from_slice(&u16::from(scale).to_be_bytes());
    for digit in digits {
        out.extend_from_slice(&digit.to_be_bytes());
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a remainder of 10,000 fits")]
fn group(remainder: u128) -> u16 {
    remainder as u16
}

/// Reads a `numeric` as an unscaled value of the given scale.
///
/// # Errors
/// When it is malformed, not finite, too long, or has digits beyond the scale.
pub fn read_numeric(bytes: &[u8], scale: u8) -> Result<i64, DecodeError> {
    let malformed = |expected| DecodeError::Length { kind: "numeric", expected, actual: bytes.len() };
    let out_of_range = DecodeError::OutOfRange { scale };
    let Some((header, digits)) = bytes.split_at_checked(8) else { return Err(malformed(8)) };
    let short = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let (count, weight, sign) = (usize::from(short(0)), i16::from_be_bytes([header[2], header[3]]), short(4));
    if digits.len() != count * 2 {
        return Err(malformed(8 + count * 2));
    }
    if sign != NUMERIC_POSITIVE && sign != NUMERIC_NEGATIVE {
        return Err(DecodeError::NotFinite);
    }
    let mut total: i128 = 0;
    for (index, pair) in digits.chunks_exact(2).enumerate() {
        let digit = i128::from(u16::from_be_bytes([pair[0], pair[1]]));
        let place = i32::from(weight) - i32::try_from(index).map_err(|_| out_of_range_of(scale))?;
        let exponent = place * 4 + i32::from(scale);
        if exponent >= 0 {
            let factor = u32::try_from(exponent).ok().and_then(|e| 10i128.checked_pow(e));
            let term = factor.and_then(|f| f.checked_mul(digit));
            total = term.and_then(|t| total.checked_add(t)).ok_or(out_of_range_of(scale))?;
        } else {
            let divisor = 10i128.checked_pow(exponent.unsigned_abs()).ok_or(out_of_range_of(scale))?;
            if digit % divisor != 0 {
                return Err(out_of_range);
            }
            total += digit / divisor;
        }
    }
    let signed = if sign == NUMERIC_NEGATIVE { -total } else { total };
    i64::try_from(signed).map_err(|_| out_of_range)
}

const fn out_of_range_of(scale: u8) -> DecodeError {
    DecodeError::OutOfRange { scale }
}

/// Reads a `timestamptz` as µs since 1970.
///
/// # Errors
/// When it has not eight bytes or is infinite.
pub fn read_timestamp(bytes: &[u8]) -> Result<i64, DecodeError> {
    let pg_us = i64::from_be_bytes(array("timestamp", bytes)?);
    if pg_us == i64::MAX || pg_us == i64::MIN {
        return Err(DecodeError::Instant);
    }
    pg_us.checked_add(PG_EPOCH_UNIX_US).ok_or(DecodeError::Instant)
}

/// Reads a `date` as days since 1970.
///
/// # Errors
/// When it has not four bytes or is infinite.
pub fn read_date(bytes: &[u8]) -> Result<i32, DecodeError> {
    let pg_days = i32::from_be_bytes(array("date", bytes)?);
    if pg_days == i32::MAX || pg_days == i32::MIN {
        return Err(DecodeError::Instant);
    }
    pg_days.checked_add(PG_EPOCH_UNIX_DAYS).ok_or(DecodeError::Instant)
}

/// Reads a value of exactly `N` bytes: `uuid`, `int4`, `float8`, `boolean`.
///
/// # Errors
/// When the length differs.
pub fn array<const N: usize>(kind: &'static str, bytes: &[u8]) -> Result<[u8; N], DecodeError> {
    bytes.try_into().map_err(|_| DecodeError::Length { kind, expected: N, actual: bytes.len() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rust_decimal::Decimal;
    use tokio_postgres_types::ToSqlOracle;

    use super::*;

    /// `rust_decimal`'s own encoder, which we did not write.
    mod tokio_postgres_types {
        use bytes::BytesMut;
        use rust_decimal::Decimal;
        use tokio_postgres::types::{ToSql, Type};

        pub(super) trait ToSqlOracle {
            fn oracle(&self) -> Vec<u8>;
        }

        impl ToSqlOracle for Decimal {
            fn oracle(&self) -> Vec<u8> {
                let mut out = BytesMut::new();
                self.to_sql(&Type::NUMERIC, &mut out).unwrap();
                out.to_vec()
            }
        }
    }

    proptest! {
        #[test]
        fn numeric_survives_both_ways(unscaled: i64, scale in 0u8..=18) {
            let mut out = Vec::new();
            write_numeric(&mut out, unscaled, scale);
            prop_assert_eq!(read_numeric(&out, scale), Ok(unscaled));
        }

        #[test]
        fn reads_what_another_encoder_wrote(unscaled: i64, scale in 0u8..=18) {
            let bytes = Decimal::new(unscaled, u32::from(scale)).oracle();
            prop_assert_eq!(read_numeric(&bytes, scale), Ok(unscaled));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, scale in 0u8..=18) {
            let _ = read_numeric(&bytes, scale);
            let _ = read_timestamp(&bytes);
            let _ = read_date(&bytes);
        }
    }

    #[test]
    fn numeric_refuses_what_would_be_rounded() {
        let mut out = Vec::new();
        write_numeric(&mut out, 12_345, 4);
        assert_eq!(read_numeric(&out, 2), Err(DecodeError::OutOfRange { scale: 2 }));
    }
}
