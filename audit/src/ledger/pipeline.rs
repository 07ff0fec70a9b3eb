//! The ledger as it is drawn up: `pipeline_ledger`, for readers.
//!
//! A row's write time is when its counts were read, in µs: a later reading has counted at least as much, so
//! it stays whatever the order of writing. Rows that say what is read already are not written again.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use contracts::Namespace;
use contracts::ledger::{PIPELINE_LEDGER, Table};
use futures::{StreamExt, TryStreamExt};
use scylla::client::session::Session;

use super::Span;
use super::counted::each_row;
use super::counts::{Counts, Stage};
use super::report::LedgerReport;
use crate::VerifyError;

/// Statements under way at once.
const CONCURRENT: usize = 32;

/// In the order of the table's columns.
type Row = (DateTime<Utc>, String, i64, i64, i64, i64, i64, i64, Option<i64>);

/// Writes every closed minute that is not there as it is now.
pub(super) async fn write(
    session: &Session,
    namespace: &Namespace,
    span: Span,
    report: &LedgerReport,
) -> Result<(), VerifyError> {
    let mut there: BTreeMap<(DateTime<Utc>, String), Counts> = BTreeMap::new();
    let columns: Vec<_> = PIPELINE_LEDGER.row_columns().map(|column| column.name()).collect();
    let take = |(minute, stage, a, b, c, d, e, f, other): Row| {
        // A row of before there was this count has none.
        let g = other.unwrap_or_default();
        there.insert((minute, stage), Counts::of_row([a, b, c, d, e, f, g]));
    };
    each_row(session, namespace, &PIPELINE_LEDGER, &columns, span, report.read_at, take).await?;

    let table = format!("{}.{}", namespace.keyspace(), PIPELINE_LEDGER.name);
    let doing = || format!("write {table}");
    let insert = session
        .prepare(format!(
            "insert into {table} ({}, {}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) using timestamp {}",
            Table::PARTITION,
            columns.join(", "),
            report.read_at.timestamp_micros()
        ))
        .await
        .map_err(VerifyError::cassandra(doing()))?;
    let closed = report.minutes.iter().filter(|minute| minute.closed);
    let rows = closed
        .flat_map(|minute| minute.stages().map(|stage| (minute.start, stage, *minute.counts.of(stage))));
    let new: Vec<(DateTime<Utc>, Stage, Counts)> = rows
        .filter(|(minute, stage, counts)| there.get(&(*minute, stage.name().to_owned())) != Some(counts))
        .collect();
    futures::stream::iter(new)
        .map(|(minute, stage, counts)| {
            let [a, b, c, d, e, f, g] = counts.row();
            let row = (minute.date_naive(), minute, stage.name(), a, b, c, d, e, f, g);
            let insert = &insert;
            async move { session.execute_unpaged(insert, row).await }
        })
        .buffer_unordered(CONCURRENT)
        .try_for_each(|_| futures::future::ready(Ok(())))
        .await
        .map_err(VerifyError::cassandra(doing()))
}
