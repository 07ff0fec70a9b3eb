//! A repeated id is a repeat, whatever else changed: by every way in, from two at once, and after an upgrade.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::Event;
use contracts::validation::{Accepted, Claim};
use contracts::{Namespace, Reason, ids};
use ingest::clock::Clock;
use ingest::quarantine::{Plan, Rules, replay};
use ingest::store::{Appended, Committed, EncodedRows, Filter, Fresh, SetAside, Store};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::outcome::{Cut, cut_wire};
use crate::support::{Database, at, events, with_database};

const NOON: &str = "2026-03-01T12:00:00Z";

/// Events of a source that names them by numbers, told so many ms late.
fn told(from: &str, numbers: impl IntoIterator<Item = usize>, later_ms: i64) -> Vec<Accepted> {
    numbers.into_iter().map(|number| named(from, &format!("n-{number}"), None, later_ms)).collect()
}

fn named(from: &str, id: &str, told: Option<Uuid>, later_ms: i64) -> Accepted {
    let mut event = events(1, at(from) + TimeDelta::milliseconds(later_ms)).remove(0);
    event.event_id = ids::rekeyed(event.occurred_at, "shop", id);
    let claim = Claim { event_id: event.event_id, told };
    Accepted {
        event,
        claim: Some(claim),
        open: None,
        whole_order: None,
        part: None,
        visit_start: Default::default(),
    }
}

async fn append(store: &mut Store, accepted: &[Accepted]) -> Committed {
    let mut rows = EncodedRows::default();
    assert!(accepted.iter().all(|accepted| rows.take(accepted)));
    store.append_rows_telling(rows).await.unwrap()
}

fn id(accepted: &Accepted) -> Uuid {
    accepted.event.event_id
}

/// Every event that was made here stands once, and is the one that is known as it.
async fn assert_once(database: &Database, count: i64) {
    assert_eq!(database.count("select count(*) from raw.events").await, count);
    let identities = "select count(distinct substring(uuid_send(event_id) from 7)) from raw.events";
    assert_eq!(database.count(identities).await, count);
    let both = "select count(*) from raw.event_identity join raw.events using (event_id)";
    assert_eq!(database.count(both).await, count);
}

#[tokio::test]
async fn another_time_makes_no_other_event() {
    with_database(async |database| {
        let mut store = database.store().await;
        let first = told(NOON, 0..100, 0);
        assert_eq!(append(&mut store, &first).await.fresh, Fresh::All);
        // Across batches, also to another day, and within one; with new ones between, and one of an own id.
        let again = told(NOON, 0..50, 3);
        let tomorrow = told(NOON, 50..60, 86_400_000);
        let new = told(NOON, 200..210, 7);
        let new_again = told(NOON, 200..210, 9);
        let own = Accepted::from(events(1, at(NOON)).remove(0));
        let batch = [again.clone(), tomorrow, new.clone(), new_again.clone(), vec![own.clone(), own.clone()]]
            .concat();
        let said = append(&mut store, &batch).await;
        let fresh = new.iter().chain([&own]).map(id).collect();
        assert_eq!(said.fresh, Fresh::Only(fresh));
        assert_eq!(said.repeats[&id(&again[4])], id(&first[4]), "the one that counts is named");
        assert_eq!(said.repeats[&id(&new_again[4])], id(&new[4]));
        assert_eq!(said.repeats.len(), 50 + 10 + 10);
        // The one that counts comes second in its batch, by its very id.
        let mut other = database.store().await;
        let said = append(&mut other, &[again[0].clone(), first[0].clone()]).await;
        assert_eq!((said.fresh, said.repeats[&id(&again[0])]), (Fresh::Only([].into()), id(&first[0])));
        assert_eq!(database.ledger().await, [100 + 82 + 2, 111, 71 + 2, 0]);
        database.client.execute("delete from raw.events where event_id = $1", &[&id(&own)]).await.unwrap();
        assert_once(database, 110).await;
    })
    .await;
}

