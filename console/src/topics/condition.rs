//! Conditions on records: field, operator, value. No language, so that there is nothing to inject.
//!
//! What is shut is not told by a filter either: an id is compared whole, since nobody guesses one; a place is
//! compared not at all.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate, Utc};
use contracts::personal::{Class, class};
use rust_decimal::Decimal;

use super::schema::Known;
use super::value::Value;

/// How many there may be at once.
pub(crate) const CONDITIONS: usize = 5;
/// How long one may be, in bytes.
const LENGTH: usize = 512;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    /// A field of the record, or `a.b` of the record in it.
    field: String,
    operator: Operator,
    /// Empty where the operator takes none.
    value: String,
    number: Option<Decimal>,
    instant: Option<DateTime<Utc>>,
}

/// How a field is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Contains,
    AtLeast,
    AtMost,
    Exists,
}

impl Operator {
    /// The longer ones first, so that `>=` is not read as something else.
    const SIGNS: [(&str, Self); 5] = [
        ("!=", Self::NotEqual),
        (">=", Self::AtLeast),
        ("<=", Self::AtMost),
        ("=", Self::Equal),
        ("≠", Self::NotEqual),
    ];
    const WORDS: [(&str, Self); 2] = [("contains", Self::Contains), ("exists", Self::Exists)];

    const fn text(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Contains => "contains",
            Self::AtLeast => ">=",
            Self::AtMost => "<=",
            Self::Exists => "exists",
        }
    }
}

/// A condition that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConditionError {
    #[error(
        "{0:?} is not a condition: write a field, one of =, !=, contains, >=, <=, exists, and a value, as in \
         event_name = purchase"
    )]
    Shape(String),
    #[error("a condition has at most {LENGTH} characters")]
    Long,
    #[error(
        "a condition on {0} could reveal a personal value: use = and the whole value for an id; no condition is \
         allowed on other personal fields"
    )]
    Shut(String),
}

impl FromStr for Condition {
    type Err = ConditionError;

    fn from_str(text: &str) -> Result<Self, ConditionError> {
        if text.len() > LENGTH {
            return Err(ConditionError::Long);
        }
        let shape = || ConditionError::Shape(text.trim().to_owned());
        let trimmed = text.trim();
        let end = trimmed
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')))
            .unwrap_or(trimmed.len());
        let (field, rest) = trimmed.split_at(end);
        if field.is_empty() {
            return Err(shape());
        }
        let (operator, value) = operator(rest).ok_or_else(shape)?;
        if (operator == Operator::Exists) != value.is_empty() {
            return Err(shape());
        }
        let condition = Self {
            field: field.to_owned(),
            operator,
            number: Decimal::from_str_exact(value).ok(),
            instant: instant(value),
            value: value.to_owned(),
        };
        let last = field.rsplit('.').next().unwrap_or(field);
        match (class(last), operator) {
            (_, Operator::Exists) | (None | Some(Class::Open), _) | (Some(Class::Id), Operator::Equal) => {
                Ok(condition)
            }
            _ => Err(ConditionError::Shut(field.to_owned())),
        }
    }
}

fn operator(rest: &str) -> Option<(Operator, &str)> {
    let apart = rest.trim_start();
    for (sign, operator) in Operator::SIGNS {
        if let Some(value) = apart.strip_prefix(sign) {
            return Some((operator, value.trim()));
        }
    }
    for (word, operator) in Operator::WORDS {
        // A word stands apart from the field and from the value.
        if let Some(value) = apart.strip_prefix(word)
            && apart.len() < rest.len()
            && (value.is_empty() || value.starts_with(char::is_whitespace))
        {
            return Some((operator, value.trim()));
        }
    }
    None
}

/// An instant with its zone, or a day, which begins at midnight UTC.
fn instant(value: &str) -> Option<DateTime<Utc>> {
    if let Ok(at) = DateTime::parse_from_rfc3339(value) {
        return Some(at.to_utc());
    }
    let day: NaiveDate = value.parse().ok()?;
    Some(day.and_hms_opt(0, 0, 0)?.and_utc())
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.field, self.operator.text())?;
        if self.value.is_empty() { Ok(()) } else { write!(f, " {}", self.value) }
    }
}

