//! Where, what, who and how: the shop's figures by their dimensions.

use std::collections::BTreeMap;

use chrono::Utc;
use maud::{Markup, html};
use rust_decimal::Decimal;

use super::part;
use crate::api::answer::{Freshness, FreshnessState};
use crate::draw::bars::{Bar, bars};
use crate::draw::heat::{Cell, heat};
use crate::draw::{share, tiles};
use crate::figures::Live;
use crate::figures::view::{Amount, Breakdown, BreakdownRow, Funnel, Matrix, Part};
use crate::page::{Viewing, states};
use crate::watch::Snapshot;

/// How many rows a list has.
const LISTED: usize = 10;

/// What stands around a part, the same on the live page and on that of a period.
pub(super) struct Place<'a> {
    pub(super) id: Option<&'a str>,
    pub(super) span: &'a str,
    pub(super) title: &'a str,
    pub(super) note: &'a str,
}

pub(super) fn panel<T>(
    place: &Place<'_>,
    part: &Part<T>,
    viewing: &Viewing,
    draw: impl FnOnce(&T) -> Markup,
) -> Markup {
    html! {
        section id=[place.id] class={ "panel " (place.span) } {
            header { h2 { (place.title) } p .panel-note { (place.note) } (trouble(&part.freshness, viewing)) }
            @match &part.data { Some(data) => (draw(data)), None => (not_known(part.why.as_deref())) }
        }
    }
}

/// Why a part's figures are not of now; nothing where they are, since the leading figures have their age.
pub(super) fn trouble(freshness: &Freshness, viewing: &Viewing) -> Markup {
    html! {
        @if matches!(freshness.state, FreshnessState::Late | FreshnessState::Stalled) {
            p .panel-note { (states::freshness(freshness, viewing, Utc::now())) }
        }
    }
}

pub(super) fn not_known(why: Option<&str>) -> Markup {
    html! { div .empty { p { span .hatched {} } p { (why.unwrap_or("not known")) } } }
}

pub(super) fn world_panel(snapshot: &Snapshot, viewing: &Viewing) -> Markup {
    let countries = part(snapshot, viewing, Live::countries);
    html! { div id="live.world" { @if let Some(countries) = &countries.data { (world(countries)) } } }
}

pub(super) fn countries_panel(snapshot: &Snapshot, viewing: &Viewing) -> Markup {
    let countries = part(snapshot, viewing, Live::countries);
    html! { div id="live.countries" { (list_of(&countries, "Net sales by country", "country", viewing)) } }
}

pub(super) fn funnel_panel(snapshot: &Snapshot, viewing: &Viewing) -> Markup {
    let place =
        Place { id: Some("live.funnel"), span: "", title: "Per 100 visits", note: "events, not visitors" };
    panel(&place, &part(snapshot, viewing, Live::funnel), viewing, funnel)
}

pub(super) fn products_panel(snapshot: &Snapshot, viewing: &Viewing) -> Markup {
    let place = Place {
        id: Some("live.products"),
        span: "span-5",
        title: "Top products",
        note: "net sales of this hour, and of the whole hour before",
    };
    panel(&place, &part(snapshot, viewing, Live::products), viewing, |products| {
        ranking(products, "Net sales by product", "hour before")
    })
}

pub(super) fn categories_panel(snapshot: &Snapshot, viewing: &Viewing) -> Markup {
    let place =
        Place { id: Some("live.categories"), span: "span-3", title: "Categories", note: "net sales today" };
    panel(&place, &part(snapshot, viewing, Live::categories), viewing, |categories| {
        list(categories, "Net sales by category", "category")
    })
}

pub(super) fn who_panel(snapshot: &Snapshot, viewing: &Viewing) -> Markup {
    let place = Place { id: Some("live.who"), span: "", title: "Who", note: "visits today, gender by age" };
    panel(&place, &part(snapshot, viewing, Live::who), viewing, |who| {
        matrix(who, "Visits by gender and age", "gender")
    })
}

pub(super) fn channels_panel(snapshot: &Snapshot, viewing: &Viewing) -> Markup {
    let place =
        Place { id: Some("live.channels"), span: "span-4", title: "Channel by device", note: "visits today" };
    panel(&place, &part(snapshot, viewing, Live::channels), viewing, |channels| {
        matrix(channels, "Visits by channel and device", "channel")
    })
}

/// The tiles of the countries that have figures.
pub(super) fn world(countries: &Breakdown) -> Markup {
    let currency = countries.currency.as_deref();
    let told: BTreeMap<&str, (Decimal, String)> = countries
        .rows
        .iter()
        .map(|row| (row.key.as_str(), (exact(row.value), row.value.text(currency))))
        .collect();
    let label = match countries.rows.first() {
        Some(first) => {
            format!("Map: net sales of {} countries, most of it {}", countries.rows.len(), first.label)
        }
        None => "Map: no sales in any country".to_owned(),
    };
    tiles::tiles(&label, &told)
}

pub(super) fn list_of(part: &Part<Breakdown>, caption: &str, head: &str, viewing: &Viewing) -> Markup {
    html! {
        (trouble(&part.freshness, viewing))
        @match &part.data { Some(data) => (list(data, caption, head)), None => (not_known(part.why.as_deref())) }
    }
}

