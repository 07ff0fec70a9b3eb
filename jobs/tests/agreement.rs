//! Stream, batch and SQL say the same of every visit, however it contradicts itself.
//!
//! Random visits of few users under few session ids: with different declared starts, some less than a ms
//! apart; out of order, at the same instant, before their start and a day after it, with different
//! demographics; some lack a part of what is told of a product or an order. The stream reads them from files,
//! a micro-batch each, in the order in which they came in; it and the batch write to Cassandra, and each time
//! what stands there is compared with the independent SQL.
//! `STOREPULSE_LONG_TESTS=1` takes more visits and every family that is computed from events;
//! `STOREPULSE_SEED` repeats a run whose seed was printed.

use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use audit::Closed;
use chrono::{DateTime, TimeDelta, Utc};
use contracts::cube::CUBE;
use contracts::endpoints::Endpoints;
use contracts::family::{self, Family, Geometry, SESSION_GAP_US, SESSION_LONGEST_US, SESSIONS, Source};
use contracts::{Event, ids};
use jobs::batch::{self, Piece, Records};
use jobs::checked::Judge;
use jobs::plans::Owned;
use jobs::{checked, metrics, sink};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use scylla::client::session::Session;
use spark_connect_rs::streaming::Trigger;
use spark_connect_rs::{SparkError, SparkSession};
use tokio_postgres::types::Json;
use tokio_postgres::{Client, IsolationLevel};
use uuid::Uuid;

use crate::support::{self, EXPECTED, Record, in_file, is_long, seed};

const STREAM: i64 = 1;
const BATCH: i64 = 2;
const MICRO_BATCHES: usize = 4;
/// So many of them are judged by SQL, and the others by the function, as in a job whose server got a newer
/// jar meanwhile: on the same checkpoint and with the same state.
const JUDGED_BY_SQL: usize = 2;
/// Later visits begin up to so many hours after the first.
const HOURS_OF_VISITS: i64 = 15;
/// A comparison of fewer rows, or as many, says little.
const TOO_FEW: usize = 10;
/// Of a run that takes long.
const LONG_VISITS: usize = 3_000;
/// How long a stream may take for all its files.
const PATIENCE_S: f64 = 240.0;

/// Events of visits, in the order in which they came in.
fn events(seed: u64, visits: usize) -> Vec<Event> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut all = Vec::new();
    for visit in 0..visits {
        let (user_id, session_id) = (id(&mut rng, 6), id(&mut rng, 8));
        // Most begin at few instants, so that they meet; the others make hours to compare.
        let hours = if rng.random_ratio(1, 10) { rng.random_range(1..=HOURS_OF_VISITS) } else { 0 };
        let begun =
            support::start() + TimeDelta::hours(hours) + TimeDelta::minutes(rng.random_range(0..4) * 20);
        let mut offset_us = 0;
        for mut event in support::events(seed ^ visit as u64, rng.random_range(1..6)) {
            // The same visit as told by a second script, or corrected: of the same ms or not.
            let told_us = *[0, 0, 0, 1, 499, 999, 1_000, 500_000, 30_000_000].choose(&mut rng).unwrap();
            event.session_started_at = begun + TimeDelta::microseconds(told_us);
            event.occurred_at = begun + TimeDelta::microseconds(told_us.max(offset_us));
            let day = SESSION_LONGEST_US;
            match rng.random_range(0..30) {
                0 => event.occurred_at = event.session_started_at - TimeDelta::microseconds(1),
                1 => event.occurred_at = event.session_started_at - TimeDelta::seconds(30),
                2..5 => {
                    let late_us = *[day - 1, day, day + 1].choose(&mut rng).unwrap();
                    event.occurred_at = event.session_started_at + TimeDelta::microseconds(late_us);
                }
                _ => {}
            }
            (event.user_id, event.session_id) = (user_id, session_id);
            event.event_id = ids::v7(event.occurred_at, rng.random());
            let delay_us = *[-60_000_000, 0, 1_000, 300_000_000, 600_000_000].choose(&mut rng).unwrap();
            event.ingested_at = event.occurred_at + TimeDelta::microseconds(delay_us);
            let gap = SESSION_GAP_US;
            offset_us += *[0, 0, 1, 1_000, 60_000_000, gap - 1, gap, gap + 1].choose(&mut rng).unwrap();
            all.push(event);
        }
    }
    all.sort_by_key(|event| event.ingested_at);
    all
}

fn id(rng: &mut ChaCha8Rng, of: u128) -> Uuid {
    Uuid::from_u128(1_000 + rng.random_range(0..of))
}

/// Long after all of them: it moves the watermark past every visit, and is in nobody's tables but the
/// stream's.
fn long_after(events: &[Event], days: i64) -> Event {
    let mut event = events[0].clone();
    event.occurred_at = support::start() + TimeDelta::days(3 + days);
    event.ingested_at = event.occurred_at;
    event.session_started_at = event.occurred_at;
    event
}

async fn store(client: &Client, events: &[Event]) {
    client
        .execute(
            "select raw.ensure_events_partition($1::timestamptz::date + n) from generate_series(-1, 3) n",
            &[&support::start()],
        )
        .await
        .unwrap();
    let columns = Event::column_list();
    let insert = format!(
        "insert into raw.events ({columns}) select {columns} from jsonb_populate_recordset(null::raw.events, $1)"
    );
    let stored = client.execute(&insert, &[&Json(events)]).await.unwrap();
    assert_eq!(stored, events.len() as u64);
}

