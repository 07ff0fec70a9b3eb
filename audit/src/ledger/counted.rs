//! Where each stage's own counts are read.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use contracts::Namespace;
use contracts::cube::CUBE;
use contracts::endpoints::Endpoints;
use contracts::event::EVENT;
use contracts::family::CUBE_FAMILY;
use contracts::lateness::{CLOSED_AFTER_US, ON_TIME_SQL};
use contracts::ledger::{CUBE_COUNTS, JUDGED_COUNTS, LATE, LEDGER, ON_TIME, RelayCount, Table};
use contracts::measure::MEASURE;
use contracts::wire;
use futures::TryStreamExt;
use provision::committed::CommittedReader;
use rdkafka::Message;
use scylla::client::session::Session;
use scylla::deserialize::row::DeserializeRow;
use tokio_postgres::Transaction;

use super::Span;
use super::counts::{Counts, Minutes};
use crate::VerifyError;
use crate::expected::repaired_sql;

/// How long the next record of the relay's counts may take to come.
const RECORD_TIMEOUT: Duration = Duration::from_secs(20);
/// Rows a page: bounds the memory of a scan.
const PAGE_ROWS: i32 = 5_000;

/// What PostgreSQL has counted, as of one snapshot.
pub(super) struct InPostgres {
    /// When, by PostgreSQL's clock.
    pub(super) read_at: DateTime<Utc>,
    /// The generation of the events topic in force.
    pub(super) generation: i32,
    /// The first minute that went through this generation whole; every one where it is the first.
    pub(super) streamed_since: Option<DateTime<Utc>>,
    /// What ingestors counted and what stands in the table.
    pub(super) counts: BTreeMap<DateTime<Utc>, (Counts, Counts)>,
    /// Late records that reconciliation has repaired.
    pub(super) repaired: BTreeMap<DateTime<Utc>, i64>,
}

impl InPostgres {
    pub(super) fn of(&self, minute: DateTime<Utc>) -> (Counts, Counts) {
        self.counts.get(&minute).copied().unwrap_or_default()
    }

    pub(super) fn add_to(&self, minutes: &mut Minutes) {
        for (minute, (ingest, store)) in &self.counts {
            let counts = minutes.entry(*minute).or_default();
            counts.ingest += *ingest;
            counts.store += *store;
        }
        for (minute, repaired) in &self.repaired {
            minutes.entry(*minute).or_default().spark.repaired += repaired;
        }
    }
}

/// Reads what ingestors counted, and counts what stands in the table.
pub(super) async fn in_postgres(snapshot: &Transaction<'_>, span: Span) -> Result<InPostgres, VerifyError> {
    let failed = || VerifyError::postgres("count for the ledger: run `storepulse setup`");
    let bounds = |column: &str| {
        format!("($1::timestamptz is null or {column} >= $1) and ($2::timestamptz is null or {column} < $2)")
    };
    // The instant at which the snapshot was taken, not at which it is asked.
    let row = snapshot
        .query_one(
            // What came before the cut may have been stored before the generation, and what came after it
            // until its windows were closed may lie in windows before it, which are computed in batch.
            &format!(
                "select now(), generation, case when generation > 1 \
                     then coalesce(cut_minute + {CLOSED_AFTER_US} * interval '1 microsecond', '9999-01-01') end \
                 from ops.topic_generation left join ops.rebuild using (generation) order by generation desc limit 1"
            ),
            &[],
        )
        .await
        .map_err(failed())?;
    let mut found = InPostgres {
        read_at: row.try_get(0).map_err(failed())?,
        generation: row.try_get(1).map_err(failed())?,
        streamed_since: row.try_get(2).map_err(failed())?,
        counts: BTreeMap::new(),
        repaired: BTreeMap::new(),
    };
    let ingest = format!(
        "select minute, sum(records_in)::bigint, sum(records_out)::bigint, sum(repeated)::bigint, \
                sum(quarantined)::bigint, sum(other)::bigint \
         from ops.ledger where stage = 'ingest' and {} group by 1",
        bounds("minute")
    );
    for row in snapshot.query(&ingest, &[&span.from, &span.to]).await.map_err(failed())? {
        let count = |column: usize| row.try_get::<_, i64>(column).map_err(failed());
        let counts = Counts {
            records_in: count(1)?,
            records_out: count(2)?,
            repeated: count(3)?,
            quarantined: count(4)?,
            other: count(5)?,
            ..Counts::default()
        };
        found.counts.entry(row.try_get(0).map_err(failed())?).or_default().0 = counts;
    }
    let ingested_at = EVENT.ingested_at;
    // No ingestor gives another year; a row that was put there by hand may, up to infinity.
    let stored = format!(
        "select date_trunc('minute', {ingested_at}, 'UTC'), count(*) from raw.events \
         where {ingested_at} >= '0001-01-01Z' and {ingested_at} < '10000-01-01Z' and {} group by 1",
        bounds(ingested_at.name())
    );
    for row in snapshot.query(&stored, &[&span.from, &span.to]).await.map_err(failed())? {
        let rows: i64 = row.try_get(1).map_err(failed())?;
        found.counts.entry(row.try_get(0).map_err(failed())?).or_default().1 =
            Counts { records_in: rows, records_out: rows, ..Counts::default() };
    }
    let repaired = format!(
        "select date_trunc('minute', {ingested_at}, 'UTC'), count(*) from raw.events \
         where not ({ON_TIME_SQL}) and {} and {} group by 1",
        bounds(ingested_at.name()),
        repaired_sql(&CUBE_FAMILY, EVENT.occurred_at.name()),
    );
    for row in snapshot.query(&repaired, &[&span.from, &span.to]).await.map_err(failed())? {
        let minute = row.try_get(0).map_err(failed())?;
        found.repaired.insert(minute, row.try_get(1).map_err(failed())?);
    }
    Ok(found)
}

