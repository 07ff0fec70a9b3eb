//! Topics: what is in Kafka, and exactly this record.

mod messages;
mod records;
mod topic;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use chrono::Utc;
use maud::{Markup, html};

use super::frame::Frame;
use super::{Viewing, states};
use crate::api::answer::Proof;
use crate::app::App;
use crate::format;
use crate::panel::Panel;
use crate::watch::kafka::{Cleanup, Kind, Subject, SubjectState, Topic, Topics};
use crate::watch::{Snapshot, Source};

/// Its live parts.
pub(crate) const PANELS: &[Panel] = &[Panel {
    id: "topics.table",
    page: "topics",
    sources: &[Source::Kafka],
    draw: |snapshot, viewing| table(snapshot, viewing),
}];

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/topics", get(page)).merge(topic::routes())
}

async fn page(State(app): State<App>, frame: Frame) -> Markup {
    let body = html! {
        h1 { "Topics" }
        p .lead { "What is in Kafka. Open a topic to search its records or to watch them come in. Nothing is written from here." }
        div .grid { (table(&app.watch.snapshot(), &frame.viewing)) }
    };
    frame.page(&app, "topics", "Topics", &body)
}

fn table(snapshot: &Snapshot, viewing: &Viewing) -> Markup {
    let (seen, now) = (&snapshot.kafka, Utc::now());
    html! {
        section id="topics.table" .panel.flush.span-12 .stale[seen.away.is_some() && seen.value.is_some()] {
            header {
                h2 { "Topics" }
                @if let Some(topics) = &seen.value {
                    p .panel-note { (cluster(topics)) }
                    (states::about(&states::looked(seen, "Kafka does not answer", now), &Proof::NONE, viewing, now))
                }
            }
            @if let Some(away) = &seen.away { (states::away("Kafka", away, viewing, now)) }
            @match seen.value.as_deref() {
                Some(topics) if topics.topics.is_empty() => (states::empty("There is no topic yet.", Some("storepulse setup"))),
                Some(topics) => (rows(topics)),
                None if seen.away.is_none() => p .note { "Kafka is being asked: the topics are here in a moment." },
                None => {},
            }
        }
    }
}

fn cluster(topics: &Topics) -> Markup {
    let brokers = topics.brokers;
    html! {
        (brokers) @if brokers == 1 { " broker" } @else { " brokers" } ", "
        @if topics.under_replicated == 0 { "every partition has all its copies" }
        @else { span .bad { (topics.under_replicated) " partitions with copies missing" } }
    }
}

fn rows(topics: &Topics) -> Markup {
    html! {
        div .scroll tabindex="0" role="region" aria-label="Topics" {
            table .data {
                caption .sr { "Topics, how large they are and what they are for" }
                thead {
                    tr {
                        th scope="col" { "topic" }
                        th scope="col" { "what it is for" }
                        th .num scope="col" { "parts" }
                        th .num scope="col" { "records" }
                        th .num scope="col" { "bytes" }
                        th .num scope="col" title="offsets a second, transaction markers included" { "offsets/s" }
                        th scope="col" { "kept" }
                        th scope="col" { "schema" }
                    }
                }
                tbody {
                    @for topic in topics.topics.iter().filter(|topic| topic.kind != Kind::Internal) { (row(topic)) }
                    @for topic in topics.topics.iter().filter(|topic| topic.kind == Kind::Internal) { (row(topic)) }
                }
            }
        }
    }
}

fn row(topic: &Topic) -> Markup {
    html! {
        tr data-key=(topic.name) {
            th .key scope="row" { a href=(path(&topic.name)) { (topic.name) } }
            td .wide {
                @match (topic.doc, topic.kind) {
                    (Some(doc), _) => (doc),
                    (None, Kind::Internal) => span .muted { "Kafka's own" },
                    (None, _) => span .muted { "not of the contract" },
                }
            }
            td .num { (topic.partitions.len()) }
            td .num { (records(topic)) }
            td .num { (bytes(topic.bytes, topic.bytes_why_not.as_deref())) }
            td .num {
                @match topic.offsets_per_s {
                    Some(rate) => (format!("{rate:.0}")),
                    None => (states::unknown("it takes two looks to tell a rate")),
                }
            }
            td .nowrap { (kept(topic)) }
            td { @if let Some(subject) = &topic.subject { (schema(subject)) } }
        }
    }
}

/// Records where they are counted; elsewhere offsets, named as what they are.
fn records(topic: &Topic) -> Markup {
    let records = &topic.records;
    html! {
        @match (records.count, records.offsets) {
            (Some(count), _) => {
                span title="counted by the relay, in the transaction of the records" { (format::count(count)) }
                @if !records.exact { " " span .muted title="retention has removed some of them" { "written" } }
            },
            (None, Some(offsets)) => {
                span .muted title="offsets: transaction markers and compacted records included" { (format::count(offsets)) " offsets" }
            },
            (None, None) => (states::unknown("Kafka did not tell the offsets of every partition")),
        }
    }
}

fn bytes(bytes: Option<i64>, why_not: Option<&str>) -> Markup {
    match bytes {
        Some(bytes) => html! { (format::bytes(bytes)) },
        None => states::unknown(why_not.unwrap_or("the brokers did not tell")),
    }
}

/// For how long records stay, in words.
fn kept(topic: &Topic) -> Markup {
    let cleanup = topic.cleanup();
    html! {
        @match cleanup {
            Some(Cleanup::Deleted(Some(ms))) => (format::ms(ms)),
            Some(Cleanup::Deleted(None)) => "for ever",
            Some(Cleanup::Compacted) => span title="a later record of the same key replaces an earlier one" { "compacted" },
            Some(Cleanup::Both(Some(ms))) => { "compacted, " (format::ms(ms)) },
            Some(Cleanup::Both(None)) => "compacted",
            None => (states::unknown("the brokers did not tell the settings")),
        }
    }
}

fn schema(subject: &Subject) -> Markup {
    let version = subject.version.map(|version| format!(" v{version}")).unwrap_or_default();
    let (class, shape, word) = match subject.state {
        SubjectState::Contract => ("ok", "✓", "is the contract's"),
        SubjectState::Differs => ("warn", "≠", "is not the contract's"),
        SubjectState::Missing => ("bad", "✗", "is not registered"),
        SubjectState::Unknown => ("muted", "?", "cannot be told: the registry does not answer"),
    };
    html! {
        span .nowrap {
            a href={ "/schemas/" (subject.name) } { (subject.name) } (version) " "
            span class=(class) title=(word) { span aria-hidden="true" { (shape) } span .sr { (word) } }
        }
    }
}

/// The address of a topic: Kafka allows nothing in its name that an address would not.
fn path(topic: &str) -> String {
    format!("/topics/{topic}")
}