/// Streams the files that are new into the family's tables, each a micro-batch, and returns once all are
/// through.
fn stream(
    session: &SparkSession,
    family: &'static Family,
    judge: Judge,
    keyspace: &str,
    files: &Path,
    checkpoint: &Path,
) -> Result<(), SparkError> {
    session.conf().set("spark.sql.streaming.noDataMicroBatches.enabled", "true")?;
    let records = in_file::kafka_stream(session, files);
    let on_time = checked::on_time(&checked::events(&records, &EXPECTED, judge));
    let rows = metrics::rows(&on_time, family, STREAM, Owned::default())?;
    let routes: Vec<String> = family.tables.iter().map(|table| format!("{0}={0}", table.table)).collect();
    let windows = matches!(family.geometry, Geometry::Windows { .. });
    let query = rows
        .write_stream()
        .format(sink::FORMAT)
        .option("keyspace", keyspace)
        .option("routes", &routes.join(","))
        .option("route.column", CUBE.route.name())
        .option("writetime.column", CUBE.write_time.name())
        .option("checkpointLocation", &format!("file://{}", checkpoint.display()))
        .output_mode(if windows { "update" } else { "append" })
        .trigger(Trigger::AvailableNow)
        .start("")?;
    assert_eq!(query.await_termination(Some(PATIENCE_S))?, Some(true), "the stream goes on");
    assert!(query.exception()?.is_none(), "{:?}", query.exception()?);
    Ok(())
}

/// What SQL expects of a family, and how many rows that are.
async fn expected(client: &mut Client, family: &'static Family, range: &Range<DateTime<Utc>>) -> Closed {
    let transaction = client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await
        .unwrap();
    Closed::compute(&transaction, family, range.clone()).await.unwrap()
}

async fn agree(endpoints: &Endpoints, cassandra: &Session, closed: &Closed, who: &str) {
    let differences = closed.differences(cassandra, &endpoints.namespace).await.unwrap();
    let told: Vec<String> = differences.iter().take(5).map(ToString::to_string).collect();
    assert!(differences.is_empty(), "{who} and SQL differ in {}: {told:#?}", differences.len());
}

async fn compare(endpoints: &Endpoints, family: &'static Family, events: &[Event]) {
    let mut client = provision::connect(&endpoints.pg_url).await.unwrap();
    let cassandra = provision::connect_cassandra(&endpoints.cassandra_contact_points).await.unwrap();
    let keyspace = endpoints.namespace.keyspace().to_owned();
    let day = support::start().date_naive().and_time(chrono::NaiveTime::MIN).and_utc();
    let range = day - TimeDelta::days(1)..day + TimeDelta::days(3);
    let closed = expected(&mut client, family, &range).await;
    assert!(closed.rows() > TOO_FEW, "{}: {} rows are too few to mean anything", family.name, closed.rows());

    let (files, checkpoint) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (judge, which) in [(Judge::Sql, 0..JUDGED_BY_SQL), (Judge::Function, JUDGED_BY_SQL..usize::MAX)] {
        write_files(events, files.path(), &which);
        let (of, kept) = (files.path().to_owned(), checkpoint.path().to_owned());
        let into = keyspace.clone();
        support::on_spark(move |session| stream(&session, family, judge, &into, &of, &kept)).await.unwrap();
    }
    agree(endpoints, &cassandra, &closed, "the stream").await;

    for table in family.tables {
        cassandra.query_unpaged(format!("truncate {keyspace}.{}", table.table), ()).await.unwrap();
    }
    let piece =
        Piece { family, range: &range, snapshot: closed.snapshot(), records: Records::All, revision: BATCH };
    batch::write(endpoints, &piece).await.unwrap();
    agree(endpoints, &cassandra, &closed, "the batch").await;
}

/// Some of as many files as micro-batches, and two that close what is open: the second gives out what the
/// first one's watermark passed.
fn write_files(events: &[Event], folder: &Path, which: &Range<usize>) {
    let size = events.len().div_ceil(MICRO_BATCHES);
    let last = [vec![long_after(events, 0)], vec![long_after(events, 1)]];
    let parts = events.chunks(size).map(<[Event]>::to_vec).chain(last);
    for (number, part) in parts.enumerate().filter(|(number, _)| which.contains(number)) {
        let records: Vec<Record> = part.iter().map(Record::of).collect();
        let file = folder.join(format!("{number}.avro"));
        in_file::write(&records, &file);
        // Spark takes them by their age.
        let age = Duration::from_secs(1_000 - number as u64);
        std::fs::File::options()
            .append(true)
            .open(&file)
            .unwrap()
            .set_modified(SystemTime::now() - age)
            .unwrap();
    }
}

#[test]
fn the_visits_of_a_long_run_have_hours_to_compare() {
    for seed in 0..5 {
        let events = events(seed, LONG_VISITS);
        let hours: HashSet<_> =
            events.iter().map(|event| event.occurred_at.timestamp().div_euclid(3_600)).collect();
        assert!(hours.len() > TOO_FEW, "seed {seed}: {} hours", hours.len());
    }
}

#[tokio::test]
async fn stream_batch_and_sql_agree_on_visits_that_contradict_themselves() {
    let stack = stack::shared(Arc::new(stack::Silent)).await.unwrap();
    let services = Endpoints::from_variables(&stack.env().unwrap()).unwrap();
    let of_events = family::families().filter(|family| family.source == Source::Events);
    let families: Vec<&Family> = if is_long() { of_events.collect() } else { vec![&SESSIONS] };
    let events = events(seed(), if is_long() { LONG_VISITS } else { 400 });
    let body = async |endpoints: Endpoints| {
        provision::apply(&endpoints).await.unwrap();
        let client = provision::connect(&endpoints.pg_url).await.unwrap();
        store(&client, &events).await;
        for family in &families {
            compare(&endpoints, family, &events).await;
        }
    };
    Box::pin(provision::in_scratch_namespace(&services, body)).await.unwrap();
}
