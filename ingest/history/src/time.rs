//! Times as files write them.

use chrono::format::{Item, Parsed, StrftimeItems};
use chrono::{DateTime, FixedOffset, LocalResult, NaiveDateTime, TimeZone, Utc};
use chrono_tz::Tz;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// The zone that times without one are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Zone {
    Named(Tz),
    Offset(FixedOffset),
}

impl Zone {
    pub(crate) fn read(text: &str) -> Option<Self> {
        if let Ok(named) = text.parse() {
            return Some(Self::Named(named));
        }
        // chrono reads an offset only as part of a time.
        let at = DateTime::parse_from_rfc3339(&format!("2000-01-01T00:00:00{text}")).ok()?;
        Some(Self::Offset(*at.offset()))
    }

    /// A local time as an instant. Of the two in the night when clocks are put back it is the first one; the one that
    /// clocks leave out when they are put forward does not exist.
    fn instant(self, local: NaiveDateTime) -> Option<DateTime<Utc>> {
        fn first<T: TimeZone>(result: LocalResult<DateTime<T>>) -> Option<DateTime<Utc>> {
            result.earliest().map(|at| at.to_utc())
        }
        match self {
            Self::Named(zone) => first(zone.from_local_datetime(&local)),
            Self::Offset(zone) => first(zone.from_local_datetime(&local)),
        }
    }
}

impl std::fmt::Display for Zone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Named(zone) => f.write_str(zone.name()),
            Self::Offset(zone) => zone.fmt(f),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Pattern {
    /// RFC 3339, with `T` or a space, with or without time and zone.
    Iso,
    /// Seconds, or parts of them, since 1970; how many µs one is.
    Unix { unit_us: i64 },
    /// What `strftime` knows.
    Strftime(Vec<Item<'static>>),
}

/// How a column writes times.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TimeFormat {
    pattern: Pattern,
    /// The pattern as the mapping names it.
    name: String,
    pub(crate) zone: Zone,
}

/// Why a text is no time.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum TimeError {
    #[error("{text:?} is not of the form {format}")]
    Form { text: String, format: String },
    #[error("{text:?} does not exist in {zone}")]
    LeftOut { text: String, zone: String },
}

pub(crate) const ISO: &str = "iso";