impl Condition {
    pub(crate) fn field(&self) -> &str {
        &self.field
    }

    /// Whether a record may be judged by it: of a schema that is not the contract's everything is shut.
    pub(crate) fn allowed(&self, known: &Known) -> bool {
        let last = self.field.rsplit('.').next().unwrap_or(&self.field);
        self.operator == Operator::Exists || known.of_the_contract && class(last).is_some()
    }

    /// The field it is about, where the record has it.
    pub(crate) fn find<'v, 'a>(&self, value: &'v Value<'a>) -> Option<&'v Value<'a>> {
        self.field.split('.').try_fold(value, |value, name| value.get(name))
    }

    /// Whether a field's value meets it. What is null or not there meets `!=` alone.
    pub(crate) fn met(&self, value: Option<&Value<'_>>) -> bool {
        let Some(value) = value.filter(|value| **value != Value::Null) else {
            return self.operator == Operator::NotEqual;
        };
        match self.operator {
            Operator::Exists => true,
            Operator::Equal => self.compare(value) == Some(Ordering::Equal),
            Operator::NotEqual => self.compare(value) != Some(Ordering::Equal),
            Operator::AtLeast => self.compare(value).is_some_and(Ordering::is_ge),
            Operator::AtMost => self.compare(value).is_some_and(Ordering::is_le),
            Operator::Contains => match value {
                Value::Text(text) => text.contains(&self.value),
                other => other.text().is_some_and(|text| text.contains(&self.value)),
            },
        }
    }

