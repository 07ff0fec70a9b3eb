//! What a cell says, whatever it is written in: one value for all of its forms, or a reason against it.

use std::borrow::Cow;

use contracts::record::{decimal_number, whole_number};
use rust_decimal::Decimal;

use crate::mapping::Marks;
use crate::pages::Held;

/// A number; an error says what is wrong with it.
pub(crate) fn number(text: &str, marks: Marks) -> Result<Decimal, String> {
    let (decimal, separators): (char, &[char]) = match marks {
        Marks::Plain => {
            let refused = || format!("{text:?} is no number{}", comma_hint(text));
            return decimal_number(text).ok_or_else(refused);
        }
        Marks::Point => ('.', &[',', ' ', '\u{a0}', '\u{202f}', '\'']),
        Marks::Comma => (',', &['.', ' ', '\u{a0}', '\u{202f}', '\'']),
    };
    let refused = |what: &str| format!("{text:?} is no number with {decimal:?} before its decimals: {what}");
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(unsigned) => ("-", unsigned),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, decimals) = match unsigned.split_once(decimal) {
        Some((whole, decimals)) => (whole, Some(decimals)),
        None => (unsigned, None),
    };
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if decimals.is_some_and(|decimals| !is_digits(decimals)) {
        return Err(refused("digits and nothing else follow it"));
    }
    let digits = match whole.chars().find(|c| separators.contains(c)) {
        None => whole.to_owned(),
        Some(separator) => {
            let mut groups = whole.split(separator);
            let first = groups.next().unwrap_or_default();
            let leads = is_digits(first) && first.len() <= 3 && !first.starts_with('0');
            if !leads || !groups.all(|group| is_digits(group) && group.len() == 3) {
                return Err(refused(&format!(
                    "{separator:?} does not separate thousands in groups of three"
                )));
            }
            whole.replace(separator, "")
        }
    };
    if !is_digits(&digits) {
        return Err(refused("other characters than digits stand in it"));
    }
    let plain = format!("{sign}{digits}.{}", decimals.unwrap_or("0"));
    decimal_number(&plain).ok_or_else(|| refused("it has more digits than are kept"))
}

fn comma_hint(text: &str) -> &'static str {
    match text.contains(',') {
        true => {
            ": where a comma stands before decimals say decimal = \",\", where it separates thousands decimal = \".\""
        }
        false => "",
    }
}

/// What programs write where there is no value: databases, spreadsheets and tools for tables. As ids they
/// would make one of all who have none.
#[rustfmt::skip]
const NO_VALUE: [&str; 29] = [
    "nan", "NaN", "NAN", "-nan", "null", "NULL", "Null", "(null)", "none", "None", "NONE", "undefined", "\\N", "<NA>", "NaT",
    "NA", "N/A", "n/a", "-", "--", "#N/A", "#NA", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NUM!", "#NULL!", "#ERROR!",
];

/// Whether a value is a word for none.
pub(crate) fn is_no_value(text: &str) -> bool {
    text.len() <= 10 && NO_VALUE.contains(&text)
}

/// Whole numbers from which on a double has no room for each.
const DOUBLE_EXACT_BELOW: u64 = 1 << f64::MANTISSA_DIGITS;
/// From here on spreadsheets write whole numbers with six digits and an exponent.
const SHEET_EXACT_BELOW: u64 = 100_000_000_000;

/// An id as one and the same text, whatever tool wrote it: a whole number that passed through a column of
/// floats (`17850.0`) or a spreadsheet (`1.785E+04`) is that whole number. One that may have lost digits
/// there is refused, and so is a word for none.
pub(crate) fn id(text: &str, held: Held) -> Result<Cow<'_, str>, String> {
    if is_no_value(text) {
        return Err(format!(
            "{text:?} stands for no value and would make one of all who have none: where it is an id say as_written = true"
        ));
    }
    let lossy = |why: &str| Err(format!("{text:?} may have lost digits as {why}: export the column as text"));
    if let Held::Float { exact_below } = held {
        let whole: Option<i128> = text.parse().ok();
        return match whole {
            Some(whole) if whole.unsigned_abs() >= u128::from(exact_below) => lossy("a float"),
            _ => Ok(Cow::Borrowed(text)),
        };
    }
    match form(text) {
        Form::Other => Ok(Cow::Borrowed(text)),
        Form::WholeDecimal { whole } => match whole.trim_start_matches('-').parse::<u64>() {
            // A decimal column has all its digits; what stands in a text may come of a float.
            _ if held == Held::Exact => Ok(Cow::Borrowed(whole)),
            Ok(value) if value < DOUBLE_EXACT_BELOW => Ok(Cow::Borrowed(whole)),
            _ => lossy("a float"),
        },
        Form::Exponent { digits } => match whole_number(text) {
            None if decimal_number(text).is_some_and(|value| !value.fract().is_zero()) => {
                Ok(Cow::Borrowed(text))
            }
            Some(value) if value.unsigned_abs() < DOUBLE_EXACT_BELOW => {
                let whole = value.to_string();
                let shown = whole.trim_start_matches('-').len() <= digits;
                if value.unsigned_abs() >= SHEET_EXACT_BELOW && !shown {
                    return lossy("a number with an exponent");
                }
                Ok(Cow::Owned(whole))
            }
            _ => lossy("a number with an exponent"),
        },
    }
}

