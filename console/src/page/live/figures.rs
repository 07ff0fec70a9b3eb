//! The six leading figures.

use chrono::{DateTime, SecondsFormat, Utc};
use maud::{Markup, html};

use super::part;
use crate::api::answer::{Freshness, FreshnessState, PeriodBounds, Proof};
use crate::figures::Live;
use crate::figures::view::{Compared, Estimate, Now, Part, Totals, Visitors};
use crate::format;
use crate::page::Viewing;
use crate::page::states::{self, Change, Figure};
use crate::watch::Snapshot;

/// Those of today and of now.
pub(super) fn panel(snapshot: &Snapshot, viewing: &Viewing) -> Markup {
    let now = Utc::now();
    let of_now = part(snapshot, viewing, Live::now);
    let of_windows = part(snapshot, viewing, Live::visitors);
    let told = of_now.data.as_ref();
    let today = format!("period=today&tz={}&compare={}", viewing.zone.name(), viewing.against.word());
    let visitors = told.and_then(|now| now.visitors_5m);
    let figures = [
        five_minutes(visitors, &of_windows, viewing),
        rate(&of_now),
        of_stretch(
            &of_now,
            &today,
            "orders",
            "Orders today",
            |now| Some(&now.today),
            |totals| &totals.orders,
        ),
        of_stretch(&of_now, &today, "net", "Net sales today", |now| Some(&now.today), |totals| &totals.net),
        of_stretch(
            &of_now,
            &today,
            "conversion",
            "Conversion today",
            |now| Some(&now.today),
            |totals| &totals.conversion,
        ),
        of_stretch(
            &of_now,
            &today,
            "visits",
            "Visits today",
            |now| Some(&now.today),
            |totals| &totals.visits,
        ),
    ];
    html! {
        section id="live.figures" {
            h2 .sr { "Leading figures" }
            div .figures { @for figure in &figures { (states::figure(figure, viewing, now)) } }
        }
    }
}

/// Those of a period that is over.
pub(super) fn of_period(totals: &Part<Totals>, period: &PeriodBounds, viewing: &Viewing) -> Markup {
    let now = Utc::now();
    let text = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let stretch = format!("from={}&to={}&tz={}", text(period.from), text(period.to), period.time_zone);
    let figures = [
        of_stretch(totals, &stretch, "net", "Net sales", |totals| Some(totals), |totals| &totals.net),
        of_stretch(totals, &stretch, "orders", "Orders", |totals| Some(totals), |totals| &totals.orders),
        of_stretch(
            totals,
            &stretch,
            "conversion",
            "Conversion",
            |totals| Some(totals),
            |totals| &totals.conversion,
        ),
        of_stretch(totals, &stretch, "visits", "Visits", |totals| Some(totals), |totals| &totals.visits),
        of_stretch(totals, &stretch, "units", "Units", |totals| Some(totals), |totals| &totals.units),
        of_stretch(totals, &stretch, "refunds", "Refunds", |totals| Some(totals), |totals| &totals.refunds),
    ];
    html! {
        section {
            h2 .sr { "Leading figures" }
            div .figures { @for figure in &figures { (states::figure(figure, viewing, now)) } }
        }
    }
}

/// Where it is told how a figure came about; `of` says in an address what it is a figure of.
fn how(figure: &str, of: &str) -> Option<String> {
    Some(format!("/api/v1/shop/explain?figure={figure}&{of}"))
}

fn of_stretch<T>(
    part: &Part<T>,
    of: &str,
    id: &'static str,
    label: &str,
    totals: fn(&T) -> Option<&Totals>,
    take: fn(&Totals) -> &Compared,
) -> Figure {
    let totals = part.data.as_ref().and_then(totals);
    let compared = totals.map(take);
    let currency = totals.and_then(|totals| totals.currency.as_deref());
    let value = compared.and_then(|compared| compared.value).map(|value| value.text(currency));
    let why = compared.and_then(|compared| compared.why.as_deref()).or(part.why.as_deref());
    Figure {
        id,
        label: label.to_owned(),
        change: compared.filter(|_| value.is_some()).map(Compared::as_change),
        provisional: compared.is_some_and(|compared| compared.provisional),
        freshness: part.freshness.clone(),
        proof: Some(part.proof.clone()),
        note: value.is_none().then(|| html! { (why.unwrap_or("not known")) }),
        explain: how(id, of),
        value,
    }
}

fn rate(part: &Part<Now>) -> Figure {
    let rate = part.data.as_ref().and_then(|now| now.events_per_s);
    let value =
        rate.map(|rate| if rate < 10.0 { format!("{rate:.1}") } else { format::count(rate.round() as i64) });
    let note = match (&value, part.why.as_deref()) {
        (Some(_), _) => Some(html! { "of the newest whole minute" }),
        (None, why) => Some(html! { (why.unwrap_or("no whole minute yet")) }),
    };
    Figure {
        note,
        ..plain("events", "Events a second", value, part.freshness.clone(), Some(part.proof.clone()))
    }
}

fn five_minutes(told: Option<Estimate>, part: &Part<Visitors>, viewing: &Viewing) -> Figure {
    let (freshness, why) = (part.freshness.clone(), part.why.as_deref());
    let note = match told {
        Some(estimate) => html! {
            "at " (estimate.window_end.with_timezone(&viewing.zone).format("%H:%M:%S")) ", ± "
            (format::percent(estimate.rel_error))
        },
        None => html! { (why.unwrap_or("no whole window of five minutes yet")) },
    };
    // Its window's end says how old it is, and it moves every 30 s at best.
    let freshness = match freshness.state {
        FreshnessState::Live => {
            Freshness { as_of: told.map(|told| told.window_end).or(freshness.as_of), ..freshness }
        }
        _ => freshness,
    };
    let value = told.map(|told| format::distinct(told.estimate));
    let proof = Some(part.proof.clone());
    Figure { note: Some(note), ..plain("visitors_5m", "Visitors, 5 min", value, freshness, proof) }
}

fn plain(
    id: &'static str,
    label: &str,
    value: Option<String>,
    freshness: Freshness,
    proof: Option<Proof>,
) -> Figure {
    let change: Option<Change> = None;
    Figure {
        id,
        label: label.to_owned(),
        value,
        change,
        provisional: false,
        freshness,
        proof,
        note: None,
        explain: None,
    }
}
