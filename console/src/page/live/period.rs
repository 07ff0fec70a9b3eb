//! The period that is looked at: how it is chosen, and the page of one that is over.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use maud::{Markup, html};
use serde::Deserialize;

use super::chart;
use super::figures::of_period as leading;
use super::parts::{self, Place};
use crate::api::answer::{Freshness, FreshnessState, PeriodBounds};
use crate::app::App;
use crate::draw::tiles;
use crate::figures::period::{Chosen, Stretch};
use crate::figures::view::{Amount, Hours, PeriodView, Visitors};
use crate::figures::{self, Asking};
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
    Period { of: figures::Asked, title: String, word: &'static str },
}

/// Those that have a name, as they stand in addresses and on the page.
const NAMED: &[(&str, &str)] =
    &[("live", "Live"), ("today", "Today"), ("yesterday", "Yesterday"), ("7-days", "7 days")];

impl Asked {
    pub(super) fn shown(&self, viewing: &Viewing, now: DateTime<Utc>) -> Result<Shown, Problem> {
        let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let (period, from, to) = (text(&self.period), text(&self.from), text(&self.to));
        match (period.as_deref(), &from, &to) {
            (None | Some("live"), None, None) => return Ok(Shown::Live),
            (Some("today"), None, None) => return Ok(Shown::Today),
            _ => {}
        }
        let asking = Asking {
            // A stretch that was chosen goes before a name.
            period: period.filter(|_| from.is_none() && to.is_none()),
            compare: (from.is_none() && to.is_none()).then(|| viewing.against.word().to_owned()),
            from,
            to,
            tz: None,
        };
        let of = asking.understand(viewing.zone, now)?;
        let (title, word) = match of.chosen {
            Chosen::Today => ("Today".to_owned(), "today"),
            Chosen::Yesterday => ("Yesterday".to_owned(), "yesterday"),
            Chosen::SevenDays => ("7 days".to_owned(), "7-days"),
            Chosen::Given(stretch) => (title(stretch, viewing.zone), ""),
        };
        Ok(Shown::Period { of, title, word })
    }
}

/// A chosen stretch, in words.
fn title(stretch: Stretch, zone: Tz) -> String {
    let (from, to) = (stretch.from.with_timezone(&zone), stretch.to.with_timezone(&zone));
    if from.date_naive() == to.date_naive() {
        format!("{}, {}–{}", from.format("%b %-d"), from.format("%H:%M"), to.format("%H:%M"))
    } else {
        format!("{} – {}", from.format("%b %-d %H:%M"), to.format("%b %-d %H:%M"))
    }
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
        Shown::Period { of: figures::Asked { chosen: Chosen::Given(stretch), .. }, .. } => {
            (local(stretch.from), local(stretch.to))
        }
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
pub(super) async fn body(app: &App, viewing: &Viewing, of: &figures::Asked) -> Markup {
    let mut view = figures::of_period(&app.shop, &app.watch.snapshot(), of, Utc::now()).await;
    let to = view.period.to;
    macro_rules! settle {
        ($($part:ident)+) => { $(view.$part.freshness = freshness_until(&view.$part.freshness, to);)+ };
    }
    settle!(totals series countries categories funnel products who channels hours visitors);
    draw(&view, viewing)
}

/// What was over before the line stood still is whole: only a period that reaches further lacks something.
fn freshness_until(freshness: &Freshness, to: DateTime<Utc>) -> Freshness {
    let trails = matches!(freshness.state, FreshnessState::Late | FreshnessState::Stalled);
    if trails && freshness.as_of.is_some_and(|as_of| as_of >= to) {
        return Freshness { state: FreshnessState::Live, why: None, ..freshness.clone() };
    }
    freshness.clone()
}

fn draw(view: &PeriodView, viewing: &Viewing) -> Markup {
    let place = |span, title, note| Place { id: None, span, title, note };
    html! {
        (compared(&view.period, viewing))
        (leading(&view.totals, &view.period, viewing))
        div .grid {
            (chart::of_period(&view.series, viewing))
            (parts::panel(&place("span-4", "Visitors", "distinct, of the whole period"), &view.visitors, viewing, visitors))
            section .panel.span-8 .stale[parts::stale(&view.countries)] {
                (parts::heading(None, "Where", "net sales by country", &view.countries, viewing))
                div .where {
                    div .world { (tiles::base()) @if let Some(countries) = &view.countries.data { (parts::world(countries)) } }
                    div { (parts::list_of(&view.countries, "Net sales by country", "country")) }
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
fn compared(period: &PeriodBounds, viewing: &Viewing) -> Markup {
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
    use super::*;
    use crate::figures::period::Compare;

    fn shown(period: Option<&str>, from: Option<&str>, to: Option<&str>) -> Result<Shown, Problem> {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let asked = Asked { period: owned(period), from: owned(from), to: owned(to) };
        let viewing = Viewing { zone: chrono_tz::Europe::Zurich, against: Against::LastWeek };
        asked.shown(&viewing, "2026-11-28T12:00:00Z".parse().unwrap())
    }

    fn of(shown: Shown) -> (figures::Asked, String) {
        match shown {
            Shown::Period { of, title, .. } => (of, title),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn without_a_choice_it_is_live() {
        assert_eq!(shown(None, None, None).unwrap(), Shown::Live);
        assert_eq!(shown(None, Some(""), Some("")).unwrap(), Shown::Live);
        assert_eq!(shown(Some("today"), None, None).unwrap(), Shown::Today);
        assert!(shown(Some("tomorrow"), None, None).is_err());
    }

    #[test]
    fn a_named_period_is_compared_as_the_viewer_chose_and_a_given_one_with_the_stretch_before() {
        let (yesterday, title) = of(shown(Some("yesterday"), None, None).unwrap());
        assert_eq!((yesterday.compare, &*title), (Compare::Against(Against::LastWeek), "Yesterday"));
        let (given, title) =
            of(shown(Some("yesterday"), Some("2026-11-28T09:00"), Some("2026-11-28T10:30")).unwrap());
        assert_eq!((given.compare, &*title), (Compare::Before, "Nov 28, 09:00–10:30"));
    }

    #[test]
    fn a_period_that_was_over_before_the_line_stood_still_is_whole() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let stalled = Freshness {
            state: FreshnessState::Stalled,
            as_of: Some(at("2026-11-29T00:32:23Z")),
            age_ms: Some(100_000),
            why: Some("the relay has stopped".to_owned()),
        };
        assert_eq!(freshness_until(&stalled, at("2026-11-29T00:00:00Z")).state, FreshnessState::Live);
        assert_eq!(freshness_until(&stalled, at("2026-11-29T01:00:00Z")), stalled);
    }

    #[test]
    fn what_a_chart_puts_into_the_address_is_understood() {
        let (given, _) = of(shown(None, Some("2026-11-28T08:00:00Z"), Some("2026-11-28T09:30:00Z")).unwrap());
        let Chosen::Given(stretch) = given.chosen else { panic!("{given:?}") };
        assert_eq!(stretch.from.to_rfc3339(), "2026-11-28T08:00:00+00:00");
        assert!(shown(None, Some("2026-11-28T08:00:00Z"), None).is_err());
    }
}
