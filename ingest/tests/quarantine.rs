//! What was set aside, looked at and judged again: each event counts once, whatever happens on the way.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use contracts::money::Rates;
use contracts::{Namespace, Reason, wire};
use ingest::clock::Clock;
use ingest::quarantine::{Plan, Replayed, Rules, replay};
use ingest::rates;
use ingest::source::randomuser;
use ingest::source::simulator::{self, Dial, Limit, Pace, Progress, Rhythm, RunConfig, Truth};
use ingest::store::{Filter, Outcome, SetAside, Store};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::outcome::{Cut, cut_wire};
use crate::support::{Database, at, events, users, with_database};

const START: &str = "2026-03-01T09:00:00Z";

/// A run of which two in a hundred records break a rule.
async fn dirty_run(store: &mut Store) -> Truth {
    store.upsert_users(&users(400)).await.unwrap();
    let shoppers = store.users().await.unwrap();
    let config = RunConfig {
        seed: 5,
        events_per_s: 500.0,
        pace: Pace::Unpaced,
        limit: Limit::Records(20_000),
        rhythm: Rhythm::Flat,
        dial: Dial {
            late_pct: 5.0,
            repeated_pct: 5.0,
            out_of_order_pct: 0.0,
            malformed_pct: 2.0,
            hot_key_pct: 10.0,
            guests_pct: 10.0,
        },
    };
    let (progress, _) = watch::channel(Progress::default());
    let cancel = CancellationToken::new();
    let clock = Clock::starting_at(at(START));
    simulator::run(&config, rates::built_in(), store, &shoppers, &clock, &cancel, &progress)
        .await
        .unwrap()
        .truth
}

fn plan(filter: Filter, rates: Rates) -> Plan {
    Plan { filter, rules: Rules { namespace: Namespace::default(), rates }, dry_run: false }
}

/// Rates that know the code for "no currency".
fn any_rates() -> Rates {
    Rates::parse("EUR".parse().unwrap(), 40, "2026-02-25,XXX,0.5").unwrap()
}

fn of(reason: Reason) -> Filter {
    Filter { reason: Some(reason), ..Filter::default() }
}

async fn replayed(store: &mut Store, plan: &Plan, clock: &Clock) -> Replayed {
    let mut pages = 0;
    let replayed = replay(store, plan, clock, &CancellationToken::new(), |_| pages += 1).await.unwrap();
    assert_eq!(replayed.judged > 0, pages > 0);
    assert_eq!(
        replayed.judged,
        replayed.accepted + replayed.repeated + replayed.refused_total() + replayed.elsewhere
    );
    replayed
}

async fn reasons(store: &mut Store, filter: &Filter) -> BTreeMap<&'static str, u64> {
    let counts = store.count_quarantined(filter).await.unwrap();
    counts.iter().map(|count| (count.reason.as_str(), u64::try_from(count.open).unwrap())).collect()
}

