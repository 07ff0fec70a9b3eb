//! Flow: do the events arrive, and where do they stop, since when, why?

mod boxes;
mod chart;
mod ledger;
mod minutes;
mod others;
mod slot;
mod troubles;

use axum::Router;
use axum::extract::{Query, State};
use axum::routing::get;
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use serde::Deserialize;

use super::frame::{self, Frame};
use super::{Viewing, states};
use crate::api::answer::{Freshness, Proof};
use crate::app::App;
use crate::figures::Asking;
use crate::figures::period::{Chosen, Stretch};
use crate::panel::Panel;
use crate::problem::Problem;
use crate::watch::{Snapshot, Source};

const LINE: &[Source] = &[Source::Ops, Source::Kafka, Source::Shop];

/// Its live parts.
pub(crate) const PANELS: &[Panel] = &[
    Panel { id: "flow.hops", page: "flow", sources: LINE, draw: boxes::panel },
    Panel { id: "flow.troubles", page: "flow", sources: LINE, draw: troubles::panel },
    Panel { id: "flow.history", page: "flow", sources: &[Source::Ops], draw: chart::panel },
    Panel { id: "flow.slot", page: "flow", sources: &[Source::Ops], draw: slot::panel },
    Panel { id: "flow.arrivals", page: "flow", sources: &[Source::Ops], draw: ledger::arrivals },
    Panel { id: "flow.ledger", page: "flow", sources: &[Source::Ops], draw: ledger::panel },
    Panel { id: "flow.others", page: "flow", sources: &[Source::Others], draw: others::panel },
];

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/flow", get(page))
}

/// What an address says of the stretch that the chart shows.
#[derive(Debug, Deserialize)]
struct Asked {
    from: Option<String>,
    to: Option<String>,
}

impl Asked {
    /// The stretch, which does not change while one looks; nothing where it is the last hour, kept new.
    fn stretch(self, viewing: &Viewing, now: DateTime<Utc>) -> Result<Option<Stretch>, Problem> {
        let text = |text: Option<String>| text.filter(|text| !text.is_empty());
        let asking = Asking { from: text(self.from), to: text(self.to), ..Asking::default() };
        if let Chosen::Given(stretch) = asking.understand(viewing.zone, now)?.chosen {
            if stretch.length() > chart::LONGEST {
                return Err(Problem::period_too_long(chart::LONGEST));
            }
            return Ok(Some(stretch));
        }
        Ok(None)
    }
}

async fn page(State(app): State<App>, frame: Frame, Query(asked): Query<Asked>) -> Result<Markup, Problem> {
    let (snapshot, viewing) = (app.watch.snapshot(), frame.viewing);
    let stretch = asked.stretch(&viewing, Utc::now())?;
    let minutes = minutes::panel(&app, &viewing, Utc::now()).await;
    Ok(frame.page(
        &app,
        "flow",
        "Flow",
        &html! {
            div .title { h1 { "Flow" } (frame::pause()) }
            @if frame.may_act() {
                p .row { a .button href="/actions/new/trace" { "Trace one event…" } a .button href="/actions/new/verify" { "Verify figures…" } }
            }
            h2 .sr { "Hop by hop" }
            (boxes::panel(&snapshot, &viewing))
            (troubles::panel(&snapshot, &viewing))
            div .grid {
                @match stretch {
                    Some(stretch) => (chart::of_stretch(&snapshot, &viewing, stretch)),
                    None => (chart::panel(&snapshot, &viewing)),
                }
                (slot::panel(&snapshot, &viewing))
                (ledger::panel(&snapshot, &viewing))
                (ledger::arrivals(&snapshot, &viewing))
                (others::panel(&snapshot, &viewing))
                (minutes)
            }
        },
    ))
}

/// How old reports are that come through PostgreSQL.
fn reported(snapshot: &Snapshot, now: DateTime<Utc>) -> Freshness {
    states::looked(&snapshot.ops, "PostgreSQL does not answer", now)
}

/// That age, as it stands in a panel's heading: none of this is ever verified.
fn about(freshness: &Freshness, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    states::about(freshness, &Proof::NONE, viewing, now)
}

/// In the place of what is told through PostgreSQL, while that does not tell: the notice above says why.
fn absent(snapshot: &Snapshot) -> Markup {
    let why = if snapshot.ops.away.is_some() { "PostgreSQL does not answer" } else { "not asked yet" };
    html! { p .note { (states::unknown(why)) " not known: " (why) } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::Against;

    fn asked(from: Option<&str>, to: Option<&str>) -> Result<Option<Stretch>, Problem> {
        let viewing = Viewing { zone: chrono_tz::Europe::Zurich, against: Against::Yesterday };
        let asked = Asked { from: from.map(str::to_owned), to: to.map(str::to_owned) };
        asked.stretch(&viewing, "2026-11-28T12:00:00Z".parse().unwrap())
    }

    #[test]
    fn what_the_chart_puts_into_the_address_is_the_stretch_that_is_shown() {
        assert_eq!(asked(None, None).unwrap(), None);
        assert_eq!(asked(Some(""), Some("")).unwrap(), None);
        let stretch = asked(Some("2026-11-28T08:00:00Z"), Some("2026-11-28T09:30:00Z")).unwrap().unwrap();
        assert_eq!(stretch.from.to_rfc3339(), "2026-11-28T08:00:00+00:00");
        assert_eq!(stretch.length(), chrono::TimeDelta::minutes(90));
    }

    #[test]
    fn half_a_stretch_and_one_beyond_what_is_remembered_are_refused() {
        assert!(asked(Some("2026-11-28T08:00:00Z"), None).is_err());
        assert!(asked(Some("2026-11-27T08:00:00Z"), Some("2026-11-28T08:01:00Z")).is_err());
    }
}
