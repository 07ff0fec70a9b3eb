//! The ledger: what came in lately, and whether every record was accounted for when it was last drawn up.

use audit::Stage;
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use serde_json::Value;

use crate::format;
use crate::page::with_code;
use crate::page::{Viewing, states};
use crate::watch::Snapshot;
use crate::watch::ops::{Minute, Verification};

/// What ingestors counted, minute by minute.
pub(super) fn arrivals(snapshot: &Snapshot, viewing: &Viewing) -> Markup {
    let now = Utc::now();
    let reported = super::reported(snapshot, now);
    let away = snapshot.ops.away.is_some();
    // Of what was empty while PostgreSQL answered nobody knows whether it still is.
    let ops = snapshot.ops.value.as_deref().filter(|ops| !(away && ops.minutes.is_empty()));
    html! {
        section id="flow.arrivals" .panel.span-5 .stale[ops.is_some() && states::stale(&reported)] {
            header {
                h2 { "Arrivals" }
                p .panel-note { "by minute of arrival, last 15 minutes" }
                @if ops.is_some() { (super::about(&reported, viewing, now)) }
            }
            @match ops {
                Some(ops) if ops.minutes.is_empty() => (states::empty("Nothing has come in for 15 minutes.", Some("storepulse simulate"))),
                // A minute that was not over when it was counted is not whole, however long ago that was.
                Some(ops) => (table(&ops.minutes, viewing, ops.at)),
                None => (super::absent(snapshot)),
            }
        }
    }
}

/// The minutes as they were counted at a moment.
fn table(minutes: &[Minute], viewing: &Viewing, counted_at: DateTime<Utc>) -> Markup {
    html! {
        div .scroll tabindex="0" role="region" aria-label="Arrivals by minute" {
            table .data {
                caption .sr { "Records by minute of arrival, the newest first" }
                thead {
                    tr {
                        th scope="col" { "minute" }
                        th scope="col" .num { "in" }
                        th scope="col" .num { "stored" }
                        th scope="col" .num { "repeated" }
                        th scope="col" .num { "set aside" }
                        th scope="col" .num { "kept beside" }
                    }
                }
                tbody {
                    @for minute in minutes.iter().rev() {
                        @let open = counted_at - minute.minute < chrono::TimeDelta::minutes(1);
                        tr .open[open] data-key=(minute.minute.timestamp()) {
                            th scope="row" {
                                (minute.minute.with_timezone(&viewing.zone).format("%H:%M"))
                                @if open { span .muted { " not over" } }
                            }
                            td .num { (format::count(minute.counts.records_in)) }
                            td .num { (format::count(minute.counts.records_out)) }
                            td .num { (format::count(minute.counts.repeated)) }
                            td .num { (format::count(minute.counts.quarantined)) }
                            td .num { (format::count(minute.counts.other)) }
                        }
                    }
                }
            }
        }
    }
}

/// The last time the ledger was drawn up.
pub(super) fn panel(snapshot: &Snapshot, viewing: &Viewing) -> Markup {
    let now = Utc::now();
    let away = snapshot.ops.away.is_some();
    let last = snapshot.ops.value.as_deref().map(|ops| ops.verification("ledger"));
    html! {
        section id="flow.ledger" .panel.span-7 .stale[away && last.flatten().is_some()] {
            header {
                h2 { "Ledger" }
                p .panel-note { "at every stage, in = out + repeated + late + set aside + kept beside" }
                // Else the verdict says of when it is.
                @if away && last.flatten().is_some() { (super::about(&super::reported(snapshot, now), viewing, now)) }
            }
            @match last {
                Some(Some(ledger)) => (verdict(ledger, viewing, now)),
                Some(None) => { div .empty { p { "No ledger was drawn up yet: " (with_code("`storepulse ledger` draws one up")) "." } } },
                None => (super::absent(snapshot)),
            }
        }
    }
}

