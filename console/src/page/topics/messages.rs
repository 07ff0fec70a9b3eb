//! The search of a topic: a form whose address is the search, and what it found.
//!
//! The page's own search ends after two seconds and says where to go on, so that it never seems to hang.

use std::time::Duration;

use chrono::{DateTime, LocalResult, NaiveDateTime, TimeZone as _, Utc};
use maud::{Markup, html};

use super::{path, records};
use crate::app::App;
use crate::assets;
use crate::format;
use crate::page::{Viewing, states};
use crate::topics::asked::Asked;
use crate::topics::condition::CONDITIONS;
use crate::topics::search::{BUDGET, Found, StoppedBy};
use crate::watch::kafka::Topic;

/// How long a search may take before it says how far it came.
const TIME: Duration = Duration::from_secs(2);

/// What the form's own fields mean, as the API's words.
fn asked(mut pairs: Vec<(String, String)>, viewing: &Viewing) -> (Asked, Option<String>) {
    let field =
        |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.trim().to_owned());
    let (at, time, offset) = (field("at"), field("time"), field("offset"));
    let mut wrong = None;
    let at = match at.as_deref() {
        Some("time") => match instant(&time.unwrap_or_default(), viewing) {
            Some(at) => format!("time:{}", at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)),
            None => {
                wrong = Some("Say the time to begin at: a day and a clock time.".to_owned());
                String::new()
            }
        },
        Some("offset") => format!("offset:{}", offset.unwrap_or_default()),
        other => other.unwrap_or_default().to_owned(),
    };
    pairs.retain(|(name, _)| name != "at");
    pairs.push(("at".to_owned(), at));
    (Asked::from_pairs(pairs), wrong)
}

/// A local time as browsers send it, in the viewer's zone; of two that are meant, the earlier.
fn instant(text: &str, viewing: &Viewing) -> Option<DateTime<Utc>> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(at.to_utc());
    }
    let formats = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"];
    let local = formats.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())?;
    match viewing.zone.from_local_datetime(&local) {
        LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => Some(at.to_utc()),
        // A clock time that a change of the clock left out.
        LocalResult::None => None,
    }
}

/// The address of a search; the API's and the page's take the same.
fn address(base: &str, asked: &Asked) -> String {
    let pairs = asked.pairs();
    if pairs.is_empty() {
        return base.to_owned();
    }
    match reqwest::Url::parse_with_params("http://console/", pairs) {
        Ok(url) => format!("{base}?{}", url.query().unwrap_or_default()),
        Err(_) => base.to_owned(),
    }
}

/// The whole tab.
pub(super) async fn tab(
    app: &App,
    viewing: &Viewing,
    name: &str,
    topic: Option<&Topic>,
    pairs: Vec<(String, String)>,
    away: bool,
) -> Markup {
    let (asked, wrong) = asked(pairs, viewing);
    let answer = match wrong {
        Some(wrong) => Err(wrong),
        // It is known already, and to ask would only keep the page waiting.
        None if away => Err("Nothing is searched while Kafka does not answer.".to_owned()),
        None => match asked.search(name, TIME) {
            Ok(search) => {
                app.browser.search(search).await.map_err(|error| format::capital(&error.to_string()))
            }
            Err(problem) => Err(format::capital(problem.detail())),
        },
    };
    let partitions = topic.map_or(0, |topic| topic.partitions.len());
    html! {
        section .panel {
            (form(name, &asked, viewing, partitions))
            (tail(name, &asked))
            @match &answer {
                Ok(found) => (result(name, &asked, found, viewing)),
                Err(why) => div .notice.bad role="alert" { p { (why) } },
            }
        }
        script type="module" src=(assets::path("tail.js")) {}
    }
}

fn form(name: &str, asked: &Asked, viewing: &Viewing, partitions: usize) -> Markup {
    let (word, place) = asked.at.split_once(':').unwrap_or((&asked.at, ""));
    let time = DateTime::parse_from_rfc3339(place)
        .ok()
        .map(|at| at.with_timezone(&viewing.zone).format("%Y-%m-%dT%H:%M:%S").to_string());
    let offset = if word == "offset" { place } else { "" };
    let kept = |index: usize| asked.conditions.get(index).map_or("", String::as_str);
    html! {
        form .bar action=(path(name)) method="get" {
            label { "from"
                select name="at" {
                    @for (value, text) in [("newest", "newest"), ("oldest", "oldest"), ("time", "a time"), ("offset", "an offset")] {
                        option value=(value) selected[value == word] { (text) }
                    }
                }
            }
            label { "time, " (viewing.zone.name()) input type="datetime-local" step="1" name="time" value=[time]; }
            label { "offset" input name="offset" size="10" placeholder="0/118" value=(offset) pattern="[0-9]+/[0-9]+" title="partition/offset, as in 0/118"; }
            label { "partition"
                select name="partition" {
                    option value="" { "all" }
                    @for id in 0..partitions { option value=(id) selected[asked.partition == id.to_string()] { (id) } }
                }
            }
            label .wide { "key" input name="key" value=(asked.key) placeholder="whole, as in the records" autocomplete="off"; }
            label .wide { "where" input name="where" value=(kept(0)) list="conditions" placeholder="event_name = purchase" autocomplete="off"; }
            @for index in 1..CONDITIONS {
                @if !kept(index).is_empty() { label .wide { "and" input name="where" value=(kept(index)) list="conditions" autocomplete="off"; } }
            }
            @if (1..CONDITIONS).any(|index| kept(index).is_empty()) {
                details .more.wide {
                    summary { "and …" }
                    @for index in 1..CONDITIONS {
                        @if kept(index).is_empty() {
                            label .wide { "and where" input name="where" list="conditions" placeholder="amount_base >= 100" autocomplete="off"; }
                        }
                    }
                }
            }
            datalist id="conditions" {
                option value="event_name = purchase" {}
                option value="country = CH" {}
                option value="amount_base >= 100" {}
                option value="item_name contains Lamp" {}
                option value="brand exists" {}
            }
            @if !asked.like.is_empty() { input type="hidden" name="like" value=(asked.like); }
            button .primary { "Search" }
            a .button.quiet href=(path(name)) { "Clear" }
        }
        @if !asked.like.is_empty() {
            p .note { "Records with the key of " code { (asked.like) } ". " a href=(address(&path(name), &Asked { like: String::new(), ..asked.clone() })) { "any key" } }
        }
    }
}

