//! One record: a line that opens to all of it.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use crate::format;
use crate::page::{Viewing, states};
use crate::topics::record::{Field, Format, Record};

use super::path;

/// How many fields the line shows, and how much of each.
const SHOWN: usize = 6;
const CHARACTERS: usize = 28;
/// Fields that tell most come first in the line.
const FIRST: [&str; 9] =
    ["event_name", "country", "item_name", "amount_base", "device", "reason", "source", "minute", "produced"];

/// A record among others.
pub(super) fn item(topic: &str, record: &Record, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    let place = format!("{}/{}", record.partition, record.offset);
    html! {
        li data-key=(place) {
            details {
                summary {
                    span .mono { (place) }
                    @if let Some(at) = record.at { span .nowrap { (states::moment(at, viewing, now)) " (" (states::age(at, now)) ")" } }
                    @if let Some(key) = &record.key { span .muted { "key " span .mono { (key) } } }
                    (line(record))
                }
                (whole(topic, record, viewing, now))
            }
        }
    }
}

/// What can be said of it in a line.
fn line(record: &Record) -> Markup {
    let told = |field: &&Field| field.text.is_some() && !field.shut;
    let by_name = |name: &str| record.fields.iter().find(|field| field.name == name);
    let mut shown: Vec<&Field> = FIRST.iter().filter_map(|name| by_name(name)).filter(told).collect();
    if shown.is_empty() {
        shown = record.fields.iter().filter(told).collect();
    }
    html! {
        @match (record.format, &record.why_not) {
            (Format::Tombstone, _) => span .tag { "null: removes its key" },
            (_, Some(why)) => { span .tag.warn { "not decoded" } span .muted { (why) } },
            _ if shown.is_empty() => span .muted { "all fields are shut" },
            _ => @for field in shown.into_iter().take(SHOWN) {
                @let text = field.text.as_deref().unwrap_or_default();
                span .clip title=(field.name) { (short(text)) }
            },
        }
    }
}

fn short(text: &str) -> String {
    match text.char_indices().nth(CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// All that is shown of it.
fn whole(topic: &str, record: &Record, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    let (partition, offset) = (record.partition, record.offset);
    html! {
        div {
            @if !record.fields.is_empty() {
                table .data {
                    caption .sr { "Fields of the record at " (partition) "/" (offset) }
                    thead { tr { th scope="col" { "field" } th scope="col" { "value" } } }
                    tbody {
                        @for field in record.fields.iter().filter(|field| !null(field)) {
                            tr { th .key scope="row" { (field.name) } td .key { (value(field, viewing, now)) } }
                        }
                    }
                }
            }
            @if record.fields.iter().any(null) {
                p .note { "null: " (record.fields.iter().filter(|field| null(field)).map(|field| field.name.as_str()).collect::<Vec<_>>().join(", ")) }
            }
            @if let Some(why) = &record.why_not { p { span .warn { "Not decoded: " } (why) "." } }
            dl .facts {
                dt { "format" } dd { (format_name(record.format)) @if let Some(id) = record.schema_id { ", schema " (id) } }
                dt { "size" } dd { (format::bytes(i64::try_from(record.size_bytes).unwrap_or(i64::MAX))) }
                @if let Some(at) = record.at { dt { "time" } dd { (at.with_timezone(&viewing.zone).to_rfc3339_opts(chrono::SecondsFormat::Millis, true)) " (" (states::age(at, now)) ")" } }
                @for (name, value) in &record.headers { dt { "header " (name) } dd .mono { (value) } }
            }
            @if !record.shut.is_empty() {
                p .note { "Shut, in whole or in part, because it tells of a person or nothing is known of it: " (record.shut.join(", ").replace('*', "the whole value")) "." }
            }
            @if !record.hex.is_empty() {
                details .more { summary { "first bytes" } pre .code { (spaced(&record.hex)) " …" } }
            }
            p .row {
                @if record.key.is_some() {
                    a href={ (path(topic)) "?at=offset:" (partition) "/" (offset + 1) "&like=" (partition) "/" (offset) } { "next of this key" }
                    a href={ (path(topic)) "?at=newest&like=" (partition) "/" (offset) "&cursor=" (partition) ":" (offset) } { "earlier of this key" }
                }
                a href={ (path(topic)) "?at=offset:" (partition) "/" (offset) } { "from here on" }
            }
        }
    }
}

fn null(field: &Field) -> bool {
    field.text.is_none() && !field.shut
}

fn value(field: &Field, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    html! {
        @match (&field.text, field.shut) {
            (None, _) => span .tag { "shut" },
            (Some(text), shut) => {
                (text)
                @if shut { " " span .tag { "shut" } }
                @if let Some(at) = field.instant {
                    " " span .muted { (states::moment(at, viewing, now)) ", " (states::age(at, now)) }
                }
            },
        }
    }
}

const fn format_name(format: Format) -> &'static str {
    match format {
        Format::Avro => "Avro",
        Format::Tombstone => "nothing (a tombstone)",
        Format::Json => "JSON",
        Format::Text => "text",
        Format::Bytes => "bytes",
    }
}

/// Bytes apart, as a dump shows them.
fn spaced(hex: &str) -> String {
    hex.as_bytes().chunks(2).map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_stand_apart_and_texts_are_short() {
        assert_eq!(spaced("0000ff"), "00 00 ff");
        assert_eq!(short(&"ä".repeat(40)).chars().count(), CHARACTERS + 1);
    }
}