impl TimeFormat {
    /// The format of a name; nothing where `strftime` does not know a part of it.
    pub(crate) fn new(name: &str, zone: Zone) -> Option<Self> {
        let pattern = match name {
            ISO => Pattern::Iso,
            "unix_s" => Pattern::Unix { unit_us: 1_000_000 },
            "unix_ms" => Pattern::Unix { unit_us: 1_000 },
            "unix_us" => Pattern::Unix { unit_us: 1 },
            // A name without any part of a time would take every text or none.
            _ if !name.contains('%') => return None,
            _ => Pattern::Strftime(StrftimeItems::new(name).parse_to_owned().ok()?),
        };
        Some(Self { pattern, name: name.to_owned(), zone })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Reads a time. One that the file holds as such comes `typed`: in the ISO form, whatever the format of texts.
    pub(crate) fn read(&self, text: &str, typed: bool) -> Result<DateTime<Utc>, TimeError> {
        let form = || TimeError::Form { text: text.to_owned(), format: self.name.clone() };
        match &self.pattern {
            _ if typed => self.iso(text),
            Pattern::Iso => self.iso(text),
            Pattern::Unix { unit_us } => {
                let units = Decimal::from_str_exact(text).map_err(|_| form())?;
                let unix_us = units.checked_mul(Decimal::from(*unit_us)).and_then(|us| us.floor().to_i64());
                unix_us.and_then(DateTime::from_timestamp_micros).ok_or_else(form)
            }
            Pattern::Strftime(items) => {
                let mut parsed = Parsed::new();
                chrono::format::parse(&mut parsed, text, items.iter()).map_err(|_| form())?;
                if parsed.offset().is_some() || parsed.timestamp().is_some() {
                    return parsed
                        .to_datetime()
                        .or_else(|_| parsed.to_datetime_with_timezone(&Utc).map(|at| at.fixed_offset()))
                        .map(|at| at.to_utc())
                        .map_err(|_| form());
                }
                let midnight = || parsed.to_naive_date().ok()?.and_hms_opt(0, 0, 0);
                let has_time = parsed.hour_mod_12().is_some();
                let local = if has_time { parsed.to_naive_datetime_with_offset(0).ok() } else { midnight() };
                self.local(text, local.ok_or_else(form)?)
            }
        }
    }

    fn iso(&self, text: &str) -> Result<DateTime<Utc>, TimeError> {
        if let Ok(at) = DateTime::parse_from_rfc3339(text) {
            return Ok(at.to_utc());
        }
        let local = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"]
            .iter()
            .find_map(|pattern| NaiveDateTime::parse_from_str(text, pattern).ok())
            .or_else(|| text.parse::<chrono::NaiveDate>().ok()?.and_hms_opt(0, 0, 0))
            .ok_or_else(|| TimeError::Form { text: text.to_owned(), format: ISO.to_owned() })?;
        self.local(text, local)
    }

    fn local(&self, text: &str, local: NaiveDateTime) -> Result<DateTime<Utc>, TimeError> {
        self.zone
            .instant(local)
            .ok_or_else(|| TimeError::LeftOut { text: text.to_owned(), zone: self.zone.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(format: &str, zone: &str, text: &str) -> Result<String, TimeError> {
        let format = TimeFormat::new(format, Zone::read(zone).unwrap()).unwrap();
        format.read(text, false).map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
    }

    #[test]
    fn each_form_is_read_in_its_zone() {
        for (format, zone, text, expected) in [
            ("iso", "UTC", "2026-03-01T10:00:00.123456Z", "2026-03-01T10:00:00.123456Z"),
            ("iso", "Europe/Berlin", "2026-03-01T10:00:00+05:00", "2026-03-01T05:00:00Z"),
            ("iso", "Europe/Berlin", "2026-03-01 10:00:00", "2026-03-01T09:00:00Z"),
            ("iso", "Europe/Berlin", "2026-07-01T10:00:00.5", "2026-07-01T08:00:00.500Z"),
            ("iso", "-03:00", "2026-07-01", "2026-07-01T03:00:00Z"),
            ("%d.%m.%Y %H:%M", "Europe/Berlin", "01.03.2026 10:30", "2026-03-01T09:30:00Z"),
            ("%d/%m/%y", "UTC", "01/03/26", "2026-03-01T00:00:00Z"),
            ("%Y-%m-%d %I:%M %p", "UTC", "2026-03-01 01:05 PM", "2026-03-01T13:05:00Z"),
            ("%Y-%m-%dT%H:%M:%S%z", "UTC", "2026-03-01T10:00:00+0200", "2026-03-01T08:00:00Z"),
            ("%s", "UTC", "1772359200", "2026-03-01T10:00:00Z"),
            ("unix_s", "UTC", "1772359200.25", "2026-03-01T10:00:00.250Z"),
            ("unix_ms", "UTC", "1772359200123", "2026-03-01T10:00:00.123Z"),
            ("unix_us", "UTC", "-1", "1969-12-31T23:59:59.999999Z"),
        ] {
            assert_eq!(read(format, zone, text).as_deref(), Ok(expected), "{format} {zone} {text}");
        }
    }

    #[test]
    fn an_hour_that_is_there_twice_is_the_first_and_one_that_is_not_is_refused() {
        let berlin = |text| read("iso", "Europe/Berlin", text);
        assert_eq!(berlin("2026-10-25 02:30:00").as_deref(), Ok("2026-10-25T00:30:00Z"));
        assert!(matches!(berlin("2026-03-29 02:30:00"), Err(TimeError::LeftOut { .. })));
    }

    #[test]
    fn what_is_no_time_or_no_format_is_refused() {
        for (format, text) in [
            ("iso", "01.03.2026"),
            ("iso", ""),
            ("unix_s", "soon"),
            ("unix_ms", "99999999999999999999999"),
            ("%d.%m.%Y", "2026-03-01"),
            ("%d.%m.%Y", "01.03.2026 10:00"),
        ] {
            assert!(matches!(read(format, "UTC", text), Err(TimeError::Form { .. })), "{format} {text}");
        }
        let utc = Zone::read("UTC").unwrap();
        for format in ["", "YYYY-MM-DD", "%Q", "unix"] {
            assert_eq!(TimeFormat::new(format, utc), None, "{format}");
        }
        for zone in ["Mars/Olympus", "", "2 h", "CESTX"] {
            assert_eq!(Zone::read(zone), None, "{zone}");
        }
    }

    #[test]
    fn a_typed_time_has_no_format_of_its_own() {
        let format = TimeFormat::new("unix_ms", Zone::read("Europe/Berlin").unwrap()).unwrap();
        let at = |text: &str| format.read(text, true).unwrap().to_rfc3339();
        assert_eq!(at("2026-03-01T10:00:00Z"), "2026-03-01T10:00:00+00:00");
        assert_eq!(at("2026-03-01T10:00:00"), "2026-03-01T09:00:00+00:00");
    }
}
