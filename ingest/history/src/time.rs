//! Times as files write them.

use chrono::format::{Fixed, Item, Parsed, StrftimeItems};
use chrono::{DateTime, FixedOffset, LocalResult, NaiveDateTime, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use contracts::record::decimal_number;
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

    /// A local time as an instant: of the hour that is there twice when clocks are put back, both. The one
    /// that clocks leave out when they are put forward does not exist.
    fn instant(self, local: NaiveDateTime) -> Option<Instant> {
        fn all<T: TimeZone>(result: LocalResult<DateTime<T>>) -> Option<Instant> {
            let (first, last) = (result.clone().earliest()?.to_utc(), result.latest()?.to_utc());
            Some(Instant { at: first, again: (last != first).then_some(last) })
        }
        match self {
            Self::Named(zone) => all(zone.from_local_datetime(&local)),
            Self::Offset(zone) => all(zone.from_local_datetime(&local)),
        }
    }

    /// What an instant's offset is called there.
    fn abbreviation(self, at: DateTime<Utc>) -> String {
        match self {
            Self::Named(zone) => at.with_timezone(&zone).format("%Z").to_string(),
            Self::Offset(zone) => zone.to_string(),
        }
    }
}

/// An instant, and the second one that a local time names in the hour that is there twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Instant {
    pub(crate) at: DateTime<Utc>,
    pub(crate) again: Option<DateTime<Utc>>,
}

impl From<DateTime<Utc>> for Instant {
    fn from(at: DateTime<Utc>) -> Self {
        Self { at, again: None }
    }
}

