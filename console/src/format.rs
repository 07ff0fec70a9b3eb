//! Numbers, times and sizes as people read them: one formatter for all pages.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use rust_decimal::Decimal;

/// A count with thousands apart: `1,204`.
pub(crate) fn count(count: i64) -> String {
    let digits = count.unsigned_abs().to_string();
    let sign = if count < 0 { "−" } else { "" };
    format!("{sign}{}", grouped(&digits))
}

/// An amount with two decimals, thousands apart, and its currency before it: `EUR 84,310.55`.
pub(crate) fn money(amount: Decimal, currency: &str) -> String {
    format!("{currency}\u{a0}{}", amount_only(amount))
}

/// An amount with two decimals and thousands apart: `84,310.55`.
pub(crate) fn amount_only(amount: Decimal) -> String {
    let text = format!("{:.2}", amount.abs());
    let (whole, cents) = text.split_once('.').unwrap_or((&text, "00"));
    let sign = if amount.is_sign_negative() && !amount.is_zero() { "−" } else { "" };
    format!("{sign}{}.{cents}", grouped(whole))
}

/// An estimated distinct count, rounded to three digits: `≈ 1,240`.
pub(crate) fn distinct(estimate: i64) -> String {
    let mut unit = 1_i64;
    while estimate / unit >= 1_000 {
        unit *= 10;
    }
    format!("≈\u{a0}{}", count((estimate + unit / 2) / unit * unit))
}

/// A share as percent with one decimal: `3.1 %`.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.1}\u{a0}%", share * 100.0)
}

/// A size in binary units: `212 MiB`.
pub(crate) fn bytes(bytes: i64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut size = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if size.abs() < 1_024.0 {
            return short(size, unit);
        }
        size /= 1_024.0;
    }
    short(size, "TiB")
}

fn short(value: f64, unit: &str) -> String {
    if value.abs() < 10.0 && value.fract() != 0.0 {
        format!("{value:.1}\u{a0}{unit}")
    } else {
        format!("{value:.0}\u{a0}{unit}")
    }
}

/// A stretch of time: `9 ms`, `1.4 s`, `12 s`, `1 min 38 s`, `3 h 5 min`, `2 d 4 h`.
pub(crate) fn stretch(delta: TimeDelta) -> String {
    let ms = delta.num_milliseconds().max(0);
    match ms {
        0..1_000 => format!("{ms}\u{a0}ms"),
        1_000..10_000 => format!("{}.{}\u{a0}s", ms / 1_000, ms % 1_000 / 100),
        10_000..60_000 => format!("{}\u{a0}s", ms / 1_000),
        60_000..3_600_000 => two(ms / 60_000, "min", ms / 1_000 % 60, "s"),
        3_600_000..86_400_000 => two(ms / 3_600_000, "h", ms / 60_000 % 60, "min"),
        _ => two(ms / 86_400_000, "d", ms / 3_600_000 % 24, "h"),
    }
}

/// [`stretch`] of milliseconds.
pub(crate) fn ms(ms: i64) -> String {
    stretch(TimeDelta::milliseconds(ms))
}

fn two(large: i64, large_unit: &str, small: i64, small_unit: &str) -> String {
    if small == 0 {
        format!("{large}\u{a0}{large_unit}")
    } else {
        format!("{large}\u{a0}{large_unit} {small}\u{a0}{small_unit}")
    }
}

/// A clock time in a zone, with the day where it is not today's: `10:01:43`, `Nov 27 10:01:43`.
pub(crate) fn clock(at: DateTime<Utc>, zone: Tz, now: DateTime<Utc>) -> String {
    let (local, today) = (at.with_timezone(&zone), now.with_timezone(&zone).date_naive());
    if local.date_naive() == today {
        local.format("%H:%M:%S").to_string()
    } else {
        local.format("%b %-d %H:%M:%S").to_string()
    }
}

fn grouped(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// With a capital letter.
pub(crate) fn capital(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
}

/// For readers that know no space but one: numbers are formatted for pages, where they do not break.
pub(crate) fn plain(text: &str) -> String {
    text.replace('\u{a0}', " ")
}

/// With a capital letter and a full stop.
pub(crate) fn sentence(text: &str) -> String {
    format!("{}.", capital(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_amounts_are_grouped() {
        assert_eq!(count(0), "0");
        assert_eq!(count(-1_204), "−1,204");
        assert_eq!(count(999_999_999), "999,999,999");
        assert_eq!(money("84310.5".parse().unwrap(), "EUR"), "EUR\u{a0}84,310.50");
        assert_eq!(amount_only("-0.05".parse().unwrap()), "−0.05");
    }

    #[test]
    fn estimates_have_three_digits() {
        assert_eq!(distinct(7), "≈\u{a0}7");
        assert_eq!(distinct(1_236), "≈\u{a0}1,240");
        assert_eq!(distinct(123_456), "≈\u{a0}123,000");
    }

    #[test]
    fn stretches_have_two_units_at_most() {
        let told = [9, 1_430, 12_000, 98_000, 120_000, 11_100_000, 187_200_000].map(ms);
        let told = told.map(|text| text.replace('\u{a0}', " "));
        assert_eq!(told, ["9 ms", "1.4 s", "12 s", "1 min 38 s", "2 min", "3 h 5 min", "2 d 4 h"]);
    }

    #[test]
    fn sizes_are_binary() {
        assert_eq!(bytes(312), "312\u{a0}B");
        assert_eq!(bytes(4 << 30), "4\u{a0}GiB");
        assert_eq!(bytes(1_536), "1.5\u{a0}KiB");
    }
}
