//! The period that is looked at: how it is chosen, and the page of one that is over.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use maud::{Markup, html};
use serde::Deserialize;

use super::parts::{self, Place};
use super::{chart, figures};
use crate::api::answer::PeriodTold;
use crate::app::App;
use crate::draw::tiles;
use crate::figures as shop;
use crate::figures::period::{Chosen, Compare, Stretch, floor, on_clock};
use crate::figures::view::{Amount, Hours, PeriodView, Visitors};
use crate::format;
use crate::page::frame::Frame;
use crate::page::{Against, Viewing, states};
use crate::problem::Problem;

/// What an address says of the period.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    period: Option<String>,
    from: Option<String>,
    to: Option<String>,
}

/// What is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shown {
    /// Now, and the last hour.
    Live,
    /// The day so far, kept new.
    Today,
    /// A stretch that does not change while one looks.
    Period { chosen: Chosen, title: String, word: &'static str },
}

/// Those that have a name, as they stand in addresses and on the page.
const NAMED: &[(&str, &str)] =
    &[("live", "Live"), ("today", "Today"), ("yesterday", "Yesterday"), ("7-days", "7 days")];

impl Asked {
    pub(super) fn shown(&self, viewing: &Viewing) -> Result<Shown, Problem> {
        let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let named = |chosen, title: &str, word| Ok(Shown::Period { chosen, title: title.to_owned(), word });
        match (text(&self.from), text(&self.to), self.period.as_deref()) {
            (Some(from), Some(to), _) => chosen(&from, &to, viewing.zone),
            (None, None, None | Some("live")) => Ok(Shown::Live),
            (None, None, Some("today")) => Ok(Shown::Today),
            (None, None, Some("yesterday")) => named(Chosen::Yesterday, "Yesterday", "yesterday"),
            (None, None, Some("7-days")) => named(Chosen::SevenDays, "7 days", "7-days"),
            (None, None, Some(other)) => {
                let known: Vec<&str> = NAMED.iter().map(|(word, _)| *word).collect();
                Err(refused(format!("{other:?} is no period: use {}, or from and to", known.join(", "))))
            }
            _ => Err(refused("a period has both from and to")),
        }
    }
}

fn refused(detail: impl Into<String>) -> Problem {
    Problem::bad_request("bad-period", detail)
}

fn chosen(from: &str, to: &str, zone: Tz) -> Result<Shown, Problem> {
    let (from, to) = (moment(from, zone)?, moment(to, zone)?);
    if from >= to {
        return Err(refused("from has to be before to"));
    }
    let local = |at: DateTime<Utc>| at.with_timezone(&zone);
    let title = if local(from).date_naive() == local(to).date_naive() {
        format!(
            "{}, {}–{}",
            local(from).format("%b %-d"),
            local(from).format("%H:%M"),
            local(to).format("%H:%M")
        )
    } else {
        format!("{} – {}", local(from).format("%b %-d %H:%M"), local(to).format("%b %-d %H:%M"))
    };
    Ok(Shown::Period { chosen: Chosen::Given(Stretch { from, to }), title, word: "" })
}

/// A whole minute: with an offset, or on the clock of the zone as a browser's field has it.
fn moment(text: &str, zone: Tz) -> Result<DateTime<Utc>, Problem> {
    let with_offset = DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M%#z"))
        .map(|at| at.to_utc());
    let at = with_offset.or_else(|_| {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M").map(|local| on_clock(local, zone))
    });
    at.map(floor).map_err(|_| {
        refused(format!("{text:?} is no minute: write it as 2026-11-28T09:00, or as 2026-11-28T09:00Z"))
    })
}

impl Shown {
    /// The page's heading.
    pub(super) fn title(&self) -> String {
        match self {
            Self::Live => "Live".to_owned(),
            Self::Today => "Today".to_owned(),
            Self::Period { title, .. } => title.clone(),
        }
    }

    const fn word(&self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Today => "today",
            Self::Period { word, .. } => word,
        }
    }
}

