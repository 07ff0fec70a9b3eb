//! The bytes of a record in quarantine, and the whole text of what is wrong with it: read with the owner's
//! rights, for one who says why.

use ingest::quarantine::{Payload, describe};
use ingest::store::{Filter, Store};
use serde::Serialize;
use serde_json::json;
use tokio::runtime::Handle;

use super::Deed;
use super::deed::Intent;
use crate::access::Operator;
use crate::app::App;
use crate::problem::Problem;
use crate::watch::words;
use contracts::printable::printable_name;

/// Of what is shown, in characters: a record may be megabytes.
const SHOWN: usize = 256 * 1024;

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct Shown {
    pub(crate) source: String,
    pub(crate) coordinates: String,
    /// The whole of what is wrong.
    pub(crate) detail: String,
    /// What its bytes are; nothing where none are kept.
    pub(crate) form: Option<&'static str>,
    /// Its bytes, decoded where that can be done, else as lines of hex.
    pub(crate) text: Option<String>,
}

/// Reads them; that they were asked for is in the log before, and that they were shown after.
///
/// # Errors
/// Where there is no such record, or PostgreSQL does not answer.
pub(crate) async fn show(
    app: &App,
    by: &Operator,
    why: &str,
    source: &str,
    coordinates: &str,
) -> Result<Shown, Problem> {
    let target: String =
        format!("{} {}", printable_name(source), printable_name(coordinates)).chars().take(400).collect();
    let intent = Intent { action: "quarantine-show", target: &target, why, detail: json!({}) };
    let deed = Deed::intend(app, by, intent).await?;
    let (pg_url, of) = (app.config.endpoints.pg_url.clone(), (source.to_owned(), coordinates.to_owned()));
    let looked = tokio::task::spawn_blocking(move || Handle::current().block_on(read(&pg_url, &of.0, &of.1)));
    match looked.await.unwrap_or_else(|_| Err(Problem::failed())) {
        Ok(shown) => {
            deed.done(json!({ "form": shown.form })).await;
            Ok(shown)
        }
        Err(problem) => {
            deed.failed(problem.told()).await;
            Err(problem)
        }
    }
}

async fn read(pg_url: &str, source: &str, coordinates: &str) -> Result<Shown, Problem> {
    let away = |error| Problem::store_away("postgresql", words(&error));
    if source.contains('\0') || coordinates.contains('\0') {
        return Err(Problem::not_found("no source and no coordinates hold a NUL character"));
    }
    let mut store = Store::connect(pg_url).await.map_err(away)?;
    let filter = Filter {
        source: Some(source.to_owned()),
        coordinates: Some(coordinates.to_owned()),
        ..Filter::default()
    };
    let found = store.quarantined_after(&filter, &Default::default(), 1).await.map_err(away)?.pop();
    let (record, payload) = found.ok_or_else(|| {
        Problem::not_found("nothing of that source and at these coordinates is in quarantine")
    })?;
    let (form, text) = payload.map(|bytes| told(describe(&bytes))).unzip();
    Ok(Shown { source: record.source, coordinates: record.coordinates, detail: record.detail, form, text })
}

fn told(payload: Payload) -> (&'static str, String) {
    let pretty = |value| serde_json::to_string_pretty(&value).unwrap_or_default();
    let (form, text) = match payload {
        Payload::Json(value) => ("JSON", pretty(value)),
        Payload::Avro { record, .. } => ("a record of the contract, in Avro", pretty(record)),
        Payload::Undecodable { hex, .. } => ("what claims to be a record of the contract", hex),
        Payload::Text(text) => ("text", text),
        Payload::Hex(hex) => ("bytes", hex),
    };
    let lines: Vec<String> = text.lines().map(printable_name).collect();
    let text = lines.join("\n");
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => (form, format!("{}\n… the rest is not shown", text.get(..end).unwrap_or_default())),
        None => (form, text),
    }
}