    /// How a field's value stands to the condition's; nothing where they are of different kinds.
    fn compare(&self, value: &Value<'_>) -> Option<Ordering> {
        match value {
            Value::Text(text) => Some((*text).cmp(self.value.as_str())),
            Value::Whole(whole) => self.number.map(|number| Decimal::from(*whole).cmp(&number)),
            Value::Decimal(unscaled, scale) => {
                let exact = Decimal::try_from_i128_with_scale(*unscaled, *scale).ok()?;
                self.number.map(|number| exact.cmp(&number))
            }
            // As it is written, so that what is seen can be searched for: 46.9 is no Decimal 46.9 in binary.
            Value::Double(_) | Value::Float(_) => {
                let written: f64 = value.text()?.parse().ok()?;
                let asked: f64 = self.value.parse().ok()?;
                written.partial_cmp(&asked)
            }
            Value::Instant(..) => Some(value.instant()?.cmp(&self.instant?)),
            // Written alike, they sort as they are written.
            Value::Bool(_)
            | Value::Date(_)
            | Value::Time(..)
            | Value::Local(..)
            | Value::Bytes(_)
            | Value::Stretch(..) => Some(value.text()?.as_str().cmp(self.value.as_str())),
            Value::Null | Value::Array(_) | Value::Map(_) | Value::Record(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::value::Unit;
    use super::*;

    fn condition(text: &str) -> Condition {
        text.parse().unwrap()
    }

    #[expect(clippy::needless_pass_by_value, reason = "values are written where they are asked about")]
    fn met(text: &str, value: Value<'_>) -> bool {
        condition(text).met(Some(&value))
    }

    #[test]
    fn reads_every_operator() {
        for text in ["a = b", "a != b", "a contains b c", "a >= 1", "a <= 2", "a.b exists"] {
            assert_eq!(condition(text).to_string(), text);
        }
        assert_eq!(condition(" a=b ").to_string(), "a = b");
        assert_eq!(condition("a ≠ b").to_string(), "a != b");
        assert_eq!(condition("a = contains").to_string(), "a = contains");
        for text in
            ["", "a", "a b", "= b", "a =", "a exists b", "acontains b", "a containsb", "a > 1", "a ~ b"]
        {
            assert!(matches!(text.parse::<Condition>(), Err(ConditionError::Shape(_))), "{text}");
        }
        assert_eq!("a".repeat(600).parse::<Condition>(), Err(ConditionError::Long));
    }

    #[test]
    fn what_is_shut_cannot_be_asked_for_piece_by_piece() {
        for text in ["user_id contains 6d", "user_id >= 6", "city = Bern", "latitude <= 47", "order_id != x"]
        {
            assert!(matches!(text.parse::<Condition>(), Err(ConditionError::Shut(_))), "{text}");
        }
        for text in ["user_id = 6d0ac2ce-0000-5000-8000-000000000001", "city exists", "country = CH"] {
            assert!(text.parse::<Condition>().is_ok(), "{text}");
        }
        let foreign =
            Known::parse(1, r#"{"type":"record","name":"Order","namespace":"org.elsewhere","fields":[]}"#);
        let foreign = foreign.unwrap();
        assert!(!condition("email = a@b.example").allowed(&foreign));
        assert!(!condition("country = CH").allowed(&foreign));
        assert!(condition("email exists").allowed(&foreign));
    }

    #[test]
    fn compares_by_kind() {
        assert!(
            met("a >= 9.5", Value::Decimal(1000, 2)),
            "10.00 is more than 9.5, though it sorts before it"
        );
        assert!(met("a = 10", Value::Decimal(1000, 2)));
        assert!(met("a <= -1", Value::Whole(-2)));
        assert!(!met("a <= x", Value::Whole(-2)));
        assert!(met("a = 46.9", Value::Double(46.9)));
        assert!(met("a = true", Value::Bool(true)));
        assert!(met("a >= 2026-11-28", Value::Date(20_785)));
        assert!(met("a >= 1970-01-01T00:00:01+00:00", Value::Instant(1_000, Unit::Milli)));
        assert!(!met("a >= 1970-01-01T00:00:01Z", Value::Instant(999, Unit::Milli)));
        assert!(met("a >= 1970-01-02", Value::Instant(86_400_000_000, Unit::Micro)));
        assert!(met("a contains 0.5", Value::Decimal(1050, 2)));
        assert!(!met("a contains x", Value::Null));
    }

    #[test]
    fn null_and_absent_meet_not_equal_alone() {
        for (text, expected) in [
            ("a = x", false),
            ("a != x", true),
            ("a contains x", false),
            ("a exists", false),
            ("a <= x", false),
        ] {
            assert_eq!(condition(text).met(None), expected, "{text}");
            assert_eq!(met(text, Value::Null), expected, "{text}");
        }
    }

    #[test]
    fn finds_fields_of_records_in_records() {
        let value = Value::Record(vec![("a", Value::Record(vec![("b", Value::Whole(1))]))]);
        assert_eq!(condition("a.b exists").find(&value), Some(&Value::Whole(1)));
        assert_eq!(condition("a.c exists").find(&value), None);
        assert_eq!(condition("a.b.c exists").find(&value), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_and_is_read_again(text: String) {
            if let Ok(read) = text.parse::<Condition>() {
                prop_assert_eq!(read.to_string().parse::<Condition>(), Ok(read));
            }
        }

        #[test]
        fn numbers_compare_as_numbers(value: i32, asked: i32) {
            let whole = Value::Whole(i64::from(value));
            let cents = Value::Decimal(i128::from(value) * 100, 2);
            for value_ in [&whole, &cents] {
                prop_assert_eq!(condition(&format!("a >= {asked}")).met(Some(value_)), value >= asked);
                prop_assert_eq!(condition(&format!("a <= {asked}")).met(Some(value_)), value <= asked);
                prop_assert_eq!(condition(&format!("a = {asked}")).met(Some(value_)), value == asked);
                prop_assert_eq!(condition(&format!("a != {asked}")).met(Some(value_)), value != asked);
            }
        }

        #[test]
        fn text_compares_as_text(value in "[a-z]{0,6}", asked in "[a-z]{1,6}") {
            let text = Value::Text(&value);
            prop_assert_eq!(
                condition(&format!("a contains {asked}")).met(Some(&text)),
                value.contains(&asked)
            );
            prop_assert_eq!(condition(&format!("a >= {asked}")).met(Some(&text)), value >= asked);
        }
    }
}
