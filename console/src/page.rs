//! Pages: a file a view. What is live in them is a [`Panel`], drawn by the same function for the first answer and for each patch.

pub(crate) mod actions;
pub(crate) mod address;
pub(crate) mod alerts;
pub(crate) mod flow;
pub(crate) mod frame;
pub(crate) mod jobs;
pub(crate) mod live;
pub(crate) mod plain;
pub(crate) mod quarantine;
pub(crate) mod schemas;
pub(crate) mod sign_in;
pub(crate) mod states;
pub(crate) mod stream;
pub(crate) mod topics;

use std::str::FromStr;

use axum::Router;
use chrono_tz::Tz;
use maud::{Markup, html};

use crate::app::App;
use crate::hub::Panel;

/// Every live part there is.
pub(crate) const PANELS: &[&[Panel]] = &[
    frame::PANELS,
    live::PANELS,
    flow::PANELS,
    topics::PANELS,
    schemas::PANELS,
    jobs::PANELS,
    quarantine::PANELS,
    actions::PANELS,
    alerts::PANELS,
];

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

/// Every page, for those who are signed in.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .merge(live::routes())
        .merge(flow::routes())
        .merge(topics::routes())
        .merge(schemas::routes())
        .merge(jobs::routes())
        .merge(quarantine::routes())
        .merge(actions::routes())
        .merge(alerts::routes())
        .merge(stream::routes())
        .merge(frame::routes())
}

/// Text with `commands` between backquotes.
pub(crate) fn with_code(text: &str) -> Markup {
    html! {
        @for (index, part) in text.split('`').enumerate() {
            @if index % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}