/// The choice of the period, and of what it is compared with.
pub(super) fn bar(frame: &Frame, shown: &Shown) -> Markup {
    let viewing = &frame.viewing;
    let local = |at: DateTime<Utc>| at.with_timezone(&viewing.zone).format("%Y-%m-%dT%H:%M").to_string();
    let (from, to) = match shown {
        Shown::Period { chosen: Chosen::Given(stretch), .. } => (local(stretch.from), local(stretch.to)),
        _ => {
            let now = Utc::now();
            (local(now - TimeDelta::hours(1)), local(now))
        }
    };
    html! {
        div .apart {
            div .row {
                nav .choice aria-label="Period" {
                    @for (word, name) in NAMED {
                        @let chosen = (*word != "live").then_some(*word);
                        a href=(frame.with(&[("period", chosen), ("from", None), ("to", None)]))
                            aria-current=[(*word == shown.word()).then_some("page")] { (name) }
                    }
                }
                details .menu.left {
                    summary { @if shown.word().is_empty() { (shown.title()) } @else { "from – to" } }
                    form .bar action="/" {
                        label { "From" input type="datetime-local" name="from" value=(from) required; }
                        label { "To" input type="datetime-local" name="to" value=(to) required; }
                        p .note { "On the clock of " (viewing.zone.name()) "." }
                        button .primary { "Show" }
                    }
                }
            }
            form .bar.flat action="/choices" data-submit="change" {
                input type="hidden" name="back" value=(frame.with(&[("against", None)]));
                label { span { "against" }
                    select name="against" {
                        @for (against, name) in [(Against::Yesterday, "same time yesterday"), (Against::LastWeek, "same time a week before")] {
                            option value=(against.word()) selected[against == viewing.against] { (name) }
                        }
                    }
                }
                button .unscripted { "Set" }
            }
        }
    }
}

/// Everything of a period that does not change while one looks.
pub(super) async fn body(app: &App, frame: &Frame, shown: &Shown) -> Result<Markup, Problem> {
    let Shown::Period { chosen, .. } = shown else { return Err(refused("it is no period that is over")) };
    let compare = Compare::Against(frame.viewing.against);
    let asked = shop::Asked { chosen: *chosen, compare, zone: frame.viewing.zone };
    let view = shop::of_period(&app.shop, &app.watch.snapshot(), &asked, Utc::now()).await;
    Ok(draw(&view, &frame.viewing))
}

fn draw(view: &PeriodView, viewing: &Viewing) -> Markup {
    let place = |span, title, note| Place { id: None, span, title, note };
    html! {
        (compared(&view.period, viewing))
        (figures::of_period(&view.totals, viewing))
        div .grid {
            (chart::of_period(&view.series, viewing))
            (parts::panel(&place("span-4", "Visitors", "distinct, of the whole period"), &view.visitors, viewing, visitors))
            section .panel.span-8 {
                header { h2 { "Where" } p .panel-note { "net sales by country" } }
                div .where {
                    div .world { (tiles::base()) @if let Some(countries) = &view.countries.data { (parts::world(countries)) } }
                    div { (parts::list_of(&view.countries, "Net sales by country", "country", viewing)) }
                }
            }
            div .column.span-4 {
                (parts::panel(&place("", "Per 100 visits", "events, not visitors"), &view.funnel, viewing, parts::funnel))
                (parts::panel(&place("", "Who", "visits, gender by age"), &view.who, viewing, |who| {
                    parts::matrix(who, "Visits by gender and age", "gender")
                }))
            }
            (parts::panel(&place("span-5", "Top products", "net sales"), &view.products, viewing, |products| {
                parts::ranking(products, "Net sales by product", "before")
            }))
            (parts::panel(&place("span-3", "Categories", "net sales"), &view.categories, viewing, |categories| {
                parts::list(categories, "Net sales by category", "category")
            }))
            (parts::panel(&place("span-4", "Channel by device", "visits"), &view.channels, viewing, |channels| {
                parts::matrix(channels, "Visits by channel and device", "channel")
            }))
            (parts::panel(&place("span-12 flush", "Hours", "the newest first"), &view.hours, viewing, hours))
        }
    }
}

