//! One topic: its records, partitions and settings.

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chrono::Utc;
use maud::{Markup, html};

use super::{bytes, messages, path, records, schema};
use crate::api::topics::follow;
use crate::app::App;
use crate::format;
use crate::page::frame::Frame;
use crate::page::{Viewing, states};
use crate::problem::Problem;
use crate::topics::asked::Asked;
use crate::topics::tail::Rows;
use crate::watch::Snapshot;
use crate::watch::kafka::{Partition, Topic};

pub(super) fn routes() -> Router<App> {
    Router::new().route("/topics/{topic}", get(page)).route("/topics/{topic}/tail", get(tail))
}

/// The tabs, with their words in the address.
const TABS: [(&str, &str); 3] =
    [("messages", "Messages"), ("partitions", "Partitions"), ("settings", "Settings")];

async fn page(
    State(app): State<App>,
    frame: Frame,
    Path(name): Path<String>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let snapshot = app.watch.snapshot();
    let known = snapshot.kafka.value.as_deref().map(|topics| topics.get(&name));
    // Away or not asked yet, a topic may be there; not among those that are known, it may have been made just
    // now.
    if let Some(None) = known
        && !app.browser.has(&name).await?
    {
        return Err(Problem::not_found(format!("there is no topic {name:?}")));
    }
    let topic = known.flatten();
    let tab = pairs.iter().find(|(key, _)| key == "tab").map_or("messages", |(_, tab)| tab.as_str());
    let content = match tab {
        "partitions" => partitions(topic),
        "settings" => settings(topic),
        _ => {
            let away = snapshot.kafka.away.is_some();
            messages::tab(&app, &frame.viewing, &name, topic, pairs.clone(), away).await
        }
    };
    let body = html! {
        nav .crumbs aria-label="Where you are" { a href="/topics" { "Topics" } }
        h1 { (name) }
        (lead(topic, &snapshot, &frame.viewing))
        nav .tabs aria-label="Parts of this topic" {
            @for (word, title) in TABS {
                a href={ (path(&name)) "?tab=" (word) } aria-current=[(word == tab).then_some("page")] { (title) }
            }
        }
        (content)
    };
    Ok(frame.page(&app, "topics.one", &name, &body).into_response())
}

fn lead(topic: Option<&Topic>, snapshot: &Snapshot, viewing: &Viewing) -> Markup {
    html! {
        @if let Some(away) = &snapshot.kafka.away { (states::away("Kafka", away, viewing, Utc::now())) }
        @if let Some(topic) = topic {
            @if let Some(doc) = topic.doc { p .lead { (format::sentence(doc)) } }
            p .note {
                (records(topic)) @if topic.records.count.is_some() { " records" } " · " (bytes(topic.bytes, topic.bytes_why_not.as_deref()))
                @if let Some(key) = topic.key { " · key: " (key) }
                @if let Some(subject) = &topic.subject { " · schema: " (schema(subject)) }
            }
        }
    }
}

fn not_asked() -> Markup {
    html! { p .note { "Kafka has not told yet what it knows of this topic." } }
}

fn partitions(topic: Option<&Topic>) -> Markup {
    let Some(topic) = topic else { return not_asked() };
    html! {
        section .panel.flush {
            header {
                h2 { "Partitions" }
                p .panel-note { "Offsets are no counts: transaction markers and compacted records have some too." }
            }
            div .scroll tabindex="0" role="region" aria-label="Partitions" {
                table .data {
                    caption .sr { "Partitions of " (topic.name) }
                    thead {
                        tr {
                            th .num scope="col" { "partition" }
                            th .num scope="col" { "first offset" }
                            th .num scope="col" title="what is committed ends before it" { "last stable offset" }
                            th .num scope="col" { "bytes" }
                            th .num scope="col" { "leader" }
                            th scope="col" { "copies" }
                            th scope="col" { "in step" }
                            th scope="col" { span .sr { "records" } }
                        }
                    }
                    tbody { @for partition in &topic.partitions { (partition_row(topic, partition)) } }
                }
            }
        }
    }
}

