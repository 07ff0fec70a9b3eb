//! The hops, a box each.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use crate::format;
use crate::line::hops::{Hop, HopName, HopState};
use crate::line::view::{LineView, line};
use crate::page::{Viewing, states};
use crate::watch::Snapshot;

pub(super) fn panel(snapshot: &Snapshot, viewing: &Viewing) -> Markup {
    draw(&line(snapshot, Utc::now()), viewing, Utc::now())
}

fn draw(line: &LineView, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    html! {
        ol id="flow.hops" .hops aria-label="The way of an event" {
            @for hop in &line.hops { (hop_box(hop, line, viewing, now)) }
        }
    }
}

fn hop_box(hop: &Hop, line: &LineView, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    html! {
        li class={ "hop " (hop.state.mark().class()) } data-key=(hop.hop.word()) {
            h3 { (states::mark(hop.state.mark())) " " (hop.hop.label()) }
            p .big { (headline(hop)) }
            @if let Some(since) = hop.since.filter(|_| hop.state != HopState::Runs) {
                p { "since " (states::moment(since, viewing, now)) " (" (states::since(since, now)) ")" }
            }
            @for fact in facts(hop, line, now) { p { (fact) } }
        }
    }
}

fn headline(hop: &Hop) -> String {
    match (hop.state, hop.waits_for) {
        (HopState::Runs, _) => match (hop.rate_per_s, hop.hop) {
            (Some(rate), _) => per_second(rate),
            (None, HopName::Cassandra) => "answers".to_owned(),
            (None, _) => "runs".to_owned(),
        },
        (HopState::Waits, Some(other)) => format!("waits for {}", other.label()),
        (state, _) => state.word().to_owned(),
    }
}

fn per_second(rate: f64) -> String {
    if rate > 0.0 && rate < 10.0 {
        format!("{rate:.1}/s")
    } else {
        // A float beyond an integer's range becomes its end.
        format!("{}/s", format::count(rate.round() as i64))
    }
}

/// One line each, below.
fn facts(hop: &Hop, line: &LineView, now: DateTime<Utc>) -> Vec<Markup> {
    let mut facts = Vec::new();
    match hop.hop {
        HopName::Senders => {
            if let Some(rates) = &line.rates {
                facts.push(html! { "repeated " (per_second(rates.repeated)) });
                facts.push(html! { "set aside " (per_second(rates.quarantined)) });
                if rates.other > 0.0 {
                    facts.push(html! { "kept beside " (per_second(rates.other)) });
                }
            }
            if hop.state == HopState::Runs
                && let Some(at) = hop.newest_event_at
                && hop.seen.is_some()
            {
                facts.push(html! { "nothing has come since " (states::age(at, now)) });
            }
        }
        HopName::Postgresql => {
            if let Some(slot) = &line.slot {
                facts.push(html! { "slot keeps " (size(slot.retained_bytes)) });
                if let Some(safe) = slot.safe_bytes {
                    facts.push(html! { (format::bytes(safe)) " to spare" });
                }
            }
        }
        HopName::Relay => {
            facts.extend(lag(hop, "PostgreSQL to Kafka"));
            if let Some(bytes) = hop.behind.and_then(|behind| behind.bytes) {
                facts.push(html! { (format::bytes(bytes)) " behind" });
            }
            if let Some(consumer) = &line.quarantine_consumer {
                facts.push(html! { "refused records: " (consumer.state) });
            }
        }
        HopName::Kafka => {
            if let Some(partitions) = line.under_replicated {
                facts.push(html! { (format::count(partitions)) " partitions lack replicas" });
            }
        }
        HopName::Spark => {
            if let Some(behind) = hop.behind.as_ref()
                && let Some(offsets) = behind.offsets
            {
                facts.push(html! {
                    (format::count(offsets)) " offsets behind"
                    @if behind.growing { @if let Some(growth) = behind.growth_per_s { ", +" (per_second(growth)) } }
                });
            }
            facts.extend(lag(hop, "event to row"));
        }
        HopName::Cassandra => {
            if let Some(at) = hop.newest_event_at {
                facts.push(html! { "newest event in a row " (states::age(at, now)) });
            }
        }
    }
    facts
}

fn lag(hop: &Hop, of: &str) -> Option<Markup> {
    let lag = hop.lag_ms?;
    let told = |ms: Option<i64>| ms.map_or_else(|| "?".to_owned(), format::ms);
    Some(html! { span title=(of) { (told(lag.p50)) " p50, " (told(lag.p99)) " p99" } })
}

fn size(bytes: Option<i64>) -> Markup {
    match bytes {
        Some(bytes) => html! { (format::bytes(bytes)) },
        None => states::unknown("PostgreSQL does not tell"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::hops::tests_support::{ago, now, snapshot, well};
    use crate::page::Against;

    const VIEWING: Viewing = Viewing { zone: chrono_tz::UTC, against: Against::Yesterday };

    #[test]
    fn a_box_says_its_state_by_word_and_shape() {
        let mut ops = well();
        ops.relay.as_mut().unwrap().reported_at = ago(98);
        let text = draw(&line(&snapshot(ops), now()), &VIEWING, now()).into_string();
        for part in [
            "id=\"flow.hops\"",
            "hop stopped",
            "■",
            "stopped",
            "07:58:22",
            "hop waits",
            "◌",
            "waits for Relay",
            "30/s",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn rates_are_short() {
        assert_eq!(
            [0.0, 0.25, 9.96, 512.4, 12_345.6].map(per_second),
            ["0/s", "0.2/s", "10.0/s", "512/s", "12,346/s"]
        );
    }
}
