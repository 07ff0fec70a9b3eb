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
        assert_eq!(first, Appended { committed: 25_000, repeated: 0, refused: 0 });
        // Half of these are there, and two stand twice among the new ones.
        let mut mixed = all[..1_000].to_vec();
        mixed.extend(events(1_000, at("2026-03-01T11:00:00Z")));
        mixed.push(mixed[1_500].clone());
        mixed.push(mixed[1_501].clone());
        let second = store.append(&mixed).await.unwrap();
        assert_eq!(second, Appended { committed: 1_000, repeated: 1_002, refused: 0 });
        assert_eq!(
            store.append(&mixed).await.unwrap(),
            Appended { committed: 0, repeated: 2_002, refused: 0 }
        );
        // A repeat only within the batch, met by the fast path of a fresh store.
        let mut doubled = events(10, at("2026-03-01T12:00:00Z"));
        doubled.extend(doubled.clone());
        let mut other = database.store().await;
        assert_eq!(
            other.append(&doubled).await.unwrap(),
            Appended { committed: 10, repeated: 10, refused: 0 }
        );
        assert_eq!(database.count("select count(*) from raw.events").await, 26_010);
        assert_eq!(database.ledger().await, [29_024, 26_010, 3_014, 0]);
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
        assert_eq!(again, Appended { committed: 10, repeated: 10, refused: 0 });
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
        assert_eq!(database.ledger().await, [12_000, 6_000, 6_000, 0]);
    })
    .await;
}

#[tokio::test]
async fn a_repeat_counts_in_the_minute_that_it_was_handed_in_with() {
    with_database(async |database| {
        let mut store = database.store().await;
        let first = events(10, at("2026-03-01T10:00:00Z"));
        store.append(&first).await.unwrap();
        // The same ids, accepted in later minutes; one of them twice, each time in another minute.
        let later = |event: &contracts::Event, minutes| contracts::Event {
            ingested_at: event.ingested_at + TimeDelta::minutes(minutes),
            ..event.clone()
        };
        let fresh = events(1, at("2026-03-01T10:00:30Z")).remove(0);
        let batch = [later(&first[0], 1), later(&first[1], 2), later(&fresh, 3), later(&fresh, 4)];
        let appended = store.append(&batch).await.unwrap();
        assert_eq!(appended, Appended { committed: 1, repeated: 3, refused: 0 });
        let rows = database
            .client
            .query(
                "select extract(minute from minute at time zone 'UTC')::int, sum(records_in)::bigint,
                        sum(records_out)::bigint, sum(repeated)::bigint from ops.ledger group by 1 order by 1",
                &[],
            )
            .await
            .unwrap();
        let rows: Vec<(i32, [i64; 3])> =
            rows.iter().map(|row| (row.get(0), [1, 2, 3].map(|column| row.get(column)))).collect();
        let expected = [(0, [10, 10, 0]), (1, [1, 0, 1]), (2, [1, 0, 1]), (3, [1, 1, 0]), (4, [1, 0, 1])];
        assert_eq!(rows, expected);
        assert_eq!(database.ledger().await, [14, 11, 3, 0]);
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
            user_id: None,
            quarantined_at: at("2026-03-01T10:00:00Z"),
        };
        store.quarantine(std::slice::from_ref(&record)).await.unwrap();
        store.quarantine(&[record]).await.unwrap();
        assert_eq!(database.ledger().await, [1, 0, 0, 1]);
        let row = database.client.query_one("select * from raw.quarantine", &[]).await.unwrap();
        assert_eq!(row.get::<_, &[u8]>("payload"), [0, 255, 1]);
        assert_eq!(row.get::<_, i64>("size_bytes"), 3);
        assert_eq!(row.get::<_, &str>("reason"), "invalid_field");
        assert_eq!(row.get::<_, &str>("sha256").len(), 64);
    })
    .await;
}
