//! What the store refuses when it commits: what is before the retention floor, and whoever was erased.

use chrono::{DateTime, Utc};
use contracts::admission::{address_hash, user_hash};
use contracts::{Event, Reason, ids};
use ingest::store::{Appended, Judgement, Outcome, SetAside, UserRecord, Verdict};
use uuid::Uuid;

use crate::support::{Database, at, events, users, with_database};

const FLOOR: &str = "2026-03-02T00:00:00Z";

async fn raise_floor(database: &Database, floor: &str) {
    let mut client = provision::connect(&database.url).await.unwrap();
    provision::retention::raise_floor(&mut client, at(floor)).await.unwrap();
}

async fn record_erasure(database: &Database, user: &Uuid) {
    let mut client = provision::connect(&database.url).await.unwrap();
    let key = provision::erasure::key(&client).await.unwrap();
    let hashes = [user_hash(&key, user), address_hash(&key, "Ann@Shop.example")];
    provision::erasure::record(&mut client, &hashes).await.unwrap();
}

/// Ten events from before the floor and ten from after.
fn around_the_floor() -> Vec<Event> {
    let mut all = events(10, at("2026-03-01T10:00:00Z"));
    all.extend(events(10, at("2026-03-02T10:00:00Z")));
    all
}

/// Of what was set aside: how many for this reason, and how many of them with bytes.
async fn set_aside(database: &Database, reason: Reason) -> (i64, i64) {
    let sql = "select count(*), count(payload) from raw.quarantine where reason = $1";
    let row = database.client.query_one(sql, &[&reason.as_str()]).await.unwrap();
    (row.get(0), row.get(1))
}

#[tokio::test]
async fn what_occurred_before_the_floor_is_set_aside_by_a_store_that_began_before_it() {
    with_database(async |database| {
        let mut store = database.store().await;
        store.append(&events(5, at("2026-03-03T10:00:00Z"))).await.unwrap();
        raise_floor(database, FLOOR).await;
        let appended = store.append(&around_the_floor()).await.unwrap();
        assert_eq!(appended, Appended { committed: 10, repeated: 0, refused: 10 });
        assert_eq!(set_aside(database, Reason::BeforeFloor).await, (10, 0));
        assert_eq!(
            database.count("select count(*) from raw.events where occurred_at < '2026-03-02Z'").await,
            0
        );
        // On the path that counts repeats too, and what is set aside already is not counted again.
        let again = store.append(&around_the_floor()).await.unwrap();
        assert_eq!(again, Appended { committed: 0, repeated: 10, refused: 10 });
        assert_eq!(set_aside(database, Reason::BeforeFloor).await, (10, 0));
        assert_eq!(database.ledger().await, [35, 15, 10, 10]);
        // The first batch was judged by rules that were out of date and has left an empty partition; no other
        // does.
        assert_eq!(store.append(&events(3, at("2026-02-27T10:00:00Z"))).await.unwrap().refused, 3);
        let partition = "select count(*) from pg_class where relname = 'events_20260227'";
        assert_eq!(database.count(partition).await, 0, "no partition is made for what is refused");
    })
    .await;
}

#[tokio::test]
async fn nothing_from_before_the_floor_is_committed_once_it_has_moved() {
    with_database(async |database| {
        let mut store = database.store().await;
        let writing = async {
            for number in 0..200 {
                let from = at("2026-03-01T10:00:00Z") + chrono::TimeDelta::seconds(number);
                let appended = store.append(&events(20, from)).await.unwrap();
                assert_eq!(appended.committed + appended.refused, 20);
            }
        };
        let moving = async {
            while database.count("select count(*) from raw.events").await < 100 {
                tokio::task::yield_now().await;
            }
            raise_floor(database, FLOOR).await;
            database.count("select count(*) from raw.events").await
        };
        let ((), committed) = tokio::join!(writing, moving);
        assert_eq!(database.count("select count(*) from raw.events").await, committed);
        assert_eq!(set_aside(database, Reason::BeforeFloor).await, (4_000 - committed, 0));
        assert_eq!(database.ledger().await, [4_000, committed, 0, 4_000 - committed]);
    })
    .await;
}

