//! Alerts: the console judges a table of rules by what it knows, keeps what fires in PostgreSQL, and tells
//! whom it was told to tell.
//!
//! `rules` look at `signals`, which are functions of the snapshots that `watch` keeps. `state` is one alert's
//! way and `board` all of them, both pure. `keep` evaluates where this console has the lock, `outbox` has
//! what is still to be told and in which order, and `post` tells it.

mod board;
pub mod command;
mod keep;
mod notice;
mod outbox;
mod post;
mod prometheus;
#[cfg(test)]
mod recorded;
mod ring;
pub(crate) mod rules;
mod send;
mod signals;
pub(crate) mod silence;
pub(crate) mod state;
pub(crate) mod store;
mod targets;
pub(crate) mod view;

pub use prometheus::{COMMITTED, render};
pub use rules::Severity;
pub use silence::{Matcher, MatcherError, Silence, length as silence_length};
pub use targets::{Settings, SettingsError, is_rule};

pub(crate) use keep::run;
pub(crate) use post::Post;
pub(crate) use signals::Unit;
pub(crate) use view::Alerts;