fn verdict(ledger: &Verification, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    html! {
        p {
            @if ledger.passed {
                strong .ok { "✓ It balances" }
            } @else {
                strong .bad { "✗ It does not balance: " (format::count(ledger.differing)) @if ledger.differing == 1 { " difference" } @else { " differences" } }
            }
            ", counts of " (states::moment(ledger.snapshot_at, viewing, now)) ", " (states::age(ledger.snapshot_at, now))
            @if ledger.late_outstanding > 0 { "; " (format::count(ledger.late_outstanding)) " late records wait for reconciliation" }
            @if ledger.open_rows > 0 { "; " (format::count(ledger.open_rows)) " minutes were open" }
            "."
        }
        @if !ledger.differences.is_empty() {
            ul .history {
                @for difference in &ledger.differences {
                    li data-key={ (difference.table) (difference.row) (difference.text) } {
                        code { (difference.row) } span .bad { (difference.text) }
                    }
                }
            }
        }
        (stages(ledger))
    }
}

fn stages(ledger: &Verification) -> Markup {
    let of = |stage: &str, count: &str| {
        ledger.compared.get(stage).and_then(|counts| counts.get(count)).and_then(Value::as_i64)
    };
    let cell = |stage: &str, count: &str| match of(stage, count) {
        Some(count) => html! { (format::count(count)) },
        None => html! { "–" },
    };
    html! {
        div .scroll tabindex="0" role="region" aria-label="Ledger by stage" {
            table .data {
                caption .sr { "What became of every record, by stage" }
                thead {
                    tr {
                        th scope="col" { "stage" }
                        th scope="col" .num { "minutes" }
                        th scope="col" .num { "in" }
                        th scope="col" .num { "out" }
                        th scope="col" .num { "repeated" }
                        th scope="col" .num { "late" }
                        th scope="col" .num { "set aside" }
                        th scope="col" .num { "kept beside" }
                    }
                }
                tbody {
                    @for stage in Stage::ALL.map(Stage::name) {
                        tr data-key=(stage) {
                            th scope="row" { (stage) }
                            @for count in ["minutes", "in", "out", "repeated", "late", "quarantined", "other"] { td .num { (cell(stage, count)) } }
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
    use crate::line::hops::tests_support::{ago, away, now, snapshot, well};
    use crate::page::Against;
    use crate::watch::ops::reports::Counts;
    use crate::watch::ops::{Difference, Ops};

    const VIEWING: Viewing = Viewing { zone: chrono_tz::UTC, against: Against::Yesterday };

    #[test]
    fn while_postgresql_is_away_arrivals_are_grey_and_say_of_when_they_are() {
        let counts = Counts { records_in: 1_234, records_out: 1_234, ..Counts::default() };
        let minutes = vec![Minute { minute: ago(30), counts }];
        let well = snapshot(Ops { minutes, ..well() });
        let text = arrivals(&well, &VIEWING).into_string();
        assert!(text.contains("1,234") && text.contains("not over") && !text.contains("stale"), "{text}");
        let gone = Snapshot { ops: away(well.ops.clone(), 9, "no answer within 2 s"), ..well };
        let text = arrivals(&gone, &VIEWING).into_string();
        // The minute was not over when it was counted: its count stays part of one.
        for part in ["span-5 stale", "as of ", "ago</time>: PostgreSQL does not answer<", "1,234", "not over"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn that_nothing_came_is_not_said_while_postgresql_is_away() {
        let well = snapshot(well());
        assert!(arrivals(&well, &VIEWING).into_string().contains("Nothing has come in"));
        let gone = Snapshot { ops: away(well.ops.clone(), 9, "no answer within 2 s"), ..well };
        let text = arrivals(&gone, &VIEWING).into_string();
        assert!(text.contains("not known") && !text.contains("Nothing has come in"), "{text}");
    }

    #[test]
    fn an_imbalance_names_stage_and_minute() {
        let difference = Difference {
            table: "pipeline_ledger".into(),
            row: "2027-01-15T07:59:00Z".into(),
            text: "relay: 1 records were taken, store gave 2".into(),
        };
        let ledger = Verification {
            snapshot_at: ago(60),
            differences: vec![difference],
            differing: 1,
            compared: [("ingest".to_owned(), serde_json::json!({"minutes": 3, "in": 1_204, "out": 1_204}))]
                .into(),
            ..Verification::default()
        };
        let text = verdict(&ledger, &VIEWING, now()).into_string();
        for part in [
            "does not balance: 1 difference",
            "relay: 1 records",
            "2027-01-15T07:59:00Z",
            "store gave 2",
            "1,204",
            "–",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