#[tokio::test]
async fn ids_of_their_own_write_and_ask_nothing_more() {
    with_database(async |database| {
        let mut store = database.store().await;
        let all = events(2_000, at(NOON));
        assert_eq!(store.append(&all).await.unwrap().committed, 2_000);
        assert_eq!(store.append(&all).await.unwrap().repeated, 2_000);
        assert_eq!(database.count("select count(*) from raw.event_identity").await, 0);
        let scans = "select (idx_scan + seq_scan + n_tup_ins)::bigint from pg_stat_user_tables where relname = 'event_identity'";
        // The migration itself has read and filled the table; nobody has since.
        database.client.execute("select pg_stat_force_next_flush()", &[]).await.unwrap();
        let before = database.count(scans).await;
        drop(store);
        let mut store = database.store().await;
        store.append(&events(10, at("2026-03-01T13:00:00Z"))).await.unwrap();
        assert_eq!(database.count(scans).await, before);
    })
    .await;
}

#[tokio::test]
async fn of_two_writers_with_other_times_one_is_accepted() {
    with_database(async |database| {
        // The other way round and in other batches: rows that wait for each other must not wait in a circle.
        let write = async |numbers: Vec<usize>, later_ms| {
            let mut store = database.store().await;
            let mut sum = (0, 0);
            for part in numbers.chunks(300) {
                let part = told(NOON, part.iter().copied(), later_ms);
                let mut rows = EncodedRows::default();
                assert!(part.iter().all(|accepted| rows.take(accepted)));
                let Appended { committed, repeated, .. } = store.append_rows(rows).await.unwrap();
                sum = (sum.0 + committed, sum.1 + repeated);
            }
            sum
        };
        let (up, down) = ((0..3_000).collect(), (0..3_000).rev().collect());
        let shuffled = (0..3_000).map(|number| number * 7 % 3_000).collect();
        let sums = futures::join!(write(up, 0), write(down, 5), write(shuffled, 90_000));
        let (committed, repeated) = (sums.0.0 + sums.1.0 + sums.2.0, sums.0.1 + sums.1.1 + sums.2.1);
        assert_eq!((committed, repeated), (3_000, 6_000));
        assert_eq!(database.ledger().await, [9_000, 3_000, 6_000, 0]);
        assert_once(database, 3_000).await;
        let deadlocks = "select deadlocks from pg_stat_database where datname = current_database()";
        assert_eq!(database.count(deadlocks).await, 0);
    })
    .await;
}

