//! Uniqueness, repeats, partitions.

use chrono::TimeDelta;
use ingest::store::{Appended, SetAside};

use crate::support::{at, events, with_database};

#[tokio::test]
async fn every_event_is_committed_or_counted_as_a_repeat() {
    with_database(async |database| {
        let mut store = database.store().await;
        let all = events(25_000, at("2026-03-01T10:00:00Z"));
        let first = store.append(&all).await.unwrap();
        assert_eq!(first, Appended { committed: 25_000, repeated: 0 });
        // Half of these are there, and two stand twice among the new ones.
        let mut mixed = all[..1_000].to_vec();
        mixed.extend(events(1_000, at("2026-03-01T11:00:00Z")));
        mixed.push(mixed[1_500].clone());
        mixed.push(mixed[1_501].clone());
        let second = store.append(&mixed).await.unwrap();
        assert_eq!(second, Appended { committed: 1_000, repeated: 1_002 });
        assert_eq!(store.append(&mixed).await.unwrap(), Appended { committed: 0, repeated: 2_002 });
        // A repeat only within the batch, met by the fast path of a fresh store.
        let mut doubled = events(10, at("2026-03-01T12:00:00Z"));
        doubled.extend(doubled.clone());
        let mut other = database.store().await;
        assert_eq!(other.append(&doubled).await.unwrap(), Appended { committed: 10, repeated: 10 });
        assert_eq!(database.count("select count(*) from raw.events").await, 26_010);
        let largest = "select max(n) from (select count(*) n from raw.events group by tx::text) by_tx";
        assert!(database.count(largest).await <= 10_000, "a transaction is bounded");
    })
    .await;
}

#[tokio::test]
async fn what_is_read_back_is_what_was_written() {
    with_database(async |database| {
        let mut store = database.store().await;
        let event = events(1, at("2026-03-01T10:00:00.123456Z")).remove(0);
        store.append(std::slice::from_ref(&event)).await.unwrap();
        let row = database.client.query_one("select * from raw.events", &[]).await.unwrap();
        assert_eq!(row.get::<_, uuid::Uuid>("event_id"), event.event_id);
        assert_eq!(row.get::<_, chrono::DateTime<chrono::Utc>>("occurred_at"), event.occurred_at);
        assert_eq!(row.get::<_, &str>("city"), "Köln");
        assert!((row.get::<_, f64>("latitude") - -0.1).abs() < f64::EPSILON);
        assert_eq!(row.get::<_, Option<&str>>("item_id"), None);
    })
    .await;
}

#[tokio::test]
async fn days_get_their_partitions_on_demand_and_again_after_retention() {
    with_database(async |database| {
        let mut store = database.store().await;
        let midnight = at("2026-03-02T00:00:00Z");
        let around = events(20, midnight - TimeDelta::milliseconds(10));
        store.append(&around).await.unwrap();
        assert_eq!(database.count("select count(*) from raw.events_20260301").await, 10);
        assert_eq!(database.count("select count(*) from raw.events_20260302").await, 10);
        database.client.batch_execute("drop table raw.events_20260301").await.unwrap();
        let again = store.append(&around).await.unwrap();
        assert_eq!(again, Appended { committed: 10, repeated: 10 });
    })
    .await;
}

#[tokio::test]
async fn two_writers_count_each_event_once() {
    with_database(async |database| {
        let (mut one, mut two) = (database.store().await, database.store().await);
        let all = events(6_000, at("2026-03-01T10:00:00Z"));
        let (a, b) = tokio::join!(one.append(&all), two.append(&all));
        let (a, b) = (a.unwrap(), b.unwrap());
        assert_eq!(a.committed + b.committed, 6_000);
        assert_eq!(a.repeated + b.repeated, 6_000);
    })
    .await;
}

#[tokio::test]
async fn quarantine_keeps_bytes_and_takes_a_record_once() {
    with_database(async |database| {
        let mut store = database.store().await;
        let record = SetAside {
            source: "test".into(),
            coordinates: "1/2".into(),
            reason: contracts::Reason::InvalidField,
            detail: "age: nul \0 in it".into(),
            payload: vec![0, 255, 1],
            quarantined_at: at("2026-03-01T10:00:00Z"),
        };
        store.quarantine(std::slice::from_ref(&record)).await.unwrap();
        store.quarantine(&[record]).await.unwrap();
        let row = database.client.query_one("select * from raw.quarantine", &[]).await.unwrap();
        assert_eq!(row.get::<_, &[u8]>("payload"), [0, 255, 1]);
        assert_eq!(row.get::<_, i64>("size_bytes"), 3);
        assert_eq!(row.get::<_, &str>("reason"), "invalid_field");
        assert_eq!(row.get::<_, &str>("sha256").len(), 64);
    })
    .await;
}
