//! Verification, and the trace of one event: what `storepulse verify` and `storepulse doctor` do.

use std::error::Error;
use std::sync::Mutex;
use std::time::Duration;

use audit::doctor::{self, Examination};
use audit::{Options, Phase, Report};
use chrono::Utc;
use contracts::endpoints::Endpoints;
use contracts::family::{self, CUBE_FAMILY, Family};
use contracts::{Event, validation};
use ingest::rates;
use ingest::store::Store;
use serde_json::json;
use uuid::Uuid;

use super::deed::Intent;
use super::operations::{Kind, Line};
use super::runner::{Outcome, Teller, start};
use crate::access::Operator;
use crate::app::App;
use crate::format;
use crate::problem::Problem;
use crate::shortened::shortened;
use crate::watch::words;

/// How long an event may take from its commit to its row.
const ARRIVES: Duration = Duration::from_secs(60);
/// How many differences are listed.
const LISTED: usize = 20;

/// Begins a verification.
///
/// # Errors
/// Where there is no such family, or it cannot begin.
pub(crate) async fn verify(app: &App, by: &Operator, why: &str, only: Option<&str>) -> Result<Uuid, Problem> {
    let only = only.filter(|only| !only.is_empty()).map(family_of).transpose()?;
    let target = only.map_or("all tables", |family| family.name);
    let intent = Intent { action: Kind::Verify.action(), target, why, detail: json!({}) };
    let endpoints = app.config.endpoints.clone();
    start(app, by, Kind::Verify, intent, move |teller| verified(endpoints, only, teller)).await
}

fn family_of(name: &str) -> Result<&'static Family, Problem> {
    family::families().find(|family| family.name == name).ok_or_else(|| {
        let names: Vec<&str> = family::families().map(|family| family.name).collect();
        Problem::bad_request("bad-choice", format!("{name:?} is no family: use one of {}", names.join(", ")))
    })
}

async fn verified(
    endpoints: Endpoints,
    only: Option<&'static Family>,
    teller: Teller,
) -> Result<Outcome, String> {
    let client = provision::connect(&endpoints.pg_url).await.map_err(|error| words(&error))?;
    let checkpoints = audit::checkpoints_in_force(&client, &endpoints.namespace, CUBE_FAMILY.name)
        .await
        .map_err(|error| words(&error))?;
    let tables = family::tables().filter(|(family, _)| only.is_none_or(|only| only == *family)).count();
    let last = Mutex::new(None::<Phase>);
    let progress = |phase: Phase| {
        let mut last = last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if last.replace(phase) == Some(phase) {
            return;
        }
        teller.tell(|operation| {
            operation.of = u64::try_from(tables).ok();
            operation.done += u64::from(matches!(phase, Phase::Reading { .. }));
            operation.told = phase.to_string();
        });
    };
    let options = Options { only, ..Options::default() };
    let report =
        audit::verify(&endpoints, &checkpoints, options, &progress).await.map_err(|error| words(&error))?;
    Ok(Outcome {
        passed: report.passed(),
        told: shortened(report.to_string().lines().last().unwrap_or_default()),
        lines: lines(&report),
        judged: None,
    })
}

/// The tables, then the rows that differ.
fn lines(report: &Report) -> Vec<Line> {
    let tables = report.tables.iter().map(|table| {
        let count = |rows: usize| format::count(i64::try_from(rows).unwrap_or(i64::MAX));
        let differ = match table.rows_differing {
            0 => String::new(),
            rows => format!(", {} differ", count(rows)),
        };
        let text = format!("{}: {} rows match{differ}", table.table, count(table.rows_verified));
        Line { ok: table.rows_differing == 0, text }
    });
    let differing = report.differences.iter().take(LISTED);
    let differing = differing.map(|row| Line { ok: false, text: shortened(&row.to_string()) });
    let more = report.differences.len().saturating_sub(LISTED);
    let more = (more > 0).then(|| Line { ok: false, text: format!("and {more} more") });
    let biased = report.deviations.iter().filter(|deviation| !deviation.is_acceptable());
    let biased = biased.map(|deviation| Line { ok: false, text: deviation.to_string() });
    tables.chain(differing).chain(more).chain(biased).collect()
}

/// Sends the doctor's event through the same store as every source does.
pub struct ThroughTheStore<'a>(pub &'a str);

impl doctor::Send for ThroughTheStore<'_> {
    async fn send(&mut self) -> Result<Event, Box<dyn Error>> {
        let mut store = Store::connect(self.0).await?;
        let now = Utc::now();
        let draft = doctor::draft(now).ok_or("the doctor's event cannot be made, which is a defect")?;
        let event = validation::accept(draft, doctor::SOURCE, now, &rates::built_in())?.event;
        store.append(std::slice::from_ref(&event)).await?;
        Ok(event)
    }
}

/// Begins to follow an event.
///
/// # Errors
/// Where it cannot begin.
pub(crate) async fn trace(app: &App, by: &Operator, why: &str) -> Result<Uuid, Problem> {
    let intent = Intent { action: Kind::Trace.action(), target: "one event", why, detail: json!({}) };
    let endpoints = app.config.endpoints.clone();
    start(app, by, Kind::Trace, intent, move |teller| traced(endpoints, teller)).await
}

/// What an event passes: [`doctor::Hop`].
const HOPS: u64 = 6;

async fn traced(endpoints: Endpoints, teller: Teller) -> Result<Outcome, String> {
    let examination = Examination { endpoints: &endpoints, query: CUBE_FAMILY.name, timeout: ARRIVES };
    let mut lines = Vec::new();
    let mut sender = ThroughTheStore(&endpoints.pg_url);
    let diagnosis = doctor::examine(&examination, &mut sender, |passed| {
        let ms = i64::try_from(passed.took_ms).unwrap_or(i64::MAX);
        let text = format!("{}, {} ms: {}", passed.hop, format::count(ms), shortened(&passed.detail));
        lines.push(Line { ok: true, text });
        teller.tell(|operation| {
            (operation.done, operation.of) = (operation.done + 1, Some(HOPS));
            operation.told = format!("has passed: {}", passed.hop);
            operation.lines.clone_from(&lines);
        });
    })
    .await;
    let told = match &diagnosis.stopped {
        None => {
            let ms = diagnosis.passed.last().and_then(|last| last.since_commit_ms).unwrap_or_default();
            format!("arrived: {:.1} s from the commit to the row", Duration::from_millis(ms).as_secs_f64())
        }
        Some(stopped) => {
            lines.push(Line { ok: false, text: format!("{}: {}", stopped.hop, shortened(&stopped.why)) });
            format!("stopped at {}: {}", stopped.hop, stopped.advice)
        }
    };
    Ok(Outcome { passed: diagnosis.arrived(), told, lines, judged: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_names_every_family() {
        let names: Vec<&str> = family::families().map(|family| family.name).collect();
        let (last, others) = names.split_last().unwrap();
        let listed = format!("tables: {} or {last}.", others.join(", "));
        assert!(crate::api::described::COMMITTED.contains(&listed), "{listed}");
    }
}