#[tokio::test]
async fn the_truth_stands_in_quarantine_and_a_fix_brings_each_event_in_once() {
    with_database(async |database| {
        let mut store = database.store().await;
        let truth = dirty_run(&mut store).await;
        assert_eq!(reasons(&mut store, &Filter::default()).await, truth.rejected);
        assert_eq!(store.quarantined(&Filter::default(), 7).await.unwrap().len(), 7);
        let before = database.count("select count(*) from raw.events").await;

        // By the same rules nothing passes that could not: what was of the future is of the past now.
        let then = Clock::starting_at(at(START));
        let same = replayed(&mut store, &plan(Filter::default(), rates::built_in()), &then).await;
        let refused: BTreeMap<&str, u64> =
            same.refused.iter().map(|(reason, count)| (reason.as_str(), *count)).collect();
        assert_eq!((same.accepted, same.repeated), (0, 0));
        assert_eq!(refused.values().sum::<u64>(), truth.rejected_total());
        assert_eq!(refused.get("missing_rate"), truth.rejected.get("missing_rate"));
        assert_eq!(reasons(&mut store, &Filter::default()).await, truth.rejected, "they stay open");

        let missing = truth.rejected["missing_rate"];
        let fixed = plan(of(Reason::MissingRate), any_rates());
        let later = Clock::starting_at(at("2026-03-02T00:00:00Z"));
        let dry = Plan { dry_run: true, ..plan(of(Reason::MissingRate), any_rates()) };
        let foretold = replayed(&mut store, &dry, &later).await;
        assert_eq!((foretold.accepted, database.count("select count(*) from raw.events").await), (missing, before));
        let fixed = replayed(&mut store, &fixed, &later).await;
        assert_eq!((fixed.accepted, fixed.refused_total()), (missing, 0));
        let sql = "select count(*) from raw.events e join raw.quarantine q on q.record_id = e.event_id
                   where e.ingested_at = q.replayed_at and e.event_id = (convert_from(q.payload, 'UTF8')::jsonb->>'event_id')::uuid
                     and e.amount_base = round(e.price * e.quantity * 0.5, 2) and e.rate_date = '2026-02-25'";
        assert_eq!(database.count(sql).await, i64::try_from(missing).unwrap(), "ids stay, money is converted now");
        let again = replayed(&mut store, &plan(of(Reason::MissingRate), any_rates()), &later).await;
        assert_eq!(again.judged, 0, "what passed is not open any more");
        let after = database.count("select count(*) from raw.events").await;
        assert_eq!(after, before + i64::try_from(missing).unwrap());

        // Somebody forgets what was replayed: the key remembers.
        database.client.execute("update raw.quarantine set replayed_at = null, outcome = null", &[]).await.unwrap();
        let again = replayed(&mut store, &plan(of(Reason::MissingRate), any_rates()), &later).await;
        assert_eq!((again.accepted, again.repeated), (0, missing));

        let future = truth.rejected["future"];
        let in_time = replayed(&mut store, &plan(of(Reason::Future), rates::built_in()), &later).await;
        assert_eq!(in_time.accepted, future, "time was the fix");
        let open = Filter { open: Some(true), ..Filter::default() };
        let left = store.quarantined(&open, 100_000).await.unwrap();
        assert_eq!(left.len() as u64, truth.rejected_total() - missing - future);
        assert!(left.iter().all(|record| record.outcome.is_none_or(|outcome| outcome == Outcome::Refused)));
    })
    .await;
}

async fn set_aside_drafts(database: &Database, store: &mut Store) -> i64 {
    let truth = dirty_run(store).await;
    database.client.execute("delete from raw.quarantine where reason <> 'missing_rate'", &[]).await.unwrap();
    i64::try_from(truth.rejected["missing_rate"]).unwrap()
}

#[tokio::test]
async fn replays_at_the_same_time_and_lost_answers_count_nothing_twice() {
    with_database(async |database| {
        let mut store = database.store().await;
        let missing = set_aside_drafts(database, &mut store).await;
        let before = database.count("select count(*) from raw.events").await;
        let through = async |cut, times| {
            let mut store = Store::connect(&cut_wire(database, cut, times).await).await.unwrap();
            let plan = plan(of(Reason::MissingRate), any_rates());
            replayed(&mut store, &plan, &Clock::wall()).await
        };
        let (one, other) = futures::join!(through(Cut::AfterCommit, 1), through(Cut::BeforeCommit, 2));
        for replayed in [&one, &other] {
            assert_eq!((replayed.repeated, replayed.refused_total()), (0, 0), "{replayed:?}");
        }
        assert_eq!(one.accepted + other.accepted, u64::try_from(missing).unwrap());
        assert_eq!(database.count("select count(*) from raw.events").await, before + missing);
    })
    .await;
}

/// A Kafka record as the relay writes it, of whatever schema id.
fn wire_value(event: &contracts::Event, schema_id: u32) -> Vec<u8> {
    let mut value = Vec::new();
    wire::write_header(&mut value, schema_id);
    event.write_avro(&mut value);
    value
}

fn record(source: &str, coordinates: &str, reason: Reason, payload: &[u8]) -> SetAside {
    SetAside {
        source: source.into(),
        coordinates: coordinates.into(),
        reason,
        detail: "detail".into(),
        payload: payload.to_vec(),
        user_id: None,
        quarantined_at: at(START),
    }
}

