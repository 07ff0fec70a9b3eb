//! Numbers as texts write them, without a float in between.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// The exact value of a number with or without point and exponent: `17850`, `17850.0` and `1.785E+04` are the
/// same. Nothing where it is none, or has more digits than a decimal keeps.
#[must_use]
pub fn decimal_number(text: &str) -> Option<Decimal> {
    let (digits, exponent) = match text.split_once(['e', 'E']) {
        None => (text, 0),
        Some((digits, exponent)) => {
            let whole = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if whole.is_empty() || !whole.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            // One that is no number of 32 bits is beyond every decimal; only zero has them all.
            (
                digits,
                exponent.parse::<i32>().unwrap_or(if exponent.starts_with('-') {
                    i32::MIN
                } else {
                    i32::MAX
                }),
            )
        }
    };
    let unsigned = digits.strip_prefix(['+', '-']).unwrap_or(digits);
    let is_plain = unsigned.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if !is_plain || !unsigned.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value = Decimal::from_str_exact(digits).ok()?;
    if exponent == 0 || value.is_zero() {
        return Some(value);
    }
    let value = value.normalize();
    let scale = i64::from(value.scale()) - i64::from(exponent);
    if scale >= 0 {
        return Decimal::try_from_i128_with_scale(value.mantissa(), u32::try_from(scale).ok()?).ok();
    }
    let power = 10i128.checked_pow(u32::try_from(-scale).ok()?)?;
    Decimal::try_from_i128_with_scale(value.mantissa().checked_mul(power)?, 0).ok()
}

/// A whole number, however it is written.
#[must_use]
pub fn whole_number(text: &str) -> Option<i64> {
    if let Ok(whole) = text.parse() {
        return Some(whole);
    }
    let value = decimal_number(text)?;
    if value.fract().is_zero() { value.to_i64() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_has_many_forms() {
        for (texts, expected) in [
            (&["17850", "17850.0", "1.785E+04", "1.785e4", "+17850.", "178500e-1", "017850"][..], "17850"),
            (&["0.5", ".5", "5e-1", "5E-01", "50e-2"][..], "0.5"),
            (&["-12.5", "-1.25e1"][..], "-12.5"),
            (&["0", "0e999999999999", "-0.0"][..], "0"),
        ] {
            for text in texts {
                assert_eq!(decimal_number(text), Some(expected.parse().unwrap()), "{text}");
            }
        }
        for text in [
            "", ".", "e5", "1e", "1e+", "1_0", "1 0", "0x10", "NaN", "inf", "1e99", "1e-99", "1,5", "--1",
            "1.2.3", "1e2.5",
        ] {
            assert_eq!(decimal_number(text), None, "{text}");
        }
        assert_eq!(whole_number("9223372036854775807"), Some(i64::MAX));
        assert_eq!(whole_number("9223372036854775808"), None);
        assert_eq!((whole_number("2.0"), whole_number("2.5")), (Some(2), None));
    }

    proptest::proptest! {
        #[test]
        fn moving_the_point_changes_nothing(
            mantissa in -1_000_000_000_000i64..1_000_000_000_000,
            places in 0i32..8,
            shift in -8i32..8,
        ) {
            let plain = Decimal::new(mantissa, places.unsigned_abs());
            let moved = format!("{mantissa}e{}", -places);
            proptest::prop_assert_eq!(decimal_number(&moved), Some(plain));
            let shifted =
                format!("{}e{shift}", decimal_number(&format!("{mantissa}e{}", -places - shift)).unwrap());
            proptest::prop_assert_eq!(decimal_number(&shifted), Some(plain));
        }
    }
}
