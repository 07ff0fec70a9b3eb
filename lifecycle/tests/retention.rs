//! What is older than the floor goes everywhere, once.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{Reason, ids};
use ingest::store::Fresh;
use lifecycle::retention::{self, Retained, RetentionConfig};
use rdkafka::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};
use uuid::Uuid;

use crate::support::{Shop, append_named, events, in_shop, midnight, other_event, set_aside};

const KEEP_DAYS: u32 = 2;
const USER: Uuid = Uuid::from_u128(0x1234_5678_9abc_5def_8000_0000_0000_0001);

async fn retain(shop: &Shop, dry_run: bool, read: i64) -> Retained {
    let config =
        RetentionConfig { endpoints: shop.endpoints.clone(), keep_days: KEEP_DAYS, now: Utc::now(), dry_run };
    let committed = |_: &str| Some(BTreeMap::from([(0, read), (1, read), (2, read), (3, read)]));
    retention::run(&config, &committed, &|_| {}).await.unwrap()
}

/// A record in the first partition of the events topic, produced at an instant.
async fn produce(shop: &Shop, at: DateTime<Utc>) {
    let producer: FutureProducer =
        ClientConfig::new().set("bootstrap.servers", &shop.endpoints.kafka_brokers).create().unwrap();
    let topic = shop.endpoints.namespace.events_topic(1);
    let record = FutureRecord::<(), _>::to(&topic).partition(0).payload("r").timestamp(at.timestamp_millis());
    producer.send(record, TimeDelta::seconds(20).to_std().unwrap()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_before_the_floor_goes_and_never_comes_again() {
    in_shop(async |shop| {
        let mut store = shop.store().await;
        let floor = midnight(KEEP_DAYS.into());
        // The oldest first: Kafka looks for the first record that is new enough.
        for days_ago in [9, 4, 3, 2, 1, 0] {
            let noon = midnight(days_ago) + TimeDelta::hours(12);
            store.append(&events(USER, 5, noon)).await.unwrap();
            append_named(&mut store, USER, &days_ago.to_string(), noon).await;
            store.quarantine(&[set_aside(&days_ago.to_string(), b"x", noon)]).await.unwrap();
            store.append_rows(other_event(&days_ago.to_string(), None, None, noon)).await.unwrap();
            let day = noon.date_naive();
            shop.cql(&format!(
                "insert into ks.activity_by_minute (day, minute, events) values ('{day}', '{}', 1)",
                noon.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
            ))
            .await;
            shop.cql(&format!(
                "insert into ks.sessions_by_user (user_id, started_at, session_id, session_started_at, events)
                 values ({USER}, '{0}', {USER}, '{0}', 1)",
                noon.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
            ))
            .await;
            // Today's noon may not have come yet, and brokers may refuse records of the future.
            if days_ago > 0 {
                produce(shop, noon).await;
            }
        }
        // A minute's difference between an event and its id: stored on the day before the floor, and kept.
        let mut first = events(USER, 1, floor + TimeDelta::seconds(5)).remove(0);
        first.event_id = ids::v7(floor - TimeDelta::seconds(5), [9; 10]);
        store.append(&[first]).await.unwrap();

        let wanted = retain(shop, true, 100).await;
        assert_eq!((wanted.floor, wanted.floor_before), (Some(floor), None));
        assert_eq!(shop.count("select count(*) from ops.setting where name = 'retention_floor'").await, 0);
        let retained = retain(shop, false, 100).await;
        assert_eq!(Retained { dry_run: true, ..retained.clone() }, wanted, "a dry run says what will be");

        assert_eq!(retained.partitions.len(), 2, "{retained:?}");
        assert!(retained.notes[0].contains("stays until the next run"), "{retained:?}");
        assert_eq!(shop.count("select count(*) from raw.events").await, 18 + 6 + 1);
        // An id is known as long as its event is there, and no longer.
        assert_eq!(retained.rows["raw.event_identity"], 2, "the third day's partition stays");
        let both = "select count(*) from raw.event_identity join raw.events using (event_id)";
        assert_eq!(
            (shop.count("select count(*) from raw.event_identity").await, shop.count(both).await),
            (4, 4)
        );
        let later = midnight(0) + TimeDelta::seconds(1);
        assert_eq!(append_named(&mut store, USER, "1", later).await.repeats.len(), 1);
        assert_eq!(
            append_named(&mut store, USER, "9", later).await.fresh,
            Fresh::Only([ids::rekeyed(later, "shop", "9")].into())
        );
        assert_eq!(retained.rows["raw.quarantine"], 3);
        assert_eq!(retained.rows["raw.other_events"], 3);
        assert_eq!(retained.cassandra["activity_by_minute"], 3);
        assert_eq!(retained.cassandra["sessions_by_user"], 1);
        assert_eq!(retained.kafka[&shop.endpoints.namespace.events_topic(1)], 3);
        assert_eq!(shop.cql("select * from ks.activity_by_minute").await, 3);
        assert_eq!(shop.cql("select * from ks.sessions_by_user").await, 3);

        // Nothing from before comes in again, in Cassandra neither.
        let old = events(USER, 5, midnight(9) + TimeDelta::hours(12));
        let appended = store.append(&old).await.unwrap();
        assert_eq!((appended.committed, appended.refused), (0, 5));
        let reason = Reason::BeforeFloor.as_str();
        assert_eq!(
            shop.count(&format!("select count(*) from raw.quarantine where reason = '{reason}'")).await,
            5
        );
        let late = format!("('{}', '{}T12:00:00Z', 1)", midnight(9).date_naive(), midnight(9).date_naive());
        let revision = contracts::cube::write_time(1_900_000_000_000_000, 1 << 20, 1);
        shop.cql(&format!(
            "insert into ks.activity_by_minute (day, minute, events) values {late} using timestamp {revision}"
        ))
        .await;
        assert_eq!(shop.cql("select * from ks.activity_by_minute").await, 3);

        let again = retain(shop, false, 100).await;
        assert_eq!((again.floor, again.floor_before), (Some(floor), Some(floor)));
        assert_eq!((again.partitions.len(), again.cassandra.values().sum::<u64>()), (0, 0));
        assert_eq!(again.kafka.values().sum::<u64>(), 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_with_nothing_that_old_keeps_no_floor_and_takes_its_history() {
    in_shop(async |shop| {
        let mut store = shop.store().await;
        let noon = midnight(KEEP_DAYS.into()) + TimeDelta::hours(12);
        store.append(&events(USER, 5, noon)).await.unwrap();
        let long_ago = midnight(9);
        store.quarantine(&[set_aside("old", b"x", long_ago)]).await.unwrap();
        for dry_run in [true, false] {
            let retained = retain(shop, dry_run, 100).await;
            assert_eq!((retained.floor, retained.partitions.len()), (None, 0), "{retained:?}");
            assert!(retained.notes[0].contains("no further than what is removed"), "{retained:?}");
            // What came in long ago goes by its age alone.
            assert_eq!(retained.rows["raw.quarantine"], 1);
        }
        let history = store.append(&events(USER, 5, long_ago)).await.unwrap();
        assert_eq!((history.committed, history.refused), (5, 0));
        // From then on there is something to remove: the floor moves behind that day, and no further.
        let wanted = retain(shop, true, 100).await;
        let retained = retain(shop, false, 100).await;
        assert_eq!((wanted.floor, retained.floor), (Some(midnight(8)), Some(midnight(8))));
        assert!(retained.notes[0].contains("no further than what is removed"), "{retained:?}");
        assert_eq!(retained.partitions.len(), 1);
        assert_eq!(shop.count("select count(*) from raw.events").await, 5);
        let history = store.append(&events(USER, 5, midnight(8))).await.unwrap();
        assert_eq!((history.committed, history.refused), (5, 0));
        let before = store.append(&events(USER, 5, long_ago)).await.unwrap();
        assert_eq!((before.committed, before.refused), (0, 5));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_event_of_long_ago_closes_no_more_than_its_own_day() {
    in_shop(async |shop| {
        let mut store = shop.store().await;
        let of_1971: DateTime<Utc> = "1971-05-05T12:00:00Z".parse().unwrap();
        store.append(&events(USER, 1, of_1971)).await.unwrap();
        let registered =
            "insert into raw.registrations (country, ingested_at) values ('DE', now() - interval '30 days')";
        shop.pg.batch_execute(registered).await.unwrap();
        let retained = retain(shop, false, 100).await;
        assert_eq!(retained.floor, "1971-05-06T00:00:00Z".parse().ok());
        assert_eq!((retained.partitions.len(), retained.rows["raw.registrations"]), (1, 0));
        let history = store.append(&events(USER, 5, midnight(400))).await.unwrap();
        assert_eq!((history.committed, history.refused), (5, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_floor_never_moves_back_and_what_is_not_read_stays() {
    in_shop(async |shop| {
        for _ in 0..3 {
            produce(shop, midnight(4)).await;
        }
        let later = midnight(1);
        let mut client = provision::connect(&shop.endpoints.pg_url).await.unwrap();
        provision::retention::raise_floor(&mut client, later).await.unwrap();
        let retained = retain(shop, false, 2).await;
        assert_eq!((retained.floor, retained.floor_before), (Some(later), Some(later)));
        assert!(retained.notes.iter().any(|note| note.contains("never moves back")), "{retained:?}");
        assert!(retained.notes.iter().any(|note| note.contains("not read yet")), "{retained:?}");
        assert_eq!(retained.kafka.values().sum::<u64>(), 2);
    })
    .await;
}