/// A breakdown as bars with each value's share.
pub(super) fn list(breakdown: &Breakdown, caption: &str, head: &str) -> Markup {
    if breakdown.rows.is_empty() {
        return states::empty("Nothing yet.", Some("storepulse simulate"));
    }
    let most = breakdown.rows.iter().map(|row| exact(row.value)).max().unwrap_or_default();
    let row = |row: &BreakdownRow| Bar {
        key: row.key.clone(),
        label: html! { (row.label) },
        share: share(exact(row.value), most),
        before: row.compared.map(|before| share(exact(before), most)),
        cells: vec![
            html! { (row.value.text(None)) },
            html! { span .muted { (row.share.map(crate::format::percent).unwrap_or_default()) } },
        ],
    };
    let rows: Vec<Bar> = breakdown.rows.iter().take(LISTED).map(row).collect();
    html! {
        (bars(caption, &[head, breakdown.currency.as_deref().unwrap_or("count"), "share"], &rows))
        (rest(breakdown))
    }
}

/// A breakdown with the place that each had before.
pub(super) fn ranking(breakdown: &Breakdown, caption: &str, before: &str) -> Markup {
    if breakdown.rows.is_empty() {
        return states::empty("No sale in this hour yet.", Some("storepulse simulate"));
    }
    let most = breakdown.rows.iter().map(|row| exact(row.value)).max().unwrap_or_default();
    let row = |row: &BreakdownRow| Bar {
        key: row.key.clone(),
        label: html! { (row.rank) " " span title=(row.label) { (row.label) } },
        share: share(exact(row.value), most),
        before: None,
        cells: vec![
            html! { (row.value.text(None)) },
            html! { @match row.compared { Some(before) => span .muted { (before.text(None)) }, None => span .muted { "–" } } },
            moved(row, breakdown.why.as_deref()),
        ],
    };
    let rows: Vec<Bar> = breakdown.rows.iter().take(LISTED).map(row).collect();
    let currency = breakdown.currency.as_deref().unwrap_or("net");
    bars(caption, &["product", currency, before, "place"], &rows)
}

fn moved(row: &BreakdownRow, why: Option<&str>) -> Markup {
    html! {
        @match row.rank_before {
            Some(before) if before > row.rank => span .change.up { "▲ " (before - row.rank) },
            Some(before) if before < row.rank => span .change.down { "▼ " (row.rank - before) },
            Some(_) => span .muted { "=" },
            None if why.is_some() => span .muted title=[why] { "–" },
            None => span .tag.accent { "new" },
        }
    }
}

fn rest(breakdown: &Breakdown) -> Markup {
    let hidden = breakdown.rows.len().saturating_sub(LISTED);
    let keys = hidden + breakdown.rest.as_ref().map_or(0, |rest| rest.keys);
    html! {
        @if keys > 0 {
            p .note { "and " (keys) " more; in all " (breakdown.total.text(breakdown.currency.as_deref())) }
        }
    }
}

/// Events per 100 visits: a step may be more than the one before.
pub(super) fn funnel(funnel: &Funnel) -> Markup {
    let most = funnel.steps.iter().filter_map(|step| step.per_100_visits).fold(100.0, f64::max);
    if funnel.steps.iter().all(|step| step.per_100_visits.is_none()) {
        return states::empty("No visit yet today.", Some("storepulse simulate"));
    }
    let rows: Vec<Bar> = funnel
        .steps
        .iter()
        .map(|step| Bar {
            key: step.label.to_owned(),
            label: html! { (step.label) },
            share: step.per_100_visits.unwrap_or(0.0) / most,
            before: step.compared.map(|before| before / most),
            cells: vec![
                match step.per_100_visits {
                    Some(per) => html! { (per_100(per)) },
                    None => states::unknown("there was no visit"),
                },
                html! { span .muted { (step.compared.map_or_else(|| "–".to_owned(), per_100)) } },
                html! { (step.count.text(None)) },
            ],
        })
        .collect();
    html! {
        (bars("Events per 100 visits", &["step", "per 100", "before", "events"], &rows))
        @if let Some(why) = &funnel.why { p .note { (why) } }
    }
}

fn per_100(value: f64) -> String {
    if value < 10.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}

/// Two dimensions as a heat table.
pub(super) fn matrix(matrix: &Matrix, caption: &str, corner: &str) -> Markup {
    if matrix.rows.is_empty() {
        return states::empty("No visit yet today.", Some("storepulse simulate"));
    }
    // No event is no visit: where the whole is known, an empty cell is 0.
    let cell = |cell: &Option<Amount>| -> Cell {
        let amount = cell.unwrap_or(Amount::Count(0));
        Some((exact(amount), amount.text(None)))
    };
    let rows: Vec<(String, Vec<Cell>)> = matrix
        .rows
        .iter()
        .zip(&matrix.cells)
        .map(|(label, cells)| (words(label), cells.iter().map(cell).collect()))
        .collect();
    let columns: Vec<String> = matrix.columns.iter().map(|label| words(label)).collect();
    heat(caption, corner, &columns, &rows)
}

/// A word of a vocabulary as people read it.
fn words(word: &str) -> String {
    word.replace('_', " ")
}

fn exact(amount: Amount) -> Decimal {
    match amount {
        Amount::Count(count) => Decimal::from(count),
        Amount::Money(money) => money,
        Amount::Share(share) => Decimal::try_from(share).unwrap_or_default(),
    }
}
