//! The period that an address asks for.

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::Deserialize;

use super::coverage::Coverage;
use super::period::{Chosen, Compare, Period, Stretch, floor, on_clock, start_of_day};
use crate::problem::Problem;

/// What an address may say of it.
#[derive(Debug, Clone, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Asking {
    /// `today` (without `from` and `to`), `yesterday` or `7-days`, of the zone.
    pub(crate) period: Option<String>,
    /// A whole minute, RFC 3339, or a date or date and time on the zone's clock.
    pub(crate) from: Option<String>,
    /// As `from`; not in the period any more.
    pub(crate) to: Option<String>,
    /// IANA name of the zone; the console's own without.
    pub(crate) tz: Option<String>,
    /// `yesterday` (the same clock times a day before; of more than a day: a week before), `last-week`, `before` (the equal stretch that ends where it begins), `none`.
    pub(crate) compare: Option<String>,
}

/// The same, understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) chosen: Chosen,
    pub(crate) compare: Compare,
    pub(crate) zone: Tz,
}

impl Asking {
    /// Understands it; `zone` is that of who names none.
    pub(crate) fn understand(&self, zone: Tz, now: DateTime<Utc>) -> Result<Asked, Problem> {
        let zone = match self.tz.as_deref() {
            Some(name) => name
                .parse()
                .map_err(|_| bad(format!("{name:?} is no time zone: use a name such as Europe/Zurich")))?,
            None => zone,
        };
        let chosen = match (self.period.as_deref(), self.from.as_deref(), self.to.as_deref()) {
            (None | Some("today"), None, None) => Chosen::Today,
            (Some("yesterday"), None, None) => Chosen::Yesterday,
            (Some("7-days"), None, None) => Chosen::SevenDays,
            (Some(word), None, None) => {
                return Err(bad(format!(
                    "{word:?} is no period: use today, yesterday, 7-days, or from and to"
                )));
            }
            (None, Some(from), Some(to)) => Chosen::Given(given(from, to, zone, now)?),
            (Some(_), _, _) => return Err(bad("either a period or from and to")),
            (None, _, _) => return Err(bad("from and to stand together")),
        };
        let compare = match self.compare.as_deref() {
            Some("before") => Compare::Before,
            Some("none") => Compare::Nothing,
            // A stretch of any length and place has the one before it.
            None if matches!(chosen, Chosen::Given(_)) => Compare::Before,
            word => Compare::Against(word.unwrap_or("yesterday").parse().map_err(|()| {
                bad(format!(
                    "{:?} is nothing to compare with: use yesterday, last-week, before or none",
                    word.unwrap_or_default()
                ))
            })?),
        };
        Ok(Asked { chosen, compare, zone })
    }
}

impl Asked {
    /// The period, as far as figures reach.
    pub(crate) fn period(&self, coverage: &Coverage, now: DateTime<Utc>) -> Period {
        Period::of(self.chosen, self.compare, self.zone, coverage.known_to(), now)
    }
}

fn bad(detail: impl Into<String>) -> Problem {
    Problem::bad_request("bad-period", detail)
}

fn given(from: &str, to: &str, zone: Tz, now: DateTime<Utc>) -> Result<Stretch, Problem> {
    let parse = |name: &str, text: &str| {
        let at = moment(text, zone).ok_or_else(|| {
            bad(format!(
                "{name}={text:?} is no time: use 2026-11-28T10:00:00Z, 2026-11-28T10:00 or 2026-11-28"
            ))
        })?;
        if at != floor(at) {
            return Err(bad(format!("{name}={text:?} is no whole minute")));
        }
        Ok(at)
    };
    let stretch = Stretch { from: parse("from", from)?, to: parse("to", to)? };
    if stretch.is_empty() {
        return Err(bad("from has to lie before to"));
    }
    if stretch.from > now {
        return Err(bad("it begins in the future"));
    }
    Ok(stretch)
}