/// Shown by the script that can fill it.
fn tail(name: &str, asked: &Asked) -> Markup {
    let conditions = Asked { conditions: asked.conditions.clone(), ..Asked::default() };
    html! {
        div #tail data-tail=(address(&format!("{}/tail", path(name)), &conditions)) data-kept hidden {
            div .row {
                button type="button" data-tail-button aria-pressed="false" { "Tail" }
                p .note data-tail-state aria-live="off" { "Follows what comes in that meets the conditions, from now on." }
            }
            ol .records data-tail-rows aria-label="Records that came in" hidden {}
        }
    }
}

fn result(name: &str, asked: &Asked, found: &Found, viewing: &Viewing) -> Markup {
    let now = Utc::now();
    let count = |number: u64| format::count(i64::try_from(number).unwrap_or(i64::MAX));
    let why = match found.stopped_by {
        StoppedBy::Limit => "as many as were asked for",
        StoppedBy::Budget if found.scanned >= BUDGET => "so many records are read at a time",
        StoppedBy::Budget => "so long is read at a time",
        StoppedBy::End => "there are no more",
    };
    let next = found
        .cursor
        .as_ref()
        .map(|cursor| address(&path(name), &Asked { cursor: cursor.clone(), ..asked.clone() }));
    html! {
        div #found {
            p .note role="status" {
                "Read " (count(found.scanned)) " records in " (format::ms(i64::try_from(found.took_ms).unwrap_or(i64::MAX))) ": "
                strong { (found.records.len()) " found" } ". It ended because: " (why) "."
                @if found.not_judged > 0 {
                    " " span .warn { (count(found.not_judged)) " could not be judged: not decodable, or of a schema whose fields are shut." }
                }
            }
            @for note in &found.notes { p .note.warn { (format::capital(note)) "." } }
            @if found.records.is_empty() {
                @if next.is_some() { (states::empty("Nothing among the records that were read. The search can go on from there.", None)) }
                @else { (states::empty("No record meets this.", None)) }
            } @else {
                ol .records aria-label="Records found" {
                    @for record in &found.records { (records::item(name, record, viewing, now)) }
                }
            }
            p .row {
                @if let Some(next) = &next { a .button href=(next) rel="next" { "Go on from here" } }
                a href=(address(&path(name), asked)) { "link to this search" }
                a href=(address(&format!("/api/v1{}/messages", path(name)), asked)) { "as JSON" }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::Against;

    fn viewing() -> Viewing {
        Viewing { zone: chrono_tz::Europe::Zurich, against: Against::Yesterday }
    }

    fn at(pairs: &[(&str, &str)]) -> String {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        asked(pairs, &viewing()).0.at
    }

    #[test]
    fn a_clock_time_is_of_the_viewers_zone() {
        assert_eq!(at(&[("at", "time"), ("time", "2026-11-28T11:00")]), "time:2026-11-28T10:00:00Z");
        assert_eq!(
            at(&[("at", "time"), ("time", "2026-10-25T02:30:05")]),
            "time:2026-10-25T00:30:05Z",
            "the earlier"
        );
        assert_eq!(at(&[("at", "offset"), ("offset", "2/118")]), "offset:2/118");
        assert_eq!(at(&[("at", "time:2026-11-28T10:00:00Z")]), "time:2026-11-28T10:00:00Z");
        let skipped =
            asked(vec![("at".into(), "time".into()), ("time".into(), "2026-03-29T02:30".into())], &viewing());
        assert!(skipped.1.is_some(), "this clock time is left out");
    }

    #[test]
    fn an_address_holds_the_whole_search() {
        let asked = Asked {
            at: "newest".into(),
            conditions: vec!["item_name contains a&b".into(), "amount_base >= 1".into()],
            ..Asked::default()
        };
        let address = address("/topics/t", &asked);
        assert_eq!(address, "/topics/t?at=newest&where=item_name+contains+a%26b&where=amount_base+%3E%3D+1");
    }
}