#[tokio::test]
async fn who_waits_for_another_writer_takes_what_that_one_gives_up() {
    with_database(async |database| {
        database.store().await.append(&events(1, at(NOON))).await.unwrap();
        for (number, commits) in [false, true].into_iter().enumerate() {
            let [one, other] = [0, 5].map(|later_ms| told(NOON, [number], later_ms).remove(0));
            // Another writer, in the middle of its transaction.
            let client = provision::connect(&database.url).await.unwrap();
            let statements = format!(
                "begin; insert into raw.event_identity values ('{id}');
                 create temp table copied on commit drop as select * from raw.events limit 1;
                 update copied set event_id = '{id}'; insert into raw.events select * from copied",
                id = id(&one)
            );
            client.batch_execute(&statements).await.unwrap();
            let mut store = database.store().await;
            let batch = [other.clone()];
            let ending = async {
                let waiting = "select count(*) from pg_locks where not granted and pid in
                               (select pid from pg_stat_activity where datname = current_database())";
                while database.count(waiting).await == 0 {
                    tokio::task::yield_now().await;
                }
                client.batch_execute(if commits { "commit" } else { "rollback" }).await.unwrap();
            };
            let (said, ()) = tokio::join!(append(&mut store, &batch), ending);
            if commits {
                assert_eq!((said.fresh, said.repeats[&id(&other)]), (Fresh::Only([].into()), id(&one)));
            } else {
                assert_eq!((said.fresh, said.repeats.len()), (Fresh::All, 0));
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_lost_answer_and_a_lost_commit_are_no_repeats() {
    with_database(async |database| {
        for (number, cut) in [Cut::AfterCommit, Cut::BeforeCommit].into_iter().enumerate() {
            let numbers = number * 100..number * 100 + 100;
            let through = async |batch: &[Accepted]| {
                let mut store = Store::connect(&cut_wire(database, cut, 1).await).await.unwrap();
                append(&mut store, batch).await
            };
            let first = through(&told(NOON, numbers.clone(), 0)).await;
            assert_eq!((first.fresh, first.repeats.len()), (Fresh::All, 0));
            let again = through(&told(NOON, numbers, 4)).await;
            assert_eq!((again.fresh, again.repeats.len()), (Fresh::Only([].into()), 100));
        }
        assert_eq!(database.ledger().await, [400, 200, 200, 0]);
        assert_once(database, 200).await;
    })
    .await;
}

#[tokio::test]
async fn an_own_id_whose_event_is_told_with_a_time_far_from_it_is_the_same_event() {
    with_database(async |database| {
        let mut store = database.store().await;
        let first = events(1, at(NOON)).remove(0);
        store.append(std::slice::from_ref(&first)).await.unwrap();
        let own = first.event_id;
        let retry = named(NOON, &own.to_string(), Some(own), 3_600_000);
        let said = append(&mut store, std::slice::from_ref(&retry)).await;
        assert_eq!((said.fresh, said.repeats[&id(&retry)]), (Fresh::Only([].into()), own));
        assert_eq!(
            database.count("select count(*) from raw.event_identity").await,
            0,
            "a repeat claims nothing"
        );
        assert_eq!(database.ledger().await, [2, 1, 1, 0]);
    })
    .await;
}

#[tokio::test]
async fn an_own_id_that_was_told_first_with_a_time_far_from_it_is_the_same_event() {
    with_database(async |database| {
        let mut store = database.store().await;
        let fitting = events(40, at(NOON));
        let moved = |event: &Event, later_ms: i64| {
            named(NOON, &event.event_id.to_string(), Some(event.event_id), 3_600_000 + later_ms)
        };
        let first: Vec<Accepted> = fitting[..20].iter().map(|event| moved(event, 0)).collect();
        assert_eq!(append(&mut store, &first).await.fresh, Fresh::Only(first.iter().map(id).collect()));
        // Another writer, which has met no repeat and knows nothing of them.
        let mut other = database.store().await;
        let mut rows = EncodedRows::default();
        assert!(fitting.iter().all(|event| rows.push(event)));
        let said = other.append_rows_telling(rows).await.unwrap();
        assert_eq!(said.fresh, Fresh::Only(fitting[20..].iter().map(|event| event.event_id).collect()));
        assert_eq!(said.repeats[&fitting[3].event_id], id(&first[3]), "the one that counts is named");
        let again: Vec<Accepted> = fitting.iter().map(|event| moved(event, 7)).collect();
        let said = append(&mut store, &again).await;
        assert_eq!((said.fresh, said.repeats.len()), (Fresh::Only([].into()), 40));
        assert_eq!(database.count("select count(*) from raw.events").await, 40);
        assert_eq!(database.count("select count(*) from raw.event_told").await, 20);
        // One that is gone stands in nobody's way.
        let gone = "delete from raw.events where event_id = (select event_id from raw.event_told order by told limit 1)";
        database.client.execute(gone, &[]).await.unwrap();
        let said = other.append(&fitting).await.unwrap();
        assert_eq!((said.committed, said.repeated), (1, 39));
    })
    .await;
}

#[tokio::test]
async fn of_two_writers_who_tell_an_own_id_with_two_times_one_is_accepted() {
    with_database(async |database| {
        let fitting = events(2_000, at(NOON));
        let write = async |accepted: Vec<Accepted>| {
            let mut store = database.store().await;
            let mut sum = (0, 0);
            for part in accepted.chunks(50) {
                let mut rows = EncodedRows::default();
                assert!(part.iter().all(|accepted| rows.take(accepted)));
                let Appended { committed, repeated, .. } = store.append_rows(rows).await.unwrap();
                sum = (sum.0 + committed, sum.1 + repeated);
            }
            sum
        };
        let as_told = fitting.iter().cloned().map(Accepted::from).collect();
        let moved = fitting
            .iter()
            .rev()
            .map(|event| named(NOON, &event.event_id.to_string(), Some(event.event_id), 3_600_000));
        let (one, other) = futures::join!(write(as_told), write(moved.collect()));
        assert_eq!((one.0 + other.0, one.1 + other.1), (2_000, 2_000));
        assert_eq!(database.count("select count(*) from raw.events").await, 2_000);
        let deadlocks = "select deadlocks from pg_stat_database where datname = current_database()";
        assert_eq!(database.count(deadlocks).await, 0);
    })
    .await;
}

#[tokio::test]
async fn what_was_stored_before_the_upgrade_is_known_after_it() {
    with_database(async |database| {
        let mut store = database.store().await;
        // As the version before has left it: nobody has claimed anything, and one event counts twice.
        let plain = |accepted: Vec<Accepted>| accepted.into_iter().map(|a| a.event).collect::<Vec<Event>>();
        store.append(&plain(told(NOON, 0..20, 0))).await.unwrap();
        store.append(&plain(told(NOON, 0..1, 60_000))).await.unwrap();
        store.append(&events(30, at(NOON))).await.unwrap();
        assert_eq!(database.count("select raw.carry_identities()").await, 20 + 30);
        assert_eq!(database.count("select raw.carry_identities()").await, 0, "it may be run again");
        let said = append(&mut store, &told(NOON, 0..21, 5)).await;
        assert_eq!(
            said.repeats[&id(&told(NOON, 0..1, 5)[0])],
            id(&told(NOON, 0..1, 0)[0]),
            "the first that came in counts"
        );
        assert_eq!(said.fresh, Fresh::Only([id(&told(NOON, 20..21, 5)[0])].into()));
    })
    .await;
}

#[tokio::test]
async fn an_event_that_is_gone_stands_in_nobodys_way() {
    with_database(async |database| {
        let mut store = database.store().await;
        append(&mut store, &told(NOON, 0..10, 0)).await;
        database.client.execute("delete from raw.events", &[]).await.unwrap();
        // Half of them as they were, half with the time put right.
        let batch = [told(NOON, 0..5, 0), told(NOON, 5..10, -3_600_000)].concat();
        let said = append(&mut store, &batch).await;
        assert_eq!((said.fresh, said.repeats.len()), (Fresh::Only(batch.iter().map(id).collect()), 0));
        assert_once(database, 10).await;
        let said = append(&mut store, &told(NOON, 0..10, 8)).await;
        assert_eq!(said.repeats.len(), 10);
    })
    .await;
}

fn set_aside(coordinates: &str, source: &str, occurred_at: &str) -> SetAside {
    let payload = serde_json::json!({
        "source_id": "a-7", "event_name": "view_item_list", "occurred_at": occurred_at, "user_id": Uuid::from_u128(1),
        "gender": "other", "age": 40, "country": "DE", "city": "Kassel", "latitude": 51.3, "longitude": 9.5,
        "session_id": Uuid::from_u128(2), "session_started_at": NOON, "returning": false, "device": "mobile",
        "channel": "direct",
    });
    SetAside {
        source: source.into(),
        coordinates: coordinates.into(),
        reason: Reason::MissingRate,
        detail: "detail".into(),
        payload: payload.to_string().into_bytes(),
        quarantined_at: at(NOON),
        user_id: None,
    }
}

/// Judges what stands in quarantine again: accepted and repeated.
async fn replayed(store: &mut Store, now: DateTime<Utc>, dry_run: bool) -> (u64, u64) {
    let rules = Rules { namespace: Namespace::default(), rates: ingest::rates::built_in() };
    let plan = Plan { filter: Filter::default(), rules, dry_run };
    let clock = Clock::starting_at(now);
    let done = replay(store, &plan, &clock, &CancellationToken::new(), |_| {}).await.unwrap();
    (done.accepted, done.repeated)
}

#[tokio::test]
async fn a_replay_of_the_quarantine_knows_an_id_with_another_time() {
    with_database(async |database| {
        let mut store = database.store().await;
        let one = "2026-03-01T12:00:01Z";
        let records = [
            set_aside("1", "collector/web", one),
            set_aside("2", "collector/web", "2026-03-01T12:00:02Z"),
            set_aside("3", "collector/app", one),
        ];
        store.quarantine(&records).await.unwrap();
        let now = at("2026-03-01T12:05:00Z");
        assert_eq!(replayed(&mut store, now, true).await, (2, 1), "another source's id is another id");
        assert_eq!(replayed(&mut store, now, false).await, (2, 1));
        let counting = "select count(*) from raw.quarantine q join raw.events e on e.event_id = q.record_id";
        assert_eq!(database.count(counting).await, 3, "each names the event that counts");
        // It came in by itself meanwhile, with another time.
        store.quarantine(&[set_aside("4", "collector/web", "2026-03-01T12:00:03Z")]).await.unwrap();
        assert_eq!(replayed(&mut store, now, true).await, (0, 1));
        assert_eq!(replayed(&mut store, now, false).await, (0, 1));
        assert_eq!(database.count(counting).await, 4);
        assert_once(database, 2).await;
    })
    .await;
}