/// What the figures are of, and what they are compared with.
fn compared(period: &PeriodTold, viewing: &Viewing) -> Markup {
    let text = |at: DateTime<Utc>| at.with_timezone(&viewing.zone).format("%a %b %-d %H:%M").to_string();
    html! {
        p .lead {
            (text(period.from)) " – " (text(period.to))
            @if let Some((from, to)) = period.compared_from.zip(period.compared_to) {
                ", compared with " (text(from)) " – " (text(to))
            }
            "; days and clock times are those of " (period.time_zone) "."
        }
    }
}

/// Bounds: distinct counts of windows do not add up.
fn visitors(visitors: &Visitors) -> Markup {
    let bound = |bound: Option<i64>| match bound {
        Some(bound) => html! { (format::count(bound)) },
        None => states::unknown(&visitors.why),
    };
    html! {
        dl .facts { dt { "at least" } dd { (bound(visitors.at_least)) } dt { "at most" } dd { (bound(visitors.at_most)) } }
        p .note { (visitors.why) }
    }
}

fn hours(hours: &Hours) -> Markup {
    let cell = |amount: Option<Amount>| {
        html! {
            td .num { @match amount { Some(amount) => (amount.text(None)), None => (states::unknown("no figures of then")) } }
        }
    };
    html! {
        div .scroll tabindex="0" role="region" aria-label="Hours" {
            table .data {
                caption .sr { "Figures of each hour" }
                thead {
                    tr {
                        th scope="col" { "hour" }
                        th scope="col" .num { "net sales" @if let Some(currency) = &hours.currency { ", " (currency) } }
                        th scope="col" .num { "orders" }
                        th scope="col" .num { "visits" }
                        th scope="col" .num { "visitors" }
                        th scope="col" .num { "events" }
                    }
                }
                tbody {
                    @for hour in hours.hours.iter().rev() {
                        tr {
                            th scope="row" { (hour.clock) @if hour.open { span .muted { " not over" } } }
                            (cell(hour.net))
                            (cell(hour.orders))
                            (cell(hour.visits))
                            td .num { @match hour.users { Some(users) => (format::distinct(users.estimate)), None => "–" } }
                            (cell(hour.events))
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn asked(period: Option<&str>, from: Option<&str>, to: Option<&str>) -> Asked {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Asked { period: owned(period), from: owned(from), to: owned(to) }
    }

    fn viewing(zone: Tz) -> Viewing {
        Viewing { zone, against: Against::Yesterday }
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn stretch(shown: &Shown) -> (DateTime<Utc>, DateTime<Utc>) {
        match shown {
            Shown::Period { chosen: Chosen::Given(stretch), .. } => (stretch.from, stretch.to),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_chosen_period_is_of_whole_minutes_of_the_zone_or_of_an_offset() {
        let zone = viewing(chrono_tz::Europe::Zurich);
        let shown = |from, to| asked(None, Some(from), Some(to)).shown(&zone);
        let whole = (at("2026-11-28T08:00:00Z"), at("2026-11-28T09:30:00Z"));
        assert_eq!(stretch(&shown("2026-11-28T09:00", "2026-11-28T10:30").unwrap()), whole);
        assert_eq!(stretch(&shown("2026-11-28T08:00Z", "2026-11-28T09:30:59.5Z").unwrap()), whole);
        for (from, to) in
            [("2026-11-28T09:00", "2026-11-28T09:00"), ("x", "2026-11-28T09:00"), ("", "2026-11-28T09:00")]
        {
            assert!(shown(from, to).is_err(), "{from} {to}");
        }
    }

    #[test]
    fn a_period_without_a_name_is_refused_with_those_that_have_one() {
        let zone = viewing(chrono_tz::UTC);
        assert_eq!(asked(None, None, None).shown(&zone).unwrap(), Shown::Live);
        assert!(asked(Some("tomorrow"), None, None).shown(&zone).is_err());
    }

    proptest! {
        #[test]
        fn no_text_is_taken_for_a_moment_that_is_no_whole_minute(text in "\\PC{0,24}") {
            if let Ok(at) = moment(&text, chrono_tz::Asia::Kathmandu) {
                prop_assert_eq!(at.timestamp() % 60, 0);
                prop_assert_eq!(at.timestamp_subsec_nanos(), 0);
            }
        }
    }
}
