//! A live part of a page, and for whom it is drawn.

use std::str::FromStr;

use chrono_tz::Tz;
use maud::Markup;

use crate::watch::{Snapshot, Source};

/// A live part of a page.
pub(crate) struct Panel {
    /// Its element's id, as in `live.orders`.
    pub(crate) id: &'static str,
    /// The page it stands on; empty for the strip, which stands on all.
    pub(crate) page: &'static str,
    /// What it is drawn from.
    pub(crate) sources: &'static [Source],
    /// Draws it, with its element.
    pub(crate) draw: fn(&Snapshot, &Viewing) -> Markup,
}

/// What makes one viewer's figures differ from another's: where its day begins, and what it is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Viewing {
    /// The zone of days and clock times.
    pub(crate) zone: Tz,
    /// What today is compared with.
    pub(crate) against: Against,
}

/// What today is compared with; always an equal stretch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Against {
    /// The same clock time yesterday.
    #[default]
    Yesterday,
    /// The same clock time on the same weekday a week before.
    LastWeek,
}

impl Against {
    /// As it stands in addresses.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Yesterday => "yesterday",
            Self::LastWeek => "last-week",
        }
    }
}

impl FromStr for Against {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        [Self::Yesterday, Self::LastWeek].into_iter().find(|against| against.word() == word).ok_or(())
    }
}
