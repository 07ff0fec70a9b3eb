//! The ledger minute by minute, as it was last drawn up: asked of Cassandra for this page alone.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use maud::{Markup, html};

use crate::app::App;
use crate::format;
use crate::line::ledger::{MinuteView, StageView, minutes_between};
use crate::page::{Viewing, states};

/// How far back.
const MINUTES: i64 = 90;
/// How long Cassandra may take before the page goes without.
const PATIENCE: Duration = Duration::from_millis(400);

pub(super) async fn panel(app: &App, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    let from = now - TimeDelta::minutes(MINUTES);
    let read = tokio::time::timeout(PATIENCE, minutes_between(app.shop.store(), from, now)).await;
    html! {
        section .panel.span-12 {
            header {
                h2 { "Ledger, minute by minute" }
                p .panel-note { "by minute of arrival, as it was last drawn up; the newest first" }
                @if matches!(read, Ok(Ok(_))) { p .asof { "read " (states::age(now, now)) } }
            }
            @match read {
                Ok(Ok(minutes)) if minutes.is_empty() => {
                    div .empty { p { "No minute of the last " (format::stretch(TimeDelta::minutes(MINUTES))) " was drawn up: " code { "storepulse ledger" } " does it." } }
                },
                Ok(Ok(minutes)) => (table(&minutes, viewing)),
                Ok(Err(error)) => { div .away { p { strong { "Cassandra does not answer" } } p .why { (error) } } },
                Err(_) => { div .away { p { strong { "Cassandra does not answer" } } p .why { "no answer within " (PATIENCE.as_millis()) " ms" } } },
            }
        }
    }
}

fn table(minutes: &[MinuteView], viewing: &Viewing) -> Markup {
    html! {
        div .scroll tabindex="0" role="region" aria-label="Ledger, minute by minute" {
            table .data {
                caption .sr { "What became of the records of each minute, by stage" }
                thead {
                    tr {
                        th scope="col" { "minute" }
                        th scope="col" .num { "handed in" }
                        th scope="col" .num { "repeated" }
                        th scope="col" .num { "set aside" }
                        th scope="col" .num { "kept beside" }
                        th scope="col" .num { "stored" }
                        th scope="col" .num { "relayed" }
                        th scope="col" .num { "in figures" }
                        th scope="col" .num { "late" }
                        th scope="col" { "balance" }
                    }
                }
                tbody { @for minute in minutes.iter().rev() { (row(minute, viewing)) } }
            }
        }
    }
}

fn row(minute: &MinuteView, viewing: &Viewing) -> Markup {
    let cell = |stage: &str, count: fn(&StageView) -> i64| {
        let stage = minute.stages.iter().find(|of| of.stage == stage);
        stage.map_or_else(|| "–".to_owned(), |stage| format::count(count(stage)))
    };
    html! {
        tr .bad[!minute.imbalances.is_empty()] {
            th scope="row" { (minute.minute.with_timezone(&viewing.zone).format("%H:%M")) }
            td .num { (cell("ingest", |stage| stage.records_in)) }
            td .num { (cell("ingest", |stage| stage.repeated)) }
            td .num { (cell("ingest", |stage| stage.quarantined)) }
            td .num { (cell("ingest", |stage| stage.other)) }
            td .num { (cell("store", |stage| stage.records_out)) }
            td .num { (cell("relay", |stage| stage.records_out)) }
            td .num { (cell("spark", |stage| stage.records_out)) }
            td .num { (cell("spark", |stage| stage.late - stage.repaired)) }
            td .state {
                @if minute.imbalances.is_empty() { span .ok { "✓ balances" } }
                @for imbalance in &minute.imbalances { span .bad { "✗ " (imbalance) } " " }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::Against;

    #[test]
    fn a_minute_that_does_not_balance_names_its_stage() {
        let stage = StageView {
            stage: "ingest",
            records_in: 1_211,
            records_out: 1_200,
            repeated: 3,
            late: 0,
            quarantined: 1,
            other: 7,
            repaired: 0,
        };
        let minute = MinuteView {
            minute: DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
            stages: vec![stage],
            imbalances: vec!["relay: 1 records were taken, store gave 2".into()],
        };
        let viewing = Viewing { zone: chrono_tz::UTC, against: Against::Yesterday };
        let text = row(&minute, &viewing).into_string();
        for part in ["08:00", "1,211", ">7<", "–", "✗ relay: 1 records"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