/// An id that its file holds as a number with an exponent, `1e5`, which says no more digits than a double
/// has.
pub(crate) fn number_id(text: &str) -> Result<Cow<'_, str>, String> {
    match whole_number(text) {
        Some(value) if value.unsigned_abs() < DOUBLE_EXACT_BELOW => Ok(Cow::Owned(value.to_string())),
        None if decimal_number(text).is_some_and(|value| !value.fract().is_zero()) => Ok(Cow::Borrowed(text)),
        _ => Err(format!("{text:?} may have lost digits as a float: export the column as text")),
    }
}

/// How an id reads.
enum Form<'a> {
    Other,
    /// A whole number with zeros after a point.
    WholeDecimal {
        whole: &'a str,
    },
    /// One digit, perhaps others after a point, and an exponent; `digits` in all.
    Exponent {
        digits: usize,
    },
}

fn form(text: &str) -> Form<'_> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !unsigned.starts_with(|c: char| c.is_ascii_digit()) {
        return Form::Other;
    }
    if let Some((mantissa, exponent)) = unsigned.split_once(['e', 'E']) {
        let (first, decimals) =
            mantissa.split_once('.').map_or((mantissa, None), |(first, rest)| (first, Some(rest)));
        let (has_plus, exponent) = exponent.strip_prefix('+').map_or((false, exponent), |rest| (true, rest));
        // Without a point and a plus, as 12E4, it may be a name.
        let is_number = first.len() == 1
            && is_digits(first)
            && (2..=3).contains(&exponent.len()) | (decimals.is_some() && exponent.len() == 1)
            && is_digits(exponent)
            && decimals.map_or(has_plus, is_digits);
        return match is_number {
            true => Form::Exponent { digits: 1 + decimals.map_or(0, str::len) },
            false => Form::Other,
        };
    }
    match unsigned.split_once('.') {
        Some((whole, zeros))
            if is_digits(whole)
                && !zeros.is_empty()
                && zeros.bytes().all(|byte| byte == b'0')
                && (whole == "0" || !whole.starts_with('0')) =>
        {
            Form::WholeDecimal { whole: &text[..text.len() - zeros.len() - 1] }
        }
        _ => Form::Other,
    }
}

/// A word as a mapping's `values` name it where it is a number in another form.
pub(crate) fn word(text: &str) -> Option<Cow<'_, str>> {
    id(text, Held::Text).ok().filter(|word| word.as_ref() != text)
}

