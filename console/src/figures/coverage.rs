//! Which minutes are known. The tables hold no row for a quiet minute: a missing row is 0 where the figures
//! reach, and unknown elsewhere.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use super::period::{Stretch, floor};

/// How far the figures reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Coverage {
    /// What occurred before was deleted: `retention_floor`.
    pub(crate) floor: Option<DateTime<Utc>>,
    /// No plan in force, rebuild or repair has computed earlier windows.
    pub(crate) owned_from: Option<DateTime<Utc>>,
    /// The earliest row; nothing where there is none.
    pub(crate) first_row: Option<DateTime<Utc>>,
    /// The newest event in the figures.
    pub(crate) as_of: Option<DateTime<Utc>>,
    /// Set where nothing waits on the line: quiet minutes since `as_of` are known to be quiet, up to here.
    pub(crate) quiet_to: Option<DateTime<Utc>>,
}

impl Coverage {
    /// Up to where minutes are known; the minute that it lies in is open.
    pub(crate) fn known_to(&self) -> Option<DateTime<Utc>> {
        self.as_of.max(self.quiet_to)
    }

    /// Whether the sums of a stretch are the whole of it, or why not.
    pub(crate) fn whole(&self, stretch: Stretch) -> Result<(), String> {
        if let Some(floor) = self.floor.filter(|floor| stretch.from < *floor) {
            return Err(format!("what occurred before {} is deleted (retention)", told(floor)));
        }
        if let Some(owned) = self.owned_from.filter(|owned| stretch.from < *owned) {
            return Err(format!(
                "before {} nothing was computed: `storepulse rebuild` computes it",
                told(owned)
            ));
        }
        Ok(())
    }

    /// Whether figures have come to a stretch at all, or why not: 0 of it would be no more than a guess.
    /// Right after its beginning the newest event may still lie before.
    pub(crate) fn reached(&self, stretch: Stretch) -> Result<(), String> {
        match self.known_to() {
            None => Err("no event has come yet".to_owned()),
            Some(to) if to + TimeDelta::minutes(1) < stretch.from => {
                Err(format!("figures reach to {} only", told(to)))
            }
            Some(_) => Ok(()),
        }
    }

    /// Whether a stretch may be compared with, or why not.
    pub(crate) fn comparable(&self, stretch: Stretch) -> Result<(), String> {
        self.whole(stretch)?;
        match (self.first_row, self.known_to()) {
            (None, _) | (_, None) => Err("there are no figures yet".into()),
            (Some(first), _) if stretch.from < floor(first) => {
                Err(format!("there are no figures before {}", told(first)))
            }
            (_, Some(to)) if floor(to) < stretch.to => Err(format!("figures reach to {} only", told(to))),
            _ => Ok(()),
        }
    }

    /// Whether figures reach into a step that is not over.
    pub(crate) fn begun(&self, step: Stretch) -> bool {
        let begun = |first: DateTime<Utc>| floor(first) <= step.from || step.contains(first);
        self.whole(step).is_ok()
            && self.first_row.is_some_and(begun)
            && self.known_to().is_some_and(|to| step.from <= to)
    }

    /// Whether a step of a series without a row is 0; otherwise it is not known.
    pub(crate) fn knows(&self, step: Stretch) -> bool {
        self.whole(step).is_ok()
            && self.first_row.is_some_and(|first| floor(first) <= step.from)
            && self.known_to().is_some_and(|to| step.to <= to)
    }
}

fn told(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn minute(number: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(number * 60, 0).unwrap()
    }

    fn stretch(from: i64, to: i64) -> Stretch {
        Stretch { from: minute(from), to: minute(to) }
    }

    fn coverage() -> Coverage {
        Coverage {
            floor: Some(minute(100)),
            owned_from: None,
            first_row: Some(minute(120) + TimeDelta::seconds(3)),
            as_of: Some(minute(200) + TimeDelta::seconds(30)),
            quiet_to: None,
        }
    }

    #[test]
    fn a_minute_without_a_row_is_0_only_where_figures_reach() {
        let coverage = coverage();
        assert!(coverage.knows(stretch(120, 121)));
        assert!(coverage.knows(stretch(199, 200)));
        assert!(!coverage.knows(stretch(200, 201)), "open");
        assert!(!coverage.knows(stretch(119, 120)), "before the first row");
        assert!(!Coverage::default().knows(stretch(150, 151)), "an empty database knows nothing");
    }

    #[test]
    fn a_quiet_shop_is_known_to_be_quiet_only_where_nothing_waits() {
        let quiet = Coverage { quiet_to: Some(minute(300)), ..coverage() };
        assert!(quiet.knows(stretch(250, 251)));
        assert!(!coverage().knows(stretch(250, 251)));
    }

    #[test]
    fn what_is_deleted_or_was_never_computed_is_compared_with_nothing() {
        let coverage = coverage();
        assert!(coverage.comparable(stretch(99, 130)).unwrap_err().contains("retention"));
        assert!(coverage.comparable(stretch(110, 130)).unwrap_err().contains("no figures before"));
        assert!(coverage.comparable(stretch(130, 230)).unwrap_err().contains("reach to"));
        assert_eq!(coverage.comparable(stretch(120, 200)), Ok(()));
        let owned = Coverage { owned_from: Some(minute(150)), ..coverage };
        assert!(owned.whole(stretch(140, 160)).unwrap_err().contains("rebuild"));
    }

    #[test]
    fn a_day_that_figures_have_not_come_to_is_not_known() {
        let coverage = coverage();
        assert_eq!(coverage.reached(stretch(150, 300)), Ok(()));
        assert_eq!(coverage.reached(stretch(201, 300)), Ok(()), "the day has just begun");
        assert!(coverage.reached(stretch(202, 300)).unwrap_err().contains("reach to"));
        assert!(Coverage { quiet_to: Some(minute(250)), ..coverage }.reached(stretch(240, 300)).is_ok());
        assert!(Coverage::default().reached(stretch(0, 1)).is_err());
    }

    proptest! {
        #[test]
        fn what_may_be_compared_is_known_in_every_minute(from in 0_i64..300, length in 1_i64..100) {
            let coverage = coverage();
            let all = (from..from + length).all(|at| coverage.knows(stretch(at, at + 1)));
            prop_assert_eq!(coverage.comparable(stretch(from, from + length)).is_ok(), all);
        }
    }
}