impl Instant {
    /// The first one, or the second where only that is not before an instant.
    pub(crate) fn not_before(self, least: DateTime<Utc>) -> DateTime<Utc> {
        match self.again {
            Some(again) if self.at < least && again >= least => again,
            _ => self.at,
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
    /// What `strftime` knows; where it has the name of a zone, what stands before and after that.
    Strftime(Vec<Item<'static>>, Option<Vec<Item<'static>>>),
}

/// How a column writes times.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TimeFormat {
    pattern: Pattern,
    /// The pattern as the mapping names it.
    name: String,
    pub(crate) zone: Zone,
    /// Whether the field itself names the zone.
    pub(crate) has_own_zone: bool,
}

/// Why a text is no time.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum TimeError {
    #[error("{text:?} is not of the form {format}")]
    Form { text: String, format: String },
    #[error("{text:?} does not exist in {zone}: clocks are put forward over it")]
    LeftOut { text: String, zone: String },
    #[error(
        "{text:?} is in {name}, which {zone} does not have at that time: name the zone of the column, or write the \
         offset"
    )]
    OtherZone { text: String, name: String, zone: String },
    #[error("{text:?} may have lost digits as a number with an exponent: export the column as text")]
    Lossy { text: String },
    #[error("{text:?} as {format} would be {at}: is the column in another unit?")]
    Unit { text: String, format: String, at: DateTime<Utc> },
    #[error(
        "{text:?} as {format} would be 1970-01-01: where it stands for no time, map it to \"\" in `values`"
    )]
    Zero { text: String, format: String },
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
            _ => {
                let mut items = StrftimeItems::new(name).parse_to_owned().ok()?;
                let is_name = |item: &Item<'_>| matches!(item, Item::Fixed(Fixed::TimezoneName));
                let rest = items.iter().position(is_name).map(|at| items.split_off(at).split_off(1));
                // Of two names one would not be looked at.
                if rest.as_ref().is_some_and(|rest| rest.iter().any(is_name)) {
                    return None;
                }
                Pattern::Strftime(items, rest)
            }
        };
        Some(Self { pattern, name: name.to_owned(), zone, has_own_zone: false })
    }

    pub(crate) fn with_own_zone(self, has_own_zone: bool) -> Self {
        Self { has_own_zone, ..self }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Reads a time. One that the file holds as such comes `typed`: in the ISO form, whatever the format of
    /// texts.
    pub(crate) fn read(&self, text: &str, typed: bool) -> Result<Instant, TimeError> {
        let instant = match &self.pattern {
            _ if typed => self.iso(text),
            Pattern::Iso => self.iso(text),
            Pattern::Unix { unit_us } => self.unix(text, *unit_us).map(Instant::from),
            Pattern::Strftime(items, rest) => self.strftime(text, items, rest.as_deref()),
        }?;
        // A sixty-first second is there at the end of a day, and nowhere else; it would become the first of
        // the next minute.
        let (at, is_61st) = (instant.at, instant.at.timestamp_subsec_nanos() >= 1_000_000_000);
        if is_61st && (at.hour(), at.minute()) != (23, 59) {
            return Err(self.form(text));
        }
        Ok(instant)
    }

    fn form(&self, text: &str) -> TimeError {
        TimeError::Form { text: text.to_owned(), format: self.name.clone() }
    }

    fn unix(&self, text: &str, unit_us: i64) -> Result<DateTime<Utc>, TimeError> {
        let units = decimal_number(text).ok_or_else(|| self.form(text))?;
        // A spreadsheet keeps six digits of such a number.
        if let Some((mantissa, _)) = text.split_once(['e', 'E'])
            && mantissa.bytes().filter(u8::is_ascii_digit).count() < units.trunc().to_string().len()
        {
            return Err(TimeError::Lossy { text: text.to_owned() });
        }
        let unix_us = units.checked_mul(Decimal::from(unit_us)).and_then(|us| us.floor().to_i64());
        unix_us.and_then(DateTime::from_timestamp_micros).ok_or_else(|| self.form(text))
    }

    /// Refuses an instant that only a number of another unit gives, or one that is none: of 1970, from a
    /// column of numbers.
    pub(crate) fn check_unit(&self, text: &str, at: DateTime<Utc>) -> Result<(), TimeError> {
        const EARLY_S: i64 = 365 * 86_400;
        let (text_of, format) = (|| text.to_owned(), || self.name.clone());
        match self.pattern {
            Pattern::Unix { .. } if at == DateTime::UNIX_EPOCH => {
                Err(TimeError::Zero { text: text_of(), format: format() })
            }
            Pattern::Unix { unit_us } if unit_us < 1_000_000 && (1..EARLY_S).contains(&at.timestamp()) => {
                Err(TimeError::Unit { text: text_of(), format: format(), at })
            }
            _ => Ok(()),
        }
    }

    fn strftime(
        &self,
        text: &str,
        items: &[Item<'static>],
        rest: Option<&[Item<'static>]>,
    ) -> Result<Instant, TimeError> {
        let form = || self.form(text);
        let mut parsed = Parsed::new();
        let mut name = None;
        match rest {
            None => chrono::format::parse(&mut parsed, text, items.iter()).map_err(|_| form())?,
            Some(rest) => {
                let after = chrono::format::parse_and_remainder(&mut parsed, text, items.iter());
                let after = after.map_err(|_| form())?;
                let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
                if end == 0 {
                    return Err(form());
                }
                name = Some(&after[..end]);
                chrono::format::parse(&mut parsed, &after[end..], rest.iter()).map_err(|_| form())?;
            }
        }
        if parsed.offset().is_some() || parsed.timestamp().is_some() {
            return parsed
                .to_datetime()
                .or_else(|_| parsed.to_datetime_with_timezone(&Utc).map(|at| at.fixed_offset()))
                .map(|at| at.to_utc().into())
                .map_err(|_| form());
        }
        let midnight = || parsed.to_naive_date().ok()?.and_hms_opt(0, 0, 0);
        let has_time = parsed.hour_div_12().is_some()
            || parsed.hour_mod_12().is_some()
            || parsed.minute().is_some()
            || parsed.second().is_some();
        let local = if has_time { parsed.to_naive_datetime_with_offset(0).ok() } else { midnight() };
        let local = local.ok_or_else(form)?;
        match name {
            None => self.local(text, local),
            Some("UTC" | "GMT" | "Z") => Ok(local.and_utc().into()),
            Some(name) => {
                let Instant { at, again } = self.local(text, local)?;
                let mut both = [Some(at), again].into_iter().flatten();
                let found = both.find(|at| self.zone.abbreviation(*at) == name);
                found.map(Instant::from).ok_or_else(|| TimeError::OtherZone {
                    text: text.to_owned(),
                    name: name.to_owned(),
                    zone: self.zone.to_string(),
                })
            }
        }
    }

    fn iso(&self, text: &str) -> Result<Instant, TimeError> {
        if let Ok(at) = DateTime::parse_from_rfc3339(text) {
            return Ok(at.to_utc().into());
        }
        let local = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"]
            .iter()
            .find_map(|pattern| NaiveDateTime::parse_from_str(text, pattern).ok())
            .or_else(|| text.parse::<chrono::NaiveDate>().ok()?.and_hms_opt(0, 0, 0))
            .ok_or_else(|| TimeError::Form { text: text.to_owned(), format: ISO.to_owned() })?;
        self.local(text, local)
    }

    fn local(&self, text: &str, local: NaiveDateTime) -> Result<Instant, TimeError> {
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
        format
            .read(text, false)
            .map(|instant| instant.at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
    }

    #[test]
    fn each_form_is_read_in_its_zone() {
        for (format, zone, text, expected) in [
            ("iso", "UTC", "2026-03-01T10:00:00.123456Z", "2026-03-01T10:00:00.123456Z"),
            ("iso", "Europe/Berlin", "2026-03-01T10:00:00+05:00", "2026-03-01T05:00:00Z"),
            ("iso", "Europe/Berlin", "2026-03-01 10:00:00", "2026-03-01T09:00:00Z"),
            ("iso", "Europe/Berlin", "2026-07-01T10:00:00.5", "2026-07-01T08:00:00.500Z"),
            ("iso", "-03:00", "2026-07-01", "2026-07-01T03:00:00Z"),
            ("iso", "Europe/Berlin", "2017-01-01 00:59:60", "2016-12-31T23:59:60Z"),
            ("%d.%m.%Y %H:%M", "Europe/Berlin", "01.03.2026 10:30", "2026-03-01T09:30:00Z"),
            ("%d/%m/%y", "UTC", "01/03/26", "2026-03-01T00:00:00Z"),
            ("%Y-%m-%d %I:%M %p", "UTC", "2026-03-01 01:05 PM", "2026-03-01T13:05:00Z"),
            ("%Y-%m-%dT%H:%M:%S%z", "UTC", "2026-03-01T10:00:00+0200", "2026-03-01T08:00:00Z"),
            ("%s", "UTC", "1772359200", "2026-03-01T10:00:00Z"),
            ("unix_s", "UTC", "1772359200.25", "2026-03-01T10:00:00.250Z"),
            ("unix_ms", "UTC", "1772359200123", "2026-03-01T10:00:00.123Z"),
            ("unix_us", "UTC", "-1", "1969-12-31T23:59:59.999999Z"),
            ("unix_s", "UTC", "1.772359200E+09", "2026-03-01T10:00:00Z"),
            ("%d.%m.%Y %H:%M %Z", "Europe/Berlin", "25.10.2026 02:30 CEST", "2026-10-25T00:30:00Z"),
            ("%d.%m.%Y %H:%M %Z", "Europe/Berlin", "25.10.2026 02:30 CET", "2026-10-25T01:30:00Z"),
            ("%H:%M %Z %d.%m.%Y", "Europe/Berlin", "02:30 UTC 25.10.2026", "2026-10-25T02:30:00Z"),
        ] {
            assert_eq!(read(format, zone, text).as_deref(), Ok(expected), "{format} {zone} {text}");
        }
    }

    #[test]
    fn an_hour_that_is_there_twice_is_the_first_and_one_that_is_not_is_refused() {
        let berlin = |text| read("iso", "Europe/Berlin", text);
        assert_eq!(berlin("2026-10-25 02:30:00").as_deref(), Ok("2026-10-25T00:30:00Z"));
        let format = TimeFormat::new("iso", Zone::read("Europe/Berlin").unwrap()).unwrap();
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let twice = format.read("2026-10-25 02:30:00", false).unwrap();
        assert_eq!(twice.again, Some(at("2026-10-25T01:30:00Z")));
        for (least, expected) in [
            ("2026-10-25T00:30:00Z", "2026-10-25T00:30:00Z"),
            ("2026-10-25T00:30:01Z", "2026-10-25T01:30:00Z"),
            ("2026-10-25T01:30:01Z", "2026-10-25T00:30:00Z"),
        ] {
            assert_eq!(twice.not_before(at(least)), at(expected), "{least}");
        }
        assert_eq!(format.read("2026-10-25 03:00:00", false).unwrap().again, None);
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
            ("%d.%m.%Y %M", "01.03.2026 10"),
            ("iso", "2026-03-01 10:00:60"),
            ("iso", "2026-03-01T10:00:60Z"),
            ("%H:%M:%S %d.%m.%Y", "10:00:60 01.03.2026"),
            ("%d.%m.%Y %I:%M", "01.03.2026 10:00"),
            ("%d.%m.%Y %H:%M %Z", "01.03.2026 10:00 "),
        ] {
            assert!(matches!(read(format, "UTC", text), Err(TimeError::Form { .. })), "{format} {text}");
        }
        assert!(matches!(
            read("%H:%M %d.%m.%Y %Z", "Europe/Berlin", "10:00 01.03.2026 PST"),
            Err(TimeError::OtherZone { .. })
        ));
        assert!(matches!(read("unix_s", "UTC", "1.77236E+09"), Err(TimeError::Lossy { .. })));
        let utc = Zone::read("UTC").unwrap();
        let ms = TimeFormat::new("unix_ms", utc).unwrap();
        let of_seconds = ms.read("1772359200", false).unwrap().at;
        assert!(matches!(ms.check_unit("1772359200", of_seconds), Err(TimeError::Unit { .. })));
        let s = TimeFormat::new("unix_s", utc).unwrap();
        assert!(matches!(s.check_unit("0", DateTime::UNIX_EPOCH), Err(TimeError::Zero { .. })));
        assert_eq!(ms.check_unit("1772359200123", ms.read("1772359200123", false).unwrap().at), Ok(()));
        for format in ["", "YYYY-MM-DD", "%Q", "unix", "%Z %H %Z"] {
            assert_eq!(TimeFormat::new(format, utc), None, "{format}");
        }
        for zone in ["Mars/Olympus", "", "2 h", "CESTX"] {
            assert_eq!(Zone::read(zone), None, "{zone}");
        }
    }

    #[test]
    fn a_typed_time_has_no_format_of_its_own() {
        let format = TimeFormat::new("unix_ms", Zone::read("Europe/Berlin").unwrap()).unwrap();
        let at = |text: &str| format.read(text, true).unwrap().at.to_rfc3339();
        assert_eq!(at("2026-03-01T10:00:00Z"), "2026-03-01T10:00:00+00:00");
        assert_eq!(at("2026-03-01T10:00:00"), "2026-03-01T09:00:00+00:00");
    }
}
