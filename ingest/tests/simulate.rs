//! Runs into PostgreSQL: the truth that a run reports is what SQL finds there.

use std::time::Duration;

use contracts::User;
use ingest::clock::Clock;
use ingest::rates;
use ingest::source::simulator::{
    self, ConfigError, Dial, Limit, Measures, Pace, Progress, Report, Rhythm, RunConfig, SimulateError,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::support::{Database, at, users, with_database};

const START: &str = "2026-03-01T09:00:00Z";

fn config(limit: Limit, dial: Dial) -> RunConfig {
    RunConfig { seed: 11, events_per_s: 500.0, pace: Pace::Unpaced, limit, rhythm: Rhythm::Flat, dial }
}

async fn run(database: &Database, config: &RunConfig, clock: &Clock) -> Report {
    let mut store = database.store().await;
    store.upsert_users(&users(400)).await.unwrap();
    let shoppers = store.users().await.unwrap();
    let (progress, seen) = watch::channel(Progress::default());
    let cancel = CancellationToken::new();
    let report = simulator::run(config, rates::built_in(), &mut store, &shoppers, clock, &cancel, &progress)
        .await
        .unwrap();
    assert!(report.is_accounted_for(), "{report:?}");
    assert_eq!(seen.borrow().sent, report.truth.sent);
    report
}

const ON_TIME: &str = contracts::lateness::ON_TIME_SQL;

/// The same measures by SQL written apart.
async fn recount(database: &Database, filter: &str, key: &str) -> Vec<(String, Measures)> {
    let sql = format!(
        "select {key}, count(*), count(*) filter (where event_name = 'session_start'),
             count(*) filter (where event_name = 'view_item'), count(*) filter (where event_name = 'add_to_cart'),
             count(*) filter (where event_name = 'begin_checkout'),
             count(distinct order_id) filter (where event_name = 'purchase' and order_line = 1),
             count(*) filter (where event_name = 'purchase'),
             coalesce(sum(quantity) filter (where event_name = 'purchase'), 0),
             (coalesce(sum(amount_base) filter (where event_name = 'purchase'), 0) * 100)::bigint,
             (coalesce(sum(amount_base) filter (where event_name = 'refund'), 0) * 100)::bigint
         from raw.events where {filter} group by 1 order by 1"
    );
    let rows = database.client.query(&sql, &[]).await.unwrap();
    rows.iter()
        .map(|row| {
            let count = |at: usize| u64::try_from(row.get::<_, i64>(at)).unwrap();
            let measures = Measures {
                events: count(1),
                session_starts: count(2),
                item_views: count(3),
                cart_adds: count(4),
                checkouts: count(5),
                orders: count(6),
                order_lines: count(7),
                units: row.get(8),
                gross_cents: row.get(9),
                refund_cents: row.get(10),
            };
            (row.get(0), measures)
        })
        .collect()
}

#[tokio::test]
async fn the_truth_is_what_sql_finds() {
    with_database(async |database| {
        let dial = Dial {
            late_pct: 5.0,
            repeated_pct: 3.0,
            out_of_order_pct: 4.0,
            malformed_pct: 2.0,
            hot_key_pct: 10.0,
            guests_pct: 20.0,
        };
        let clock = Clock::starting_at(at(START));
        let report = run(database, &config(Limit::Records(60_000), dial), &clock).await;
        let truth = &report.truth;
        assert_eq!(truth.sent, 60_000);
        assert_eq!(report.appended.committed, truth.accepted);
        assert_eq!(report.appended.repeated, truth.repeated);
        assert_eq!(report.quarantined, truth.rejected_total());
        assert_eq!(truth.accepted, truth.on_time.events + truth.late.events);
        assert!(truth.repeated > 1_500 && truth.late.events > 1_500, "{truth:?}");
        assert_eq!(truth.rejected.len(), 5, "every kind of breakage: {:?}", truth.rejected);
        assert!(truth.on_time.orders > 100 && truth.on_time.refund_cents > 0, "{truth:?}");

        let counted = [truth.sent, truth.accepted, truth.repeated, truth.rejected_total()];
        assert_eq!(database.ledger().await, counted.map(u64::cast_signed), "the ledger is the truth");

        let all = recount(database, ON_TIME, "'all'").await;
        assert_eq!(all, [("all".to_owned(), truth.on_time)]);
        let late = recount(database, &format!("not ({ON_TIME})"), "'late'").await;
        assert_eq!(late, [("late".to_owned(), truth.late)]);
        let item = format!("{ON_TIME} and item_id is not null");
        let minute =
            "to_char(date_trunc('minute', occurred_at at time zone 'UTC'), 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')";
        for (filter, key, told) in [
            (ON_TIME, minute, &truth.by_minute),
            (ON_TIME, "country collate \"C\"", &truth.by_country),
            (ON_TIME, "(gender || '/' || age_band) collate \"C\"", &truth.by_demographic),
            (ON_TIME, "(channel || '/' || device) collate \"C\"", &truth.by_channel),
            (&item, "item_id collate \"C\"", &truth.by_item),
            (&item, "category collate \"C\"", &truth.by_category),
        ] {
            let found = recount(database, filter, key).await;
            let told: Vec<_> = told.iter().map(|(name, measures)| (name.clone(), *measures)).collect();
            assert_eq!(found, told, "{key}");
        }
        let reasons = database
            .client
            .query("select reason, count(*) from raw.quarantine group by 1", &[])
            .await
            .unwrap();
        for row in &reasons {
            let count = u64::try_from(row.get::<_, i64>(1)).unwrap();
            assert_eq!(truth.rejected.get(row.get::<_, &str>(0)), Some(&count));
        }
        let hottest = "select max(n) from (select count(*) n from raw.events group by user_id) by_user";
        assert!(database.count(hottest).await > 5_000);
    })
    .await;
}

#[tokio::test]
async fn visits_are_causal() {
    with_database(async |database| {
        let clock = Clock::starting_at(at(START));
        run(database, &config(Limit::Records(40_000), Dial::default()), &clock).await;
        // Each of these counts what must not be.
        for (what, sql) in [
            ("a visit without its start, or not starting with it",
             "select count(*) from (select distinct on (session_id) event_name, occurred_at, session_started_at
                 from raw.events order by session_id, occurred_at) first
              where event_name <> 'session_start' or occurred_at <> session_started_at"),
            ("a purchase before its checkout",
             "select count(*) from raw.events p where event_name = 'purchase' and not exists (select from raw.events c
                 where c.session_id = p.session_id and c.event_name = 'begin_checkout' and c.occurred_at < p.occurred_at)"),
            ("a bought product that was not put into the cart before",
             "select count(*) from raw.events p where event_name = 'purchase' and not exists (select from raw.events c
                 where c.session_id = p.session_id and c.event_name = 'add_to_cart' and c.item_id = p.item_id
                   and c.occurred_at < p.occurred_at)"),
            ("an order whose lines are not 1..n",
             "select count(*) from (select order_id from raw.events where event_name = 'purchase'
                 group by order_id having count(*) <> max(order_lines) or count(distinct order_line) <> count(*)
                   or max(order_line) <> count(*)) broken"),
            ("a refund without its purchase, or of another amount",
             "select count(*) from raw.events r where event_name = 'refund' and not exists (select from raw.events p
                 where p.event_name = 'purchase' and p.order_id = r.order_id and p.order_line = r.order_line
                   and p.user_id = r.user_id and p.occurred_at < r.occurred_at and p.amount_base = r.amount_base)"),
            ("two visits of one user at once",
             "with visits as (select user_id, session_id, min(occurred_at) a, max(occurred_at) b from raw.events group by 1, 2)
              select count(*) from visits x join visits y using (user_id)
              where x.session_id < y.session_id and x.a < y.b and y.a < x.b"),
            ("an event told before it happened", "select count(*) from raw.events where ingested_at < occurred_at"),
        ] {
            assert_eq!(database.count(sql).await, 0, "{what}");
        }
        assert!(database.count("select count(*) from raw.events where event_name = 'refund'").await > 0);
    })
    .await;
}

/// Everything of a run but the transaction ids, as one digest.
async fn digest(database: &Database) -> String {
    let columns = contracts::Event::column_list();
    let sql = format!(
        "select md5(string_agg(e::text, '|' order by event_id)) from (select {columns} from raw.events) e"
    );
    database.client.query_one(&sql, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn a_seed_and_a_start_fix_every_bit() {
    let dial = Dial {
        late_pct: 2.0,
        repeated_pct: 2.0,
        out_of_order_pct: 2.0,
        malformed_pct: 2.0,
        hot_key_pct: 2.0,
        guests_pct: 20.0,
    };
    let mut digests = Vec::new();
    for (seed, start) in [(1, START), (1, START), (2, START), (1, "2026-03-01T09:00:01Z")] {
        with_database(async |database| {
            let config = RunConfig { seed, ..config(Limit::Time(Duration::from_secs(20)), dial) };
            let report = run(database, &config, &Clock::starting_at(at(start))).await;
            assert_eq!(report.truth.ended_at - report.truth.started_at, chrono::TimeDelta::seconds(20));
            digests.push((digest(database).await, serde_json::to_string(&report.truth).unwrap()));
        })
        .await;
    }
    assert_eq!(digests[0], digests[1]);
    assert_ne!(digests[0].0, digests[2].0);
    assert_ne!(digests[0].0, digests[3].0);
}

#[tokio::test]
async fn a_run_again_is_all_repeats() {
    with_database(async |database| {
        let config = config(Limit::Records(12_000), Dial::default());
        run(database, &config, &Clock::starting_at(at(START))).await;
        let again = run(database, &config, &Clock::starting_at(at(START))).await;
        assert_eq!((again.appended.committed, again.appended.repeated), (0, 12_000));
    })
    .await;
}

#[tokio::test]
async fn a_paced_run_keeps_its_rate_and_stops_cleanly() {
    with_database(async |database| {
        let paced = RunConfig {
            pace: Pace::OpenLoop { speed: 1.0 },
            ..config(Limit::Time(Duration::from_secs(2)), Dial::default())
        };
        let report = run(database, &paced, &Clock::wall()).await;
        assert_eq!(report.truth.sent, 1_000);
        assert!(report.elapsed >= Duration::from_millis(1_900));
        let ahead = "select count(*) from raw.events where ingested_at < occurred_at";
        assert_eq!(database.count(ahead).await, 0);

        let mut store = database.store().await;
        let shoppers = store.users().await.unwrap();
        let (progress, mut seen) = watch::channel(Progress::default());
        let cancel = CancellationToken::new();
        let endless = RunConfig { limit: Limit::Forever, ..paced };
        let clock = Clock::wall();
        let running =
            simulator::run(&endless, rates::built_in(), &mut store, &shoppers, &clock, &cancel, &progress);
        let stopping = async {
            seen.wait_for(|progress| progress.committed >= 200).await.unwrap();
            cancel.cancel();
        };
        let (report, ()) = tokio::join!(running, stopping);
        let report = report.unwrap();
        assert!(report.is_accounted_for() && report.truth.sent >= 200);
    })
    .await;
}

#[tokio::test]
async fn what_cannot_run_is_refused_first() {
    with_database(async |database| {
        let mut store = database.store().await;
        let (progress, _) = watch::channel(Progress::default());
        let cancel = CancellationToken::new();
        let base = config(Limit::Records(10), Dial::default());
        let someone: Vec<User> = users(1).into_iter().map(|record| record.user).collect();
        let mut refused = async |config: &RunConfig, users: &[User], clock: Clock| {
            let run =
                simulator::run(config, rates::built_in(), &mut store, users, &clock, &cancel, &progress);
            run.await.unwrap_err()
        };
        let virtual_clock = || Clock::starting_at(at(START));
        let error = refused(&base, &[], virtual_clock()).await;
        assert!(matches!(error, SimulateError::Config(ConfigError::NoUsers)));
        let error = refused(&base, &someone, Clock::wall()).await;
        assert!(matches!(error, SimulateError::Config(ConfigError::NeedsVirtualClock)));
        let no_rate = RunConfig { events_per_s: f64::NAN, ..base.clone() };
        assert!(matches!(
            refused(&no_rate, &someone, virtual_clock()).await,
            SimulateError::Config(ConfigError::Rate(_))
        ));
        let abroad: Vec<User> = users(2).into_iter().map(|record| record.user).collect();
        let error = refused(&base, &abroad, Clock::starting_at(at("2020-01-01T00:00:00Z"))).await;
        assert!(matches!(error, SimulateError::Rates(_)));
    })
    .await;
}
