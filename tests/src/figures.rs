//! The plain line, what verification finds, and how a wrong figure is put right.

mod api;

use contracts::cube::write_time;
use contracts::measure::MEASURE;
use jobs::plans::{self, CUBE_QUERY};
use scylla::client::session::Session;
use scylla::value::CqlTimestamp;

use crate::support::{Line, Sent, on_shared_stack, until};

/// A row of `activity_by_country`.
struct CountryRow {
    country: String,
    minute: CqlTimestamp,
    events: i64,
    write_time: i64,
}

/// The row with the most events.
async fn busiest_row(line: &Line, session: &Session) -> CountryRow {
    let select = format!(
        "select country, minute, events, writetime(events) from {}.activity_by_country",
        line.endpoints.namespace.keyspace()
    );
    let rows = session.query_unpaged(select, ()).await.unwrap().into_rows_result().unwrap();
    rows.rows::<(String, CqlTimestamp, i64, i64)>()
        .unwrap()
        .map(|row| row.unwrap())
        .map(|(country, minute, events, write_time)| CountryRow { country, minute, events, write_time })
        .max_by_key(|row| row.events)
        .unwrap()
}

/// Writes one figure of a row at a write time.
async fn set(line: &Line, session: &Session, row: &CountryRow, figure: &str, value: i64, at: i64) {
    let day = minute(row).date_naive();
    let update = format!(
        "update {}.activity_by_country using timestamp {at} set {figure} = {value} \
         where country = ? and day = '{day}' and minute = ?",
        line.endpoints.namespace.keyspace()
    );
    session.query_unpaged(update, (&row.country, row.minute)).await.unwrap();
}

fn minute(row: &CountryRow) -> chrono::DateTime<chrono::Utc> {
    chrono::DateTime::from_timestamp_millis(row.minute.0).unwrap()
}

async fn cassandra(line: &Line) -> Session {
    provision::connect_cassandra(&line.endpoints.cassandra_contact_points).await.unwrap()
}

