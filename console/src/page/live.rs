//! Live: how the shop does now, against the same time before; and the same of a period that is chosen.

mod chart;
mod figures;
mod orders;
mod parts;
mod period;

use axum::Router;
use axum::extract::{Query, State};
use axum::routing::get;
use chrono::Utc;
use maud::{Markup, html};

use super::frame::{self, Frame};
use super::{Viewing, states};
use crate::app::App;
use crate::draw::tiles;
use crate::figures::Live;
use crate::figures::view::Part;
use crate::panel::Panel;
use crate::problem::Problem;
use crate::watch::{Snapshot, Source};
use period::{Asked, Shown};

const SHOP: &[Source] = &[Source::Shop, Source::Ops];

/// Its live parts. The chart of the last hour and that of the day stand on a page of their own name each.
pub(crate) const PANELS: &[Panel] = &[
    Panel { id: "live.notices", page: "live", sources: SHOP, draw: notices },
    Panel { id: "live.figures", page: "live", sources: SHOP, draw: figures::panel },
    Panel { id: "live.recent", page: "recent", sources: SHOP, draw: chart::recent },
    Panel { id: "live.day", page: "day", sources: SHOP, draw: chart::day },
    Panel { id: "live.orders", page: "live", sources: &[Source::Orders], draw: orders::panel },
    Panel { id: "live.where", page: "live", sources: SHOP, draw: parts::where_panel },
    Panel { id: "live.world", page: "live", sources: SHOP, draw: parts::world_panel },
    Panel { id: "live.countries", page: "live", sources: SHOP, draw: parts::countries_panel },
    Panel { id: "live.funnel", page: "live", sources: SHOP, draw: parts::funnel_panel },
    Panel { id: "live.products", page: "live", sources: SHOP, draw: parts::products_panel },
    Panel { id: "live.categories", page: "live", sources: SHOP, draw: parts::categories_panel },
    Panel { id: "live.who", page: "live", sources: SHOP, draw: parts::who_panel },
    Panel { id: "live.channels", page: "live", sources: SHOP, draw: parts::channels_panel },
];

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/", get(page))
}

async fn page(State(app): State<App>, frame: Frame, Query(asked): Query<Asked>) -> Result<Markup, Problem> {
    let shown = asked.shown(&frame.viewing, Utc::now())?;
    let body = match &shown {
        Shown::Live | Shown::Today => live(&app.watch.snapshot(), &frame.viewing, &shown),
        Shown::Period { of, .. } => period::body(&app, &frame.viewing, of).await,
    };
    let title = shown.title();
    Ok(frame.page(
        &app,
        "live",
        &title,
        &html! {
            div .title { h1 { (title) } (frame::pause()) }
            (period::bar(&frame, &shown))
            (body)
        },
    ))
}

fn live(snapshot: &Snapshot, viewing: &Viewing, shown: &Shown) -> Markup {
    html! {
        (notices(snapshot, viewing))
        (figures::panel(snapshot, viewing))
        div .grid data-pages=(if *shown == Shown::Today { "day" } else { "recent" }) {
            @if *shown == Shown::Today { (chart::day(snapshot, viewing)) } @else { (chart::recent(snapshot, viewing)) }
            (orders::panel(snapshot, viewing))
            section .panel.span-8 {
                (parts::where_panel(snapshot, viewing))
                div .where {
                    div .world { (tiles::base()) (parts::world_panel(snapshot, viewing)) }
                    (parts::countries_panel(snapshot, viewing))
                }
            }
            div .column.span-4 {
                (parts::funnel_panel(snapshot, viewing))
                (parts::who_panel(snapshot, viewing))
            }
            (parts::products_panel(snapshot, viewing))
            (parts::categories_panel(snapshot, viewing))
            (parts::channels_panel(snapshot, viewing))
        }
    }
}

/// A part of today's figures, as one panel shows it.
fn part<'a, T>(
    snapshot: &'a Snapshot,
    viewing: &Viewing,
    take: impl FnOnce(&Live<'a>) -> Part<T>,
) -> Part<T> {
    let mut part = take(&Live::of(snapshot, viewing, Utc::now()));
    // The notice above tells why, once for all of them.
    if snapshot.shop.value.is_none() && snapshot.shop.away.is_some() {
        part.why = Some("not known, see above".to_owned());
    }
    part
}

/// What stands above everything: that nothing has come yet, that a clock is wrong, that the store is away.
fn notices(snapshot: &Snapshot, viewing: &Viewing) -> Markup {
    let now = Utc::now();
    let live = Live::of(snapshot, viewing, now);
    html! {
        div id="live.notices" .notices {
            @if let Some(away) = &snapshot.shop.away { (states::unread("The shop's figures", away, viewing, now)) }
            @if live.empty() {
                (states::empty("No event has come yet: this page fills as soon as one is in the figures.", Some("storepulse simulate")))
            }
            @if let Some(at) = live.ahead() {
                div .notice.warn {
                    p { strong { "A sender's clock is ahead: " } "there are figures of " (states::moment(at, viewing, now)) ", which is still to come." }
                }
            }
        }
    }
}