#[tokio::test]
async fn records_of_topics_users_and_the_log_are_judged_by_their_own_rules() {
    with_database(async |database| {
        let mut store = database.store().await;
        let all = events(4, at(START));
        store.append(&all[..1]).await.unwrap();
        let topic = "shop.events.g1";
        let mut cut = wire_value(&all[3], 1);
        cut.truncate(80);
        let server = randomuser::server::Server::start(Clock::starting_at(at(START))).await.unwrap();
        let page = fetch(&server).await;
        let user = page.users[0].profile.clone();
        let mut user = user.to_string();
        // The parser of that day had a flaw; the bytes are whole.
        user = user.replace("\"dob\":{", "\"dob\":{\"age\":33,");
        let set_aside = [
            record(topic, "0/1", Reason::ForeignGeneration, &wire_value(&all[0], 1)),
            record(topic, "0/2", Reason::ForeignGeneration, &wire_value(&all[1], 1)),
            record(topic, "1/2", Reason::ForeignGeneration, &wire_value(&all[1], 1)),
            record(topic, "0/3", Reason::UnknownSchemaId, &wire_value(&all[2], 99)),
            record(topic, "0/4", Reason::UndecodableAvro, &cut),
            record(topic, "0/5", Reason::BadMagicByte, b"{}"),
            record("shop_relay", "0/16B3748/2", Reason::UndecodableRow, b"row"),
            record("randomuser", "s/1/0", Reason::InvalidField, user.as_bytes()),
            record("simulator", "x/1", Reason::Malformed, b"[]"),
        ];
        store.quarantine(&set_aside).await.unwrap();
        let now = at(START) + TimeDelta::hours(1);
        let replayed =
            replayed(&mut store, &plan(Filter::default(), rates::built_in()), &Clock::starting_at(now)).await;
        assert_eq!((replayed.judged, replayed.accepted, replayed.repeated), (9, 3, 2), "{replayed:?}");
        let refused: Vec<Reason> = replayed.refused.keys().copied().collect();
        assert_eq!(
            refused,
            [Reason::Malformed, Reason::UndecodableRow, Reason::BadMagicByte, Reason::UndecodableAvro]
        );
        assert!(replayed.examples[&Reason::UndecodableRow].detail.contains("storepulse rebuild"));
        let ids = "select count(*) from raw.events where event_id = any($1) and (ingested_at = $2) = (event_id <> $3)";
        let wanted: Vec<_> = all[..3].iter().map(|event| event.event_id).collect();
        let found: i64 =
            database.client.query_one(ids, &[&wanted, &now, &all[0].event_id]).await.unwrap().get(0);
        assert_eq!(found, 3, "ids stay as they were; the time of arrival is now");
        assert_eq!(database.count("select count(*) from raw.users").await, 1);
    })
    .await;
}

async fn fetch(server: &randomuser::server::Server) -> randomuser::Page {
    let client = randomuser::Client::new(
        &server.endpoint(),
        std::time::Duration::from_secs(10),
        randomuser::RetryPolicy::default(),
    )
    .unwrap();
    client.fetch(&randomuser::PageRequest::new("seed", 1, 1, &[]).unwrap(), at(START)).await.unwrap()
}

#[tokio::test]
async fn other_bytes_at_the_same_coordinates_are_kept_beside() {
    with_database(async |database| {
        let mut store = database.store().await;
        let first = record("shop.events.g1", "0/7", Reason::BadMagicByte, b"first");
        let second = SetAside { payload: b"second".to_vec(), ..first.clone() };
        for _ in 0..2 {
            store.quarantine(std::slice::from_ref(&first)).await.unwrap();
            store.quarantine(std::slice::from_ref(&second)).await.unwrap();
        }
        let kept = store.quarantined_after(&Filter::default(), &Default::default(), 10).await.unwrap();
        let kept: Vec<_> =
            kept.iter().map(|(record, bytes)| (record.coordinates.as_str(), bytes.as_deref())).collect();
        assert_eq!(kept.len(), 2);
        assert_eq!(kept[0], ("0/7", Some(&b"first"[..])));
        assert!(kept[1].0.starts_with("0/7#") && kept[1].1 == Some(b"second"), "{kept:?}");
    })
    .await;
}