/// What the supervisor writes for people to look at: the state and the micro-batches of all nine queries. All
/// have read everything, as the tables were verified.
async fn assert_every_query_is_told_of(line: &Line) {
    let read = line.progress().await.input_rows;
    let select = "select q.query, q.state, q.newest, count(b), coalesce(sum(b.rows_in), 0)::bigint, \
                      coalesce(bool_and(b.end_offsets <> '{}' and b.phases_ms ? 'addBatch' and b.duration_ms > 0), false), \
                      max(b.lag_p50_ms) \
                  from ops.job_query q left join ops.job_batch b using (query, revision) group by 1, 2, 3 order by 1";
    until("every query's micro-batches are recorded", async || {
        let rows = line.pg.query(select, &[]).await.unwrap();
        let right = |row: &tokio_postgres::Row| {
            let query: &str = row.get(0);
            let rows_in: i64 = row.get(4);
            let lag: Option<i64> = row.get(6);
            let of_all = query == "registrations" || rows_in >= read;
            row.get::<_, &str>(1) == "running"
                && row.get(2)
                && row.get(5)
                && of_all
                && (query != "cube" || lag.is_some())
        };
        if rows.len() == 9 && rows.iter().all(right) { Ok(()) } else { Err(format!("{read}: {rows:?}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_in_the_tables_and_one_changed_cell_is_found() {
    on_shared_stack(async |line| {
        let relay = line.relay().await;
        let job = line.job().await;
        let began = chrono::Utc::now();
        let trouble = "--late-pct 2 --repeated-pct 2 --out-of-order-pct 5 --malformed-pct 2 --hot-key-pct 10 --guests-pct 20";
        let sent = line.simulate(&format!("--rate 300 --duration 12s --seed 1 {trouble}")).await;
        assert!(sent.repeated > 0 && sent.quarantined > 0, "{sent:?}");
        line.assert_verified(sent).await;
        let progress = line.progress().await;
        assert_eq!(progress.rows_dropped_by_watermark, 0);
        assert_eq!(progress.restarts, 0, "{progress:?}");

        assert_every_query_is_told_of(line).await;

        // Rows of the present hour do not come to rest beside a load, and are held between bounds.
        let load = line.start("simulate --rate 200 --duration forever --seed 2");
        let verified = line.run("verify --only hours").await.succeeded();
        assert!(verified.out.contains("still changes, within its bounds"), "{verified}");
        Sent::of(load.stop().await);
        line.run("verify").await.succeeded();

        let session = cassandra(line).await;
        let span = began - chrono::TimeDelta::minutes(15)..chrono::Utc::now() + chrono::TimeDelta::minutes(1);
        let figures = audit::figures::read(&session, &line.endpoints.namespace, span, 10).await.unwrap();
        assert!(figures.totals.orders > 0 && figures.totals.net > 0.into(), "{:?}", figures.totals);
        assert!(!figures.countries.is_empty() && !figures.demographics.is_empty());
        assert_eq!(figures.products.len(), 10);
        api::assert_api_tells_the_same(line, &session, began).await;

        let row = busiest_row(line, &session).await;
        set(line, &session, &row, MEASURE.units.name(), 123_456, row.write_time + 1).await;
        let verified = line.run("verify").await.failed();
        let at = minute(&row).to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        let named = format!("activity_by_country {at} {}: units is 123456, expected ", row.country);
        assert!(verified.out.contains(&named), "{named}\n{verified}");
        assert!(verified.out.contains("not verified: 1 rows differ, "), "{verified}");
        let told = "select passed, differing, differences->0->>'table' from ops.verification \
                    where kind = 'verify' order by verification_id desc limit 1";
        let told = line.pg.query_one(told, &[]).await.unwrap();
        let told: (bool, i64, String) = (told.get(0), told.get(1), told.get(2));
        assert_eq!(told, (false, 1, "activity_by_country".to_owned()));

        job.stop().await.succeeded();
        relay.stop().await.succeeded();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_figure_that_is_too_high_is_lowered_by_the_next_revision() {
    on_shared_stack(async |line| {
        let relay = line.relay().await;
        let job = line.job().await;
        let sent = line.simulate("--rate 5 --duration 10m --seed 7 --start 2026-03-02T23:55:00Z").await;
        line.assert_verified(sent).await;

        let session = cassandra(line).await;
        let before = plans::in_force(&line.pg, CUBE_QUERY).await.unwrap().remove(0);
        let row = busiest_row(line, &session).await;
        let start_us = row.minute.0 * 1_000;
        assert_eq!(row.write_time, write_time(start_us, before.revision, row.events));
        let too_high = row.events + 1_000_000;
        let at = write_time(start_us, before.revision, too_high);
        set(line, &session, &row, MEASURE.events.name(), too_high, at).await;
        let verified = line.run("verify").await.failed();
        assert!(
            verified.out.contains(&format!("events is {too_high}, expected {}", row.events)),
            "{verified}"
        );

        // Reset is refused while the job runs: two revisions at once would be two truths.
        let refused = line.run("job reset").await.failed();
        assert!(refused.err.contains("storepulse job stop"), "{refused}");
        job.stop().await.succeeded();
        line.run("job reset").await.succeeded();
        let job = line.job().await;
        line.assert_verified(sent).await;

        let after = plans::in_force(&line.pg, CUBE_QUERY).await.unwrap().remove(0);
        assert_eq!(after.revision, before.revision + 1);
        let lowered = busiest_row(line, &session).await;
        assert_eq!(
            (&lowered.country, lowered.minute, lowered.events),
            (&row.country, row.minute, row.events)
        );
        assert_eq!(lowered.write_time, write_time(start_us, after.revision, row.events));
        job.stop().await.succeeded();
        relay.stop().await.succeeded();
    })
    .await;
}
