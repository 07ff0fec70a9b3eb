//! Stretches of time: what was asked for, what of it is over, and the equal stretch before that it is
//! compared with.

use chrono::{DateTime, Days, DurationRound, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use crate::api::answer::PeriodBounds;
use crate::panel::Against;

/// Events may come this late and are still in time: younger minutes can grow.
const STILL_GROWING: TimeDelta = TimeDelta::minutes(10);
/// In a shorter stretch the minutes that can grow are a large part.
const LONG: TimeDelta = TimeDelta::hours(1);
/// Zones have skipped no more than this at once, so the first moment of a day is found within it.
const LONGEST_GAP: TimeDelta = TimeDelta::hours(25);

/// From one whole minute up to, not including, another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Stretch {
    pub(crate) from: DateTime<Utc>,
    pub(crate) to: DateTime<Utc>,
}

impl Stretch {
    pub(crate) fn length(self) -> TimeDelta {
        self.to - self.from
    }

    pub(crate) fn is_empty(self) -> bool {
        self.to <= self.from
    }

    pub(crate) fn contains(self, at: DateTime<Utc>) -> bool {
        self.from <= at && at < self.to
    }

    /// What of it lies before a moment.
    fn before(self, to: DateTime<Utc>) -> Self {
        Self { from: self.from, to: self.to.min(to).max(self.from) }
    }

    fn back(self, by: TimeDelta) -> Self {
        Self { from: self.from - by, to: self.to - by }
    }
}

/// What a viewer can choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chosen {
    /// Of the zone's day.
    Today,
    Yesterday,
    /// Today and the six days before.
    SevenDays,
    /// As given, in whole minutes.
    Given(Stretch),
}

/// What it is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compare {
    /// The same clock times a day or a week before.
    Against(Against),
    /// The equal stretch that ends where it begins.
    Before,
    Nothing,
}

/// A period as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Period {
    /// With the open minute, where it reaches to now.
    pub(crate) whole: Stretch,
    /// Without: up to the newest minute that is over and in the figures.
    pub(crate) closed: Stretch,
    /// As long as `closed`; or why there is none.
    pub(crate) compared: Result<Stretch, String>,
    /// Whether minutes that can still grow are a large part of it.
    pub(crate) provisional: bool,
    pub(crate) zone: Tz,
}