/// Reads the relay's committed counts.
pub(super) async fn by_relay(
    endpoints: &Endpoints,
    generation: i32,
    span: Span,
    minutes: &mut Minutes,
) -> Result<(), VerifyError> {
    let topic = endpoints.namespace.ledger_topic();
    let slot = endpoints.namespace.slot();
    let reader = CommittedReader::open(&endpoints.kafka_brokers, &topic).await?;
    loop {
        let next = tokio::time::timeout(RECORD_TIMEOUT, reader.next()).await;
        let Some(record) = next.map_err(|_| VerifyError::NoAnswer { topic: topic.clone() })?? else {
            return Ok(());
        };
        let Some(value) = record.payload() else { continue };
        let count = wire::split(value)
            .and_then(|(_, body)| RelayCount::read_avro(body))
            .map_err(|source| VerifyError::UnreadableCount { topic: topic.clone(), source })?;
        if count.slot == slot && count.topic_generation == generation && span.contains(count.minute) {
            // Each record replaces the one before it.
            minutes.entry(count.minute).or_default().relay = Counts {
                records_in: count.received,
                records_out: count.produced,
                quarantined: count.quarantined,
                ..Counts::default()
            };
        }
    }
}

/// Reads what Spark's two queries counted.
pub(super) async fn by_spark(
    session: &Session,
    namespace: &Namespace,
    span: Span,
    now: DateTime<Utc>,
    minutes: &mut Minutes,
) -> Result<(), VerifyError> {
    let columns = [LEDGER.ingested_minute, MEASURE.events].map(|column| column.name());
    each_row(session, namespace, &CUBE_COUNTS, &columns, span, now, |row: (DateTime<Utc>, i64)| {
        let (minute, events) = row;
        if span.contains(minute) {
            minutes.entry(minute).or_default().spark.records_out += events;
        }
    })
    .await?;
    let columns = [CUBE.minute, LEDGER.outcome, LEDGER.records].map(|column| column.name());
    let judged = |row: (DateTime<Utc>, String, i64)| {
        let (minute, outcome, records) = row;
        if !span.contains(minute) {
            return;
        }
        let spark = &mut minutes.entry(minute).or_default().spark;
        spark.records_in += records;
        match outcome.as_str() {
            // What is on time is what the cube counts for itself.
            ON_TIME => {}
            LATE => spark.late += records,
            _ => spark.quarantined += records,
        }
    };
    each_row(session, namespace, &JUDGED_COUNTS, &columns, span, now, judged).await
}

/// Hands every row of a table's days to `take`; of all days where the span has no start.
pub(super) async fn each_row<R: for<'f, 'm> DeserializeRow<'f, 'm> + 'static>(
    session: &Session,
    namespace: &Namespace,
    table: &Table,
    columns: &[&str],
    span: Span,
    now: DateTime<Utc>,
    mut take: impl FnMut(R),
) -> Result<(), VerifyError> {
    let name = format!("{}.{}", namespace.keyspace(), table.name);
    let doing = || format!("read {name}");
    let select = format!("select {} from {name}", columns.join(", "));
    let mut read = async |statement: String, day: Option<NaiveDate>| {
        let mut statement = session.prepare(statement).await.map_err(VerifyError::cassandra(doing()))?;
        statement.set_page_size(PAGE_ROWS);
        let rows = match day {
            Some(day) => session.execute_iter(statement, (day,)).await,
            None => session.execute_iter(statement, ()).await,
        };
        let mut rows = rows
            .map_err(VerifyError::cassandra(doing()))?
            .rows_stream::<R>()
            .map_err(VerifyError::cassandra(doing()))?;
        while let Some(row) = rows.try_next().await.map_err(VerifyError::cassandra(doing()))? {
            take(row);
        }
        Ok(())
    };
    let Some(from) = span.from else { return read(select, None).await };
    // A clock that is handed in may be ahead of PostgreSQL's, though not by more than this.
    let last = span.to.unwrap_or(now + TimeDelta::days(1)).date_naive();
    for day in from.date_naive().iter_days().take_while(|day| *day <= last) {
        read(format!("{select} where {} = ?", Table::PARTITION), Some(day)).await?;
    }
    Ok(())
}