fn moment(text: &str, zone: Tz) -> Option<DateTime<Utc>> {
    // A plus that nobody escaped comes as a space.
    if let Ok(at) = DateTime::parse_from_rfc3339(&text.replace(' ', "+")) {
        return Some(at.to_utc());
    }
    // Years beyond these are beyond what instants of all zones can hold.
    let within = |day: NaiveDate| (1970..=9999).contains(&chrono::Datelike::year(&day)).then_some(day);
    if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return within(day).map(|day| start_of_day(day, zone));
    }
    ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"]
        .into_iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .filter(|local| within(local.date()).is_some())
        .map(|local| {
            let at = on_clock(local, zone);
            // Seconds are kept, to be refused.
            at + TimeDelta::seconds(i64::from(chrono::Timelike::second(&local)))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn now() -> DateTime<Utc> {
        "2026-11-28T12:00:00Z".parse().unwrap()
    }

    fn asked(from: &str, to: &str, tz: &str) -> Result<Asked, Problem> {
        let asking = Asking {
            from: Some(from.to_owned()),
            to: Some(to.to_owned()),
            tz: Some(tz.to_owned()),
            ..Asking::default()
        };
        asking.understand(Tz::UTC, now())
    }

    #[test]
    fn times_are_of_the_zone_or_say_their_own() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        for (from, to, zone, expected) in [
            ("2026-11-27T10:00:00Z", "2026-11-27T11:00:00+00:00", "Europe/Zurich", "2026-11-27T10:00:00Z"),
            ("2026-11-27T10:00:00 01:00", "2026-11-28", "UTC", "2026-11-27T09:00:00Z"),
            ("2026-11-27", "2026-11-27T12:00", "Europe/Zurich", "2026-11-26T23:00:00Z"),
            ("2026-11-27 10:00", "2026-11-27 10:01:00", "Asia/Kolkata", "2026-11-27T04:30:00Z"),
        ] {
            let Chosen::Given(stretch) = asked(from, to, zone).unwrap().chosen else { panic!() };
            assert_eq!(stretch.from, at(expected), "{from}");
        }
    }

    #[test]
    fn what_is_no_period_is_refused() {
        for (from, to, zone) in [
            ("2026-11-27T10:00:30Z", "2026-11-27T11:00:00Z", "UTC"),
            ("2026-11-27T10:00:30", "2026-11-27T11:00:00Z", "UTC"),
            ("2026-11-27", "2026-11-27", "UTC"),
            ("2026-11-28", "2026-11-27", "UTC"),
            ("2027-11-27", "2027-11-28", "UTC"),
            ("yesterday", "2026-11-28", "UTC"),
            ("2026-11-27", "2026-11-28", "Mars"),
        ] {
            assert!(asked(from, to, zone).is_err(), "{from} {to} {zone}");
        }
        let half = Asking { from: Some("2026-11-27".into()), ..Asking::default() };
        assert!(half.understand(Tz::UTC, now()).is_err());
        let word = Asking { period: Some("decade".into()), ..Asking::default() };
        assert!(word.understand(Tz::UTC, now()).is_err());
        let compare = Asking { compare: Some("christmas".into()), ..Asking::default() };
        assert!(compare.understand(Tz::UTC, now()).is_err());
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(from in ".{0,40}", to in ".{0,40}", tz in ".{0,20}") {
            let _ = asked(&from, &to, &tz);
            let _ = asked(&from, &to, "Europe/Zurich");
        }

        #[test]
        fn times_are_read_as_written(
            minutes in 1_200_000_i64..29_700_000,
            zone in proptest::sample::select(chrono_tz::TZ_VARIANTS.to_vec()),
        ) {
            let at = DateTime::from_timestamp(minutes * 60, 0).unwrap();
            prop_assert_eq!(moment(&at.to_rfc3339(), zone), Some(at));
            let local = at.with_timezone(&zone).format("%Y-%m-%dT%H:%M").to_string();
            // The earlier one of two moments that a clock shows twice.
            let read = moment(&local, zone).unwrap();
            prop_assert_eq!(read.with_timezone(&zone).format("%Y-%m-%dT%H:%M").to_string(), local);
        }
    }
}
