//! Where, what, who and how: the shop's figures by their dimensions.

use std::collections::BTreeMap;

use chrono::Utc;
use maud::{Markup, html};
use rust_decimal::Decimal;

use super::part;
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
        section id=[place.id] class={ "panel " (place.span) (if stale(part) { " stale" } else { "" }) } {
            (heading(None, place.title, place.note, part, viewing))
            @match &part.data { Some(data) => (draw(data)), None => (not_known(part.why.as_deref())) }
        }
    }
}

/// What a panel shows, and at the right how old that is and whether it is proved.
pub(super) fn heading<T>(
    id: Option<&str>,
    title: &str,
    note: &str,
    part: &Part<T>,
    viewing: &Viewing,
) -> Markup {
    html! {
        header id=[id] {
            h2 { (title) }
            p .panel-note { (note) }
            // What is not known has no age: the panel says why.
            @if part.data.is_some() { (states::about(&part.freshness, &part.proof, viewing, Utc::now())) }
        }
    }
}

/// Whether a part has figures that may not be of now.
pub(super) fn stale<T>(part: &Part<T>) -> bool {
    part.data.is_some() && states::stale(&part.freshness)
}

pub(super) fn not_known(why: Option<&str>) -> Markup {
    html! { div .empty { p { span .hatched {} } p { (why.unwrap_or("not known")) } } }
}

/// The heading above both: they are parts of their own, between which the empty map stands.
pub(super) fn where_panel(snapshot: &Snapshot, viewing: &Viewing) -> Markup {
    let told = part(snapshot, viewing, Live::countries_told);
    let note = "net sales today by country; the tick is where it was before";
    heading(Some("live.where"), "Where", note, &told, viewing)
}

pub(super) fn world_panel(snapshot: &Snapshot, viewing: &Viewing) -> Markup {
    let countries = part(snapshot, viewing, Live::countries);
    html! { div id="live.world" .stale[stale(&countries)] { @if let Some(countries) = &countries.data { (world(countries)) } } }
}

pub(super) fn countries_panel(snapshot: &Snapshot, viewing: &Viewing) -> Markup {
    let countries = part(snapshot, viewing, Live::countries);
    html! { div id="live.countries" .stale[stale(&countries)] { (list_of(&countries, "Net sales by country", "country")) } }
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

pub(super) fn list_of(part: &Part<Breakdown>, caption: &str, head: &str) -> Markup {
    html! {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::answer::{Freshness, FreshnessState, Proof, ProofState};
    use crate::line::hops::tests_support::{ago, away, now, seen, snapshot, well};
    use crate::page::Against;
    use crate::page::live::chart;

    const VIEWING: Viewing = Viewing { zone: chrono_tz::UTC, against: Against::Yesterday };

    fn drawn(state: FreshnessState, data: Option<()>) -> String {
        let freshness = Freshness {
            state,
            as_of: Some(ago(10)),
            age_ms: Some(10_000),
            why: Some("Cassandra does not answer since 09:50:29 UTC: no answer within 5 s".to_owned()),
        };
        let proof = Proof { state: ProofState::Differs, at: Some(now()), ..Proof::NONE };
        let part = Part { data, why: Some("not loaded".to_owned()), freshness, proof };
        let place = Place { id: Some("live.who"), span: "span-4", title: "Who", note: "visits" };
        panel(&place, &part, &VIEWING, |()| html! { "figures" }).into_string()
    }

    #[test]
    fn a_panel_that_cannot_be_told_any_more_is_grey_with_its_time_its_reason_and_its_proof() {
        let text = drawn(FreshnessState::Unknown, Some(()));
        for part in [
            "class=\"panel span-4 stale\"",
            "07:59:50",
            "ago</time>: Cassandra does not answer<",
            "✗",
            "figures",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let live = drawn(FreshnessState::Live, Some(()));
        assert!(
            !live.contains("stale") && live.contains("data-age") && live.contains("proof differs"),
            "{live}"
        );
    }

    #[test]
    fn what_is_not_known_is_not_grey_and_has_no_age() {
        let text = drawn(FreshnessState::Unknown, None);
        assert!(text.contains("not loaded") && !text.contains("stale") && !text.contains("asof"), "{text}");
    }

    #[test]
    fn while_cassandra_is_away_the_chart_keeps_its_values_in_grey() {
        let well = snapshot(well());
        let mut shop = crate::watch::shop::Shop::default();
        shop.coverage.as_of = Some(ago(10));
        let gone = Snapshot { shop: away(seen(shop), 5, "no answer within 5 s"), ..well };
        let text = chart::recent(&gone, &VIEWING).into_string();
        assert!(text.contains("span-8 stale") && text.contains("Cassandra does not answer<"), "{text}");
        let text = where_panel(&gone, &VIEWING).into_string();
        assert!(text.contains("id=\"live.where\"") && text.contains("Cassandra does not answer<"), "{text}");
    }
}
