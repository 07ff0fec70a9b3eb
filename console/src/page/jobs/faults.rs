//! Why queries ended, whole.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use crate::api::answer::Proof;
use crate::page::{Viewing, states};
use crate::watch::Snapshot;
use crate::watch::ops::Fault;

pub(super) fn panel(snapshot: &Snapshot, viewing: &Viewing) -> Markup {
    let now = Utc::now();
    let away = snapshot.ops.away.is_some();
    let faults = snapshot.ops.value.as_deref().map(|ops| &ops.standing.faults);
    html! {
        section id="jobs.faults" .panel.span-12 .stale[away && faults.is_some()] {
            header {
                h2 { "Failures" }
                p .panel-note { "the newest 20, with the whole exception" }
                // Each says when it was: an age of all of them would send them anew every second.
                @if away && faults.is_some() {
                    (states::about(&states::looked(&snapshot.ops, "PostgreSQL does not answer", now), &Proof::NONE, viewing, now))
                }
            }
            @match faults {
                Some(faults) => (list(faults.iter(), viewing, now)),
                None => p .note { (states::unknown("not asked yet")) },
            }
        }
    }
}

pub(super) fn list<'a>(
    faults: impl Iterator<Item = &'a Fault>,
    viewing: &Viewing,
    now: DateTime<Utc>,
) -> Markup {
    let faults: Vec<_> = faults.collect();
    html! {
        @if faults.is_empty() {
            p .note { "No query has ended with an exception, as far as is recorded." }
        } @else {
            ul .records {
                @for fault in faults {
                    li data-key=(fault.fault_id) {
                        details {
                            summary {
                                (states::moment(fault.occurred_at, viewing, now))
                                span .tag { (fault.query) }
                                @if let Some(batch) = fault.batch_id { span .muted { "batch " (batch) } }
                                span { (fault.summary) }
                            }
                            pre .code.wrap tabindex="0" { (fault.exception) }
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
    use crate::line::hops::tests_support::{ago, now};
    use crate::page::Against;

    #[test]
    fn an_exception_is_shown_whole_and_as_text() {
        let exception = format!("java.lang.Error: <script>\n{}", "\tat Foo.bar(Foo.scala)\n".repeat(500));
        let fault = Fault { exception, occurred_at: ago(9), ..Fault::default() };
        let viewing = Viewing { zone: chrono_tz::UTC, against: Against::Yesterday };
        let text = list([&fault].into_iter(), &viewing, now()).into_string();
        assert!(text.contains("&lt;script&gt;") && !text.contains("<script>"));
        assert_eq!(text.matches("Foo.bar").count(), 500);
        assert!(list([].into_iter(), &viewing, now()).into_string().contains("No query has ended"));
    }
}