/// A truth in the words of tables.
pub(crate) fn truth(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        return Some(true);
    }
    if text.eq_ignore_ascii_case("false") {
        return Some(false);
    }
    match whole_number(text) {
        Some(0) => Some(false),
        Some(1) => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_is_read_by_its_marks_or_refused() {
        use Marks::{Comma, Plain, Point};
        for (marks, text, expected) in [
            (Plain, "19.90", "19.90"),
            (Plain, "1.785E+04", "17850"),
            (Plain, "-.5", "-0.5"),
            (Comma, "12,50", "12.50"),
            (Comma, "1.299,00", "1299.00"),
            (Comma, "1.299", "1299"),
            (Comma, "1 299 000,5", "1299000.5"),
            (Comma, "1\u{a0}299", "1299"),
            (Comma, "-1.299,00", "-1299"),
            (Comma, "1299", "1299"),
            (Comma, "0,5", "0.5"),
            (Point, "1,299.00", "1299"),
            (Point, "1,299", "1299"),
            (Point, "12.5", "12.5"),
            (Point, "1'299.5", "1299.5"),
        ] {
            assert_eq!(number(text, marks), Ok(expected.parse().unwrap()), "{text} {marks:?}");
        }
        for (marks, text) in [
            (Plain, "12,50"),
            (Plain, "1,299.00"),
            (Plain, "1_000"),
            (Plain, "12.50 EUR"),
            (Comma, "12.50"),
            (Comma, "0.500"),
            (Comma, "1.29,00"),
            (Comma, "1.2999"),
            (Comma, "1 299.000"),
            (Comma, "1,299.00"),
            (Comma, "1,2,3"),
            (Comma, ".5"),
            (Comma, ",5"),
            (Comma, "5,"),
            (Comma, "1..299"),
            (Comma, "1.299."),
            (Comma, ""),
            (Comma, "- 5"),
            (Comma, "1,5e3"),
            (Point, "12,50"),
            (Point, "1,299,00"),
            (Point, "1.299,00"),
        ] {
            assert!(number(text, marks).is_err(), "{text} {marks:?}: {:?}", number(text, marks));
        }
        assert!(number("12,50", Plain).unwrap_err().contains("decimal = \",\""));
        assert!(number("12.50", Comma).unwrap_err().contains("groups of three"));
    }

    #[test]
    fn an_id_is_one_whatever_tool_wrote_it() {
        let float = Held::Float { exact_below: DOUBLE_EXACT_BELOW };
        for (text, held, expected) in [
            ("17850", Held::Text, "17850"),
            ("17850.0", Held::Text, "17850"),
            ("17850.00", Held::Exact, "17850"),
            ("1.785E+04", Held::Text, "17850"),
            ("1.785e4", Held::Text, "17850"),
            ("1E+05", Held::Text, "100000"),
            ("17850", float, "17850"),
            ("-3.0", Held::Text, "-3"),
            ("0.0", Held::Text, "0"),
            ("123456789012.0", Held::Text, "123456789012"),
            ("1.23456789012E+11", Held::Text, "123456789012"),
            // Names stay names.
            ("007", Held::Text, "007"),
            ("007.0", Held::Text, "007.0"),
            ("12E4", Held::Text, "12E4"),
            ("1E5", Held::Text, "1E5"),
            ("1026454.4271112504", Held::Text, "1026454.4271112504"),
            ("1.5E+00", Held::Text, "1.5E+00"),
            ("v1.0", Held::Text, "v1.0"),
            ("1.0.0", Held::Text, "1.0.0"),
            ("e-12", Held::Text, "e-12"),
            ("No. 5.0", Held::Text, "No. 5.0"),
            ("9007199254740993.00", Held::Exact, "9007199254740993"),
        ] {
            assert_eq!(id(text, held).as_deref(), Ok(expected), "{text}");
        }
        for (text, held) in [
            ("1.23457E+11", Held::Text),
            ("4.00638E+12", Held::Text),
            ("1.2345678901234568e+16", Held::Text),
            ("9007199254740992.0", Held::Text),
            ("9007199254740992", float),
            ("16777216", Held::Float { exact_below: 1 << 24 }),
            ("1.5e99", Held::Text),
            ("nan", Held::Text),
            ("NULL", Held::Text),
            ("#N/A", Held::Text),
        ] {
            assert!(id(text, held).is_err(), "{text}");
        }
    }

    #[test]
    fn a_truth_is_one_in_every_format() {
        for (text, expected) in [
            ("true", Some(true)),
            ("False", Some(false)),
            ("1", Some(true)),
            ("1.0", Some(true)),
            ("0.00", Some(false)),
            ("2", None),
            ("yes", None),
            ("", None),
        ] {
            assert_eq!(truth(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_whole_number_is_one_id_in_all_its_forms(value in 0u64..DOUBLE_EXACT_BELOW, zeros in 1usize..4) {
            let plain = value.to_string();
            let digits = plain.trim_end_matches('0');
            let mantissa = if digits.len() > 1 { format!("{}.{}", &digits[..1], &digits[1..]) } else { format!("{plain:.1}.0") };
            let sheet = format!("{mantissa}E+{:02}", plain.len() - 1);
            let float = format!("{plain}.{}", "0".repeat(zeros));
            let found = id(&float, Held::Text).map(Cow::into_owned);
            prop_assert_eq!(found, Ok(plain.clone()));
            match id(&sheet, Held::Text) {
                Ok(id) => prop_assert_eq!(id.as_ref(), plain.as_str()),
                Err(_) => prop_assert!(value >= SHEET_EXACT_BELOW),
            }
        }

        #[test]
        fn marks_between_thousands_change_nothing(value in 0i64..1_000_000_000_000, cents in 0u8..100) {
            let digits = value.to_string();
            let mut groups: Vec<&str> = digits.as_bytes().rchunks(3).map(|group| std::str::from_utf8(group).unwrap()).collect();
            groups.reverse();
            let expected = Decimal::new(value * 100 + i64::from(cents), 2);
            for (marks, decimal, separators) in [(Marks::Comma, ",", [".", " "]), (Marks::Point, ".", [",", " "])] {
                for separator in separators {
                    let text = format!("{}{decimal}{cents:02}", groups.join(separator));
                    prop_assert_eq!(number(&text, marks), Ok(expected));
                }
            }
        }

        #[test]
        fn no_text_is_read_as_a_number_that_its_digits_do_not_say(text in "[0-9.,]{1,9}") {
            for (marks, decimal) in [(Marks::Comma, ','), (Marks::Point, '.')] {
                if let Ok(value) = number(&text, marks) {
                    let (whole, decimals) = text.split_once(decimal).unwrap_or((&text, ""));
                    let only = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
                    let said: Decimal = format!("{}.{}", only(whole), if decimals.is_empty() { "0" } else { decimals }).parse().unwrap();
                    prop_assert_eq!(value, said);
                }
            }
        }
    }
}
