//! Rows of the tables, as expected and as stored.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, NaiveDate, SecondsFormat, SubsecRound, Timelike, Utc};
use contracts::cube::{CUBE, Grouping};
use contracts::record::Column;
use rust_decimal::Decimal;

/// The primary key of a row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The row's instant, in whole ms: the window's start, the session's first event.
    pub at: DateTime<Utc>,
    /// The day it is filed under; of the instant, where the table has none.
    pub day: NaiveDate,
    /// The hour it is filed under, where the table has one.
    pub hour: Option<i32>,
    /// The dimensions, in the grouping's order; one that is an instant as `instant_text` has it.
    pub dimensions: Vec<String>,
}

/// An instant that is a dimension of a key, in whole ms.
pub(crate) fn instant_text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

impl Key {
    /// The key that an instant and dimensions have in a table.
    #[must_use]
    pub fn of(grouping: &Grouping, at: DateTime<Utc>, dimensions: Vec<String>) -> Self {
        let by_hour = grouping.partition_key.contains(&CUBE.hour);
        Self {
            at: at.trunc_subsecs(3),
            day: at.date_naive(),
            hour: by_hour.then(|| i32::try_from(at.hour()).unwrap_or_default()),
            dimensions,
        }
    }

    /// The value of one of the grouping's dimensions.
    pub(crate) fn dimension(&self, grouping: &Grouping, column: Column) -> Option<&str> {
        let index = grouping.dimensions.iter().position(|dimension| *dimension == column)?;
        self.dimensions.get(index).map(String::as_str)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.at.to_rfc3339_opts(SecondsFormat::AutoSi, true))?;
        for dimension in &self.dimensions {
            write!(f, " {dimension}")?;
        }
        if self.day != self.at.date_naive() {
            write!(f, " (filed under {})", self.day)?;
        }
        if let Some(hour) = self.hour.filter(|hour| u32::try_from(*hour) != Ok(self.at.hour())) {
            write!(f, " (filed under hour {hour})")?;
        }
        Ok(())
    }
}

/// One figure of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Figure {
    /// A count or a sum of units.
    Count(i64),
    /// A distinct count, exact where expected and estimated where stored.
    Distinct(i64),
    /// A sum of money.
    Money(Decimal),
    /// An instant, in ms.
    Instant(i64),
    /// A word or a name.
    Text(String),
    /// Yes or no.
    Flag(bool),
    /// A null, which the tables never hold.
    Absent,
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) | Self::Distinct(count) => write!(f, "{count}"),
            Self::Money(amount) => write!(f, "{amount:.2}"),
            Self::Instant(unix_ms) => match DateTime::<Utc>::from_timestamp_millis(*unix_ms) {
                Some(at) => f.write_str(&at.to_rfc3339_opts(SecondsFormat::Millis, true)),
                None => write!(f, "{unix_ms} ms"),
            },
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Absent => f.write_str("nothing"),
        }
    }
}

/// The rows of a table, with their figures in the order of the grouping's measures.
pub(crate) type Rows = BTreeMap<Key, Vec<Figure>>;

/// The figure of a measure in a row.
pub(crate) fn figure<'a>(grouping: &Grouping, row: &'a [Figure], column: Column) -> Option<&'a Figure> {
    grouping
        .measures
        .iter()
        .zip(row)
        .find_map(|(measure, figure)| (measure.column() == column).then_some(figure))
}
