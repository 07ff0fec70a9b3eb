//! One record in quarantine, without its bytes.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::reasons::meaning;
use super::table::state;
use crate::format;
use crate::page::Viewing;
use crate::page::states;
use crate::quarantine_records::Record;
use contracts::printable::printable_name;

/// Everything that may be shown of it.
pub(super) fn panel(record: &Record, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    html! {
        section .panel {
            header { h2 { "Record" } }
            dl .facts {
                dt { "State" } dd { (state(record)) }
                dt { "Reason" }
                dd { strong { (printable_name(&record.reason)) } @if let Some(meaning) = meaning(&record.reason) { ": " (meaning) } }
                dt { "Field" }
                dd { @match &record.field { Some(field) => code { (field) }, None => span .muted { "no single one" } } }
                dt { "Set aside" }
                dd { (states::moment(record.quarantined_at, viewing, now)) " (" (states::age(record.quarantined_at, now)) ")" }
                dt { "Source" } dd { code { bdi { (printable_name(&record.source)) } } }
                dt { "Coordinates" } dd { code { bdi { (printable_name(&record.coordinates)) } } }
                dt { "Size" } dd { (format::count(record.size_bytes)) " bytes" }
                dt { "SHA-256" } dd { code { (record.sha256) } }
                dt { "Judged again" } dd { (judged_again(record, viewing, now)) }
            }
        }
        section .panel {
            header { h2 { "Its bytes" } }
            p .note {
                "The bytes, and the whole text of what is wrong, may hold personal data: they are shown to an operator who says why, "
                "on this page or in a terminal."
            }
            (commands(record))
        }
    }
}

fn judged_again(record: &Record, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    html! {
        @match (record.replayed_at, record.outcome.as_deref()) {
            (Some(at), Some(outcome)) => {
                (states::moment(at, viewing, now)) ": " (outcome)
                @if let Some(reason) = &record.outcome_reason { " for " (printable_name(reason)) }
            },
            _ => "never",
        }
    }
}

fn commands(record: &Record) -> Markup {
    let place = shell(&record.source).zip(shell(&record.coordinates));
    html! {
        @match place {
            Some((source, coordinates)) => {
                pre .code tabindex="0" role="region" aria-label="Commands" { code {
                    "storepulse quarantine show -- " (source) " " (coordinates) "\n"
                    @if record.is_open() {
                        "storepulse quarantine replay --dry-run --source=" (source) " --coordinates=" (coordinates) "\n"
                        "storepulse quarantine replay --source=" (source) " --coordinates=" (coordinates) "\n"
                    }
                } }
            },
            None => {
                p .note {
                    "Its name holds characters that a terminal does not show, so no command is written here. "
                    "Choose it by its reason: "
                    code { "storepulse quarantine list --reason " (printable_name(&record.reason)) }
                }
            },
        }
    }
}

/// A word of a command; nothing where it holds what a terminal does not show.
fn shell(text: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._/:#@%+=,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return Some(text.to_owned());
    }
    // A backslash is written twice on pages; within quotes it is itself.
    (printable_name(&text.replace('\\', "")) == text.replace('\\', ""))
        .then(|| format!("'{}'", text.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_command_are_quoted_where_they_must_be() {
        assert_eq!(shell("shop.events.g1").as_deref(), Some("shop.events.g1"));
        assert_eq!(shell("row 18").as_deref(), Some("'row 18'"));
        assert_eq!(shell("a'; rm -rf /").as_deref(), Some(r"'a'\''; rm -rf /'"));
        assert_eq!(shell("$(x)\\").as_deref(), Some("'$(x)\\'"));
        assert_eq!(shell("a\u{202e}b"), None);
        assert_eq!(shell("a\nb"), None);
    }
}