fn partition_row(topic: &Topic, partition: &Partition) -> Markup {
    let offset = |offset: Option<i64>| match offset {
        Some(offset) => html! { (format::count(offset)) },
        None => states::unknown("its leader did not tell"),
    };
    let brokers = |ids: &[i32]| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    html! {
        tr {
            th .num scope="row" { (partition.id) }
            td .num { (offset(partition.low)) }
            td .num { (offset(partition.last_stable)) }
            td .num { (bytes(partition.bytes, topic.bytes_why_not.as_deref())) }
            td .num {
                @match partition.leader {
                    Some(leader) => (leader),
                    None => span .bad { "nobody" },
                }
            }
            td { (brokers(&partition.replicas)) }
            td {
                span .bad[partition.in_sync.len() < partition.replicas.len()] { (brokers(&partition.in_sync)) }
                @if partition.in_sync.len() < partition.replicas.len() { " " span .tag.bad { "copies missing" } }
            }
            td { a href={ (path(&topic.name)) "?partition=" (partition.id) } { "newest records" } }
        }
    }
}

fn settings(topic: Option<&Topic>) -> Markup {
    let Some(topic) = topic else { return not_asked() };
    let (own, usual): (Vec<_>, Vec<_>) = topic.settings.iter().partition(|setting| setting.own);
    let list = |settings: &[&crate::watch::kafka::Setting], what: &str| {
        html! {
            div .scroll tabindex="0" role="region" aria-label=(what) {
                table .data {
                    caption .sr { (what) " of " (topic.name) }
                    thead { tr { th scope="col" { "setting" } th scope="col" { "value" } th scope="col" { "that is" } } }
                    tbody {
                        @for setting in settings {
                            tr {
                                th .key scope="row" { (setting.name) }
                                td .key { @match &setting.value { Some(value) => (value), None => span .muted { "kept secret" } } }
                                td .muted { (meaning(&setting.name, setting.value.as_deref())) }
                            }
                        }
                    }
                }
            }
        }
    };
    html! {
        section .panel.flush {
            header { h2 { "Settings" } p .panel-note { "set for this topic" } }
            @if topic.settings.is_empty() { p .note { "The brokers did not tell the settings." } }
            @else if own.is_empty() { p .note { "None is set: all are the brokers' defaults." } }
            @else { (list(&own, "Settings set for this topic")) }
            @if !usual.is_empty() {
                details .more { summary { "the " (usual.len()) " that are the brokers' defaults" } (list(&usual, "Default settings")) }
            }
        }
    }
}

/// A setting's value as people say it.
fn meaning(name: &str, value: Option<&str>) -> String {
    let Some(number) = value.and_then(|value| value.parse::<i64>().ok()) else { return String::new() };
    match number {
        -1 if name.starts_with("retention.") => "no limit".to_owned(),
        0..=10_000_000_000_000 if name.ends_with(".ms") => format::ms(number),
        1_024.. if name.ends_with(".bytes") => format::bytes(number),
        _ => String::new(),
    }
}

/// Records as they come in, as the rows that the page shows.
async fn tail(
    State(app): State<App>,
    frame: Frame,
    Path(name): Path<String>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let Frame { visitor, viewing, .. } = frame;
    let topic = name.clone();
    let write = move |rows: &Rows| {
        let now = Utc::now();
        // The newest stands on top.
        let rendered = html! {
            @for record in rows.records.iter().rev() { (super::records::item(&topic, record, &viewing, now)) }
        };
        let html = rendered.into_string();
        serde_json::json!({ "html": html, "skipped": rows.skipped, "ended": rows.ended }).to_string()
    };
    follow(&app, visitor, &name, &Asked::from_pairs(pairs), write).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_said_as_people_say_them() {
        assert_eq!(meaning("retention.ms", Some("604800000")), "7\u{a0}d");
        assert_eq!(meaning("retention.bytes", Some("-1")), "no limit");
        assert_eq!(meaning("segment.bytes", Some("1073741824")), "1\u{a0}GiB");
        assert_eq!(meaning("flush.ms", Some("9223372036854775807")), "");
        assert_eq!(meaning("cleanup.policy", Some("delete")), "");
    }
}