impl Period {
    /// `as_of` is the newest event that is in the figures: the minute that it lies in is open.
    pub(crate) fn of(
        chosen: Chosen,
        compare: Compare,
        zone: Tz,
        as_of: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Self {
        let asked = asked(chosen, zone, now);
        let next_minute = floor(now) + TimeDelta::minutes(1);
        let whole = asked.before(next_minute);
        let closed = whole.before(floor(as_of.map_or(now, |as_of| as_of.min(now))));
        Self {
            whole,
            closed,
            compared: compared(asked, closed, compare, zone),
            provisional: closed.length() < LONG && now - closed.to < STILL_GROWING,
            zone,
        }
    }

    /// Whether nothing in it can change any more but by a repair.
    pub(crate) fn is_over(&self, now: DateTime<Utc>) -> bool {
        self.whole == self.closed && now - self.whole.to >= STILL_GROWING + TimeDelta::minutes(2)
    }

    pub(crate) fn told(&self) -> PeriodBounds {
        let compared = self.compared.as_ref().ok();
        PeriodBounds {
            from: self.whole.from,
            to: self.whole.to,
            compared_from: compared.map(|compared| compared.from),
            compared_to: compared.map(|compared| compared.to),
            time_zone: self.zone.name().to_owned(),
        }
    }
}

fn asked(chosen: Chosen, zone: Tz, now: DateTime<Utc>) -> Stretch {
    let today = now.with_timezone(&zone).date_naive();
    let day = |back: u64| start_of_day(today.checked_sub_days(Days::new(back)).unwrap_or(today), zone);
    let tomorrow = || start_of_day(today.succ_opt().unwrap_or(today), zone);
    match chosen {
        Chosen::Today => Stretch { from: day(0), to: tomorrow() },
        Chosen::Yesterday => Stretch { from: day(1), to: day(0) },
        Chosen::SevenDays => Stretch { from: day(6), to: tomorrow() },
        Chosen::Given(stretch) => stretch,
    }
}

/// The stretch before, of the same length: it ends at the same clock time. Where the clocks were changed
/// between the two, it begins an hour earlier or later by the clock rather than be longer or shorter.
fn compared(asked: Stretch, closed: Stretch, compare: Compare, zone: Tz) -> Result<Stretch, String> {
    if compare == Compare::Nothing {
        return Err("nothing was asked to compare with".into());
    }
    if closed.is_empty() {
        return Err("no minute of it is over".into());
    }
    let Compare::Against(against) = compare else { return Ok(closed.back(asked.length())) };
    // A stretch is never compared with one that it overlaps. A day may have 25 hours.
    let days = match against {
        Against::Yesterday if asked.length() <= TimeDelta::hours(25) => 1,
        _ if asked.length() <= TimeDelta::days(7) + TimeDelta::hours(1) => 7,
        _ => return Ok(closed.back(asked.length())),
    };
    let to = days_before(closed.to, days, zone);
    Ok(Stretch { from: to - closed.length(), to })
}

fn days_before(at: DateTime<Utc>, days: u64, zone: Tz) -> DateTime<Utc> {
    let local = at.with_timezone(&zone).naive_local();
    local.checked_sub_days(Days::new(days)).map_or(at, |local| on_clock(local, zone))
}

/// The first moment of a day: midnight, or whatever comes first where the clocks skip it.
pub(crate) fn start_of_day(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    on_clock(day.and_time(chrono::NaiveTime::MIN), zone)
}

/// When a zone's clock shows a time: the earlier moment where it does twice, the moment after the gap where
/// it never does.
pub(crate) fn on_clock(local: NaiveDateTime, zone: Tz) -> DateTime<Utc> {
    let mut skipped = TimeDelta::zero();
    while skipped <= LONGEST_GAP {
        let (earliest, latest) = match (local + skipped).and_local_timezone(zone) {
            chrono::LocalResult::Single(at) => (at, at),
            chrono::LocalResult::Ambiguous(earliest, latest) => (earliest, latest),
            chrono::LocalResult::None => {
                skipped += TimeDelta::minutes(1);
                continue;
            }
        };
        return floor(earliest.min(latest).to_utc());
    }
    local.and_utc()
}

/// The minute that a moment lies in.
pub(crate) fn floor(at: DateTime<Utc>) -> DateTime<Utc> {
    at.duration_trunc(TimeDelta::minutes(1)).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const YESTERDAY: Compare = Compare::Against(Against::Yesterday);

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn today(zone: Tz, compare: Compare, now: &str) -> Period {
        Period::of(Chosen::Today, compare, zone, Some(at(now)), at(now))
    }

    #[test]
    fn the_open_minute_is_shown_and_never_compared() {
        let period = today(Tz::UTC, YESTERDAY, "2026-11-28T12:00:30Z");
        assert_eq!(
            period.whole,
            Stretch { from: at("2026-11-28T00:00:00Z"), to: at("2026-11-28T12:01:00Z") }
        );
        assert_eq!(period.closed.to, at("2026-11-28T12:00:00Z"));
        let compared = Stretch { from: at("2026-11-27T00:00:00Z"), to: at("2026-11-27T12:00:00Z") };
        assert_eq!(period.compared, Ok(compared));
        assert!(!period.provisional);
    }

    #[test]
    fn a_day_that_has_just_begun_is_compared_with_nothing_then_provisionally() {
        assert!(today(Tz::UTC, YESTERDAY, "2026-11-28T00:00:30Z").compared.is_err());
        let period = today(Tz::UTC, YESTERDAY, "2026-11-28T00:05:10Z");
        assert_eq!(period.compared.clone().unwrap().length(), TimeDelta::minutes(5));
        assert!(period.provisional);
        let late = today(Tz::UTC, YESTERDAY, "2026-11-28T23:59:59Z");
        assert_eq!(late.compared.unwrap().to, at("2026-11-27T23:59:00Z"));
    }

    #[test]
    fn figures_that_trail_end_the_closed_stretch_and_the_compared_one() {
        let now = at("2026-11-28T12:30:00Z");
        let period = Period::of(Chosen::Today, YESTERDAY, Tz::UTC, Some(at("2026-11-28T12:10:40Z")), now);
        assert_eq!(period.closed.to, at("2026-11-28T12:10:00Z"));
        assert_eq!(period.compared.unwrap().to, at("2026-11-27T12:10:00Z"));
        // Figures that claim to be of the future are of now.
        let ahead = Period::of(Chosen::Today, YESTERDAY, Tz::UTC, Some(at("2026-11-28T12:30:50Z")), now);
        assert_eq!(ahead.closed.to, now);
    }

    #[test]
    fn days_begin_where_the_zone_says_so() {
        let india = today(Tz::Asia__Kolkata, YESTERDAY, "2026-11-28T12:00:30Z");
        assert_eq!(india.whole.from, at("2026-11-27T18:30:00Z"));
        let nepal = today(Tz::Asia__Kathmandu, YESTERDAY, "2026-11-28T12:00:30Z");
        assert_eq!(nepal.whole.from, at("2026-11-27T18:15:00Z"));
        // Cairo skips midnight on the day that its clocks go forward.
        let cairo = start_of_day(NaiveDate::from_ymd_opt(2026, 4, 24).unwrap(), Tz::Africa__Cairo);
        assert_eq!(cairo, at("2026-04-23T22:00:00Z"));
    }

    #[test]
    fn a_change_of_clocks_makes_no_stretch_longer() {
        // Zurich's clocks go back on October 25, 2026, at 01:00 UTC: that day has 25 hours.
        let after = today(Tz::Europe__Zurich, YESTERDAY, "2026-10-25T11:00:00Z");
        assert_eq!(after.closed.length(), TimeDelta::hours(13));
        let compared = after.compared.unwrap();
        // 12:00 by the clock on both days.
        assert_eq!(compared.to, at("2026-10-24T10:00:00Z"));
        assert_eq!(compared.length(), TimeDelta::hours(13));
    }

    #[test]
    fn longer_periods_are_compared_with_what_they_do_not_overlap() {
        let now = at("2026-11-28T12:00:00Z");
        let of = |chosen, compare| Period::of(chosen, compare, Tz::UTC, Some(now), now);
        let week = of(Chosen::SevenDays, YESTERDAY);
        assert_eq!(week.compared.unwrap().to, at("2026-11-21T12:00:00Z"));
        let given = Stretch { from: at("2026-11-28T08:00:00Z"), to: at("2026-11-28T10:00:00Z") };
        let before = of(Chosen::Given(given), Compare::Before).compared.unwrap();
        assert_eq!(before, Stretch { from: at("2026-11-28T06:00:00Z"), to: given.from });
        let yesterday = of(Chosen::Yesterday, YESTERDAY);
        assert_eq!(yesterday.whole, yesterday.closed);
        assert!(yesterday.is_over(now));
        assert_eq!(yesterday.compared.unwrap().from, at("2026-11-26T00:00:00Z"));
        assert!(of(Chosen::Today, Compare::Nothing).compared.is_err());
    }

    proptest! {
        #[test]
        fn compared_stretches_are_equal_earlier_and_in_whole_minutes(
            seconds in 1_700_000_000_i64..1_900_000_000,
            trails in 0_i64..100_000,
            zone in proptest::sample::select(chrono_tz::TZ_VARIANTS.to_vec()),
            last_week in any::<bool>(),
            chosen in proptest::sample::select(vec![Chosen::Today, Chosen::Yesterday, Chosen::SevenDays]),
        ) {
            let now = DateTime::from_timestamp(seconds, 0).unwrap();
            let against = if last_week { Against::LastWeek } else { Against::Yesterday };
            let as_of = now - TimeDelta::seconds(trails);
            let period = Period::of(chosen, Compare::Against(against), zone, Some(as_of), now);
            prop_assert!(period.whole.from <= now || chosen == Chosen::Yesterday);
            prop_assert!(
                period.closed.to <= period.whole.to && period.whole.to <= now + TimeDelta::minutes(1)
            );
            for at in [period.whole.from, period.whole.to, period.closed.to] {
                prop_assert_eq!(at, floor(at));
            }
            if let Ok(compared) = period.compared {
                prop_assert_eq!(compared.length(), period.closed.length());
                prop_assert!(compared.to < period.closed.to);
                prop_assert!(compared.to <= period.closed.from + TimeDelta::hours(24));
                prop_assert_eq!(compared.from, floor(compared.from));
            }
        }
    }
}