#[tokio::test]
async fn of_an_erased_person_neither_events_nor_row_nor_bytes_come_in() {
    with_database(async |database| {
        let mut store = database.store().await;
        let erased = users(1).remove(0);
        let user = erased.user.user_id;
        record_erasure(database, &user).await;

        let mut batch = events(20, at("2026-03-03T10:00:00Z"));
        for event in &mut batch[5..10] {
            event.user_id = user;
        }
        let told = store.append(&batch).await.unwrap();
        assert_eq!(told, Appended { committed: 15, repeated: 0, refused: 5 });
        assert_eq!(database.count("select count(distinct user_id) from raw.events").await, 15);

        let upserted = store.upsert_users(&users(3)).await.unwrap();
        assert_eq!((upserted.inserted, upserted.refused), (2, 1));
        let again = store.upsert_users(&users(3)).await.unwrap();
        assert_eq!((again.unchanged, again.refused), (2, 1));
        assert_eq!(set_aside(database, Reason::Erased).await, (6, 0), "the same person is set aside once");

        // Records that did not pass keep their bytes, but not those that name the person, by whatever id.
        let record = |coordinates: &str, payload: Vec<u8>| SetAside {
            source: "simulator".to_owned(),
            coordinates: coordinates.to_owned(),
            reason: Reason::Malformed,
            detail: "no json".to_owned(),
            payload,
            user_id: None,
            quarantined_at: at("2026-03-03T10:00:00Z"),
        };
        let login = Uuid::from_u128(0);
        assert_eq!(ids::user_id(&login), user);
        let about = [
            record("text", format!("{{\"user_id\":\"{user}\"").into_bytes()),
            record("bytes", [b"\0\0\0\0\x01H".as_slice(), user.as_bytes()].concat()),
            record("login", format!("login.uuid={login}").into_bytes()),
            record("address", b"b2,K-17,ann@shop.example,n/a".to_vec()),
            SetAside { user_id: Some(user), ..record("by a shop's own id", b"b3,K-17,n/a".to_vec()) },
            SetAside {
                user_id: Some(Uuid::from_u128(78)),
                ..record("other", Uuid::from_u128(77).to_string().into_bytes())
            },
        ];
        store.quarantine(&about).await.unwrap();
        assert_eq!(set_aside(database, Reason::Erased).await, (11, 0));
        assert_eq!(database.count("select count(*) from raw.quarantine where user_id is not null").await, 1);
        assert_eq!(set_aside(database, Reason::Malformed).await, (1, 1));
        database.ledger().await;
    })
    .await;
}

#[tokio::test]
async fn a_replay_of_the_quarantine_brings_nobody_and_nothing_old_back() {
    with_database(async |database| {
        let mut store = database.store().await;
        let person = users(2);
        let mut all = events(3, at("2026-03-03T10:00:00Z"));
        all[0].user_id = person[0].user.user_id;
        all[1] = events(1, at("2026-03-01T10:00:00Z")).remove(0);
        let judgements = all
            .into_iter()
            .map(|event| Judgement::Event(Box::new(event.into())))
            .chain(person.iter().map(|record: &UserRecord| Judgement::User(Box::new(record.clone()))));
        let verdicts: Vec<Verdict> = judgements
            .enumerate()
            .map(|(number, judgement)| Verdict {
                source: "simulator".to_owned(),
                coordinates: number.to_string(),
                judgement,
            })
            .collect();
        let records: Vec<SetAside> = verdicts
            .iter()
            .map(|verdict| SetAside {
                source: verdict.source.clone(),
                coordinates: verdict.coordinates.clone(),
                reason: Reason::MissingRate,
                detail: String::new(),
                payload: b"bytes".to_vec(),
                user_id: None,
                quarantined_at: at("2026-03-03T10:00:00Z"),
            })
            .collect();
        store.quarantine(&records).await.unwrap();
        raise_floor(database, FLOOR).await;
        record_erasure(database, &person[0].user.user_id).await;
        let now: DateTime<Utc> = at("2026-03-03T11:00:00Z");
        let settled = store.settle(&verdicts, now).await.unwrap();
        let outcomes: Vec<Outcome> = settled.iter().map(|(_, outcome)| outcome.unwrap()).collect();
        use Outcome::{Accepted, Refused};
        assert_eq!(outcomes, [Refused, Refused, Accepted, Refused, Accepted]);
        let Judgement::Refused { reason, .. } = &settled[1].0.judgement else { panic!("{:?}", settled[1]) };
        assert_eq!(*reason, Reason::BeforeFloor);
        let without = "select string_agg(coordinates, '' order by coordinates) from raw.quarantine where payload is null";
        let row = database.client.query_one(without, &[]).await.unwrap();
        assert_eq!(row.get::<_, &str>(0), "013");
    })
    .await;
}
