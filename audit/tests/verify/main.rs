//! Verification against real PostgreSQL, Kafka and Cassandra. The tables are filled from a fold over the
//! events in Rust, a third way to the same figures; the relay's position is written by hand.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixture;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::fixture::*;
use audit::{DifferenceKind, Figure, Options, SparkProgress, VerifyError, figures};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::Event;
use contracts::cube::grouping;
use contracts::endpoints::Endpoints;
use contracts::vocabulary::EventName;

use rdkafka::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rust_decimal::Decimal;

#[tokio::test]
async fn right_tables_pass_and_one_cent_is_found() {
    in_namespace(async |endpoints| {
        let events = events(6_000);
        store(&endpoints, &events).await;
        let session = cassandra(&endpoints).await;
        let written = fill(&endpoints, &session, &events).await;
        let report = verify(&endpoints).await;
        assert!(report.passed(), "{report}");
        assert_eq!(report.rows_verified, written);
        assert_eq!(report.late_events, 120);
        assert_eq!(report.events_verified, 6_000 - 120);
        assert!(report.to_string().starts_with("verified 5880 events in "), "{report}");

        let keyspace = endpoints.namespace.keyspace();
        let cent = format!(
            "update {keyspace}.activity_by_country set gross = 0.01 \
             where country = 'ZZ' and day = '2026-11-23' and minute = '2026-11-23 00:00:00Z'"
        );
        session.query_unpaged(cent, ()).await.unwrap();
        let report = verify(&endpoints).await;
        assert!(!report.passed());
        let [difference] = report.differences.as_slice() else { panic!("{report}") };
        assert_eq!(difference.table, "activity_by_country");
        assert_eq!(difference.key.to_string(), "2026-11-23T00:00:00Z ZZ");
        let DifferenceKind::Figure { measure: "gross", found, .. } = &difference.kind else {
            panic!("{report}")
        };
        assert_eq!(found, &Figure::Money(Decimal::new(1, 2)));
        assert!(report.to_string().contains("gross is 0.01, expected "), "{report}");
        let [first, second] = verdicts(&endpoints).await.try_into().unwrap();
        assert_eq!((first.passed, first.differing, first.late), (true, 0, 120));
        assert_eq!((second.passed, second.differing), (false, 1));
        assert_eq!(first.compared, i64::try_from(written).unwrap());
        let told = second.differences[0]["text"].as_str().unwrap();
        assert!(told.starts_with("gross is 0.01, expected "), "{told}");
        assert_eq!(second.differences[0]["row"], "2026-11-23T00:00:00Z ZZ");
        assert!(second.started_at <= second.snapshot_at && first.snapshot_at < second.snapshot_at);
    })
    .await;
}

#[tokio::test]
async fn rows_too_many_missing_or_with_nulls_fail() {
    in_namespace(async |endpoints| {
        let events = events(500);
        store(&endpoints, &events).await;
        let session = cassandra(&endpoints).await;
        fill(&endpoints, &session, &events).await;
        let keyspace = endpoints.namespace.keyspace();
        for statement in [
            // A day on which nothing happened.
            "insert into KS.activity_by_minute (day, minute, events) values ('2025-01-01', '2025-01-01 00:00:00Z', 1)",
            "delete from KS.engagement_by_channel where day = '2026-11-22' and minute = '2026-11-22 23:59:00Z' \
             and channel = 'direct' and device = 'desktop'",
            "delete units from KS.sales_by_category where day = '2026-11-22' and minute = '2026-11-22 23:59:00Z' \
             and category = 'category-1'",
        ] {
            session.query_unpaged(statement.replace("KS", keyspace), ()).await.unwrap();
        }
        let report = verify(&endpoints).await;
        let told: Vec<String> = report.differences.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 3, "{told:#?}");
        assert_eq!(told[0], "activity_by_minute 2025-01-01T00:00:00Z: the row should not be there");
        assert!(told[1].starts_with("sales_by_category 2026-11-22T23:59:00Z category-1: units is nothing"), "{told:?}");
        assert_eq!(told[2], "engagement_by_channel 2026-11-22T23:59:00Z direct desktop: the row is missing");
    })
    .await;
}

#[tokio::test]
async fn a_run_that_compares_nothing_fails() {
    in_namespace(async |endpoints| {
        let report = verify(&endpoints).await;
        assert!(!report.passed());
        assert_eq!(report.to_string(), "not verified: there was nothing to compare");
    })
    .await;
}

#[tokio::test]
async fn a_relay_or_a_job_that_is_behind_is_named() {
    let test = async |endpoints: Endpoints| {
        let provisioned = provision::apply(&endpoints).await.unwrap();
        let error = audit::verify(&endpoints, &caught_up(), SOON, &|_| {}).await.unwrap_err();
        assert!(matches!(error, VerifyError::RelayBehind { .. }), "{error}");

        publish_position(&endpoints, &provisioned, i64::MAX.cast_unsigned()).await;
        let error = audit::verify(&endpoints, &Committed(None), SOON, &|_| {}).await.unwrap_err();
        assert!(matches!(error, VerifyError::SparkBehind { behind: 0, .. }), "{error}");
        let producer: FutureProducer =
            ClientConfig::new().set("bootstrap.servers", &endpoints.kafka_brokers).create().unwrap();
        let topic = endpoints.namespace.events_topic(1);
        for partition in [0, 0, 3] {
            let record = FutureRecord::<str, str>::to(&topic).partition(partition).payload("x");
            producer.send(record, Duration::from_secs(10)).await.map_err(|(error, _)| error).unwrap();
        }
        let one = Committed(Some([(0, 1)].into()));
        let error = audit::verify(&endpoints, &one, SOON, &|_| {}).await.unwrap_err();
        assert!(matches!(error, VerifyError::SparkBehind { behind: 2, .. }), "{error}");
    };
    provision::in_scratch_namespace(&services().await, test).await.unwrap();
}

#[tokio::test]
async fn a_verdict_that_cannot_be_recorded_stands() {
    in_namespace(async |endpoints| {
        let events = events(500);
        store(&endpoints, &events).await;
        let session = cassandra(&endpoints).await;
        fill(&endpoints, &session, &events).await;
        let client = provision::connect(&endpoints.pg_url).await.unwrap();
        client.batch_execute("alter table ops.verification rename to elsewhere").await.unwrap();
        let report = verify(&endpoints).await;
        assert!(report.passed(), "{report}");
    })
    .await;
}

/// Fills the tables while the first snapshot is being waited for: what moved settles, and nothing else does.
#[tokio::test]
async fn rows_that_move_during_the_run_are_read_again() {
    in_namespace(async |endpoints| {
        let mut all = events(1_000);
        let session = cassandra(&endpoints).await;
        let later = all.split_off(700);
        store(&endpoints, &all).await;
        fill(&endpoints, &session, &all).await;
        let patient = Options { wait: Duration::from_secs(10), settle: Duration::from_secs(30), ..SOON };
        let (arrived, arrive) = tokio::sync::oneshot::channel();
        let arrived = std::sync::Mutex::new(Some(arrived));
        // The later events arrive before the tables are read; their rows only when these are read again.
        let spark = Blocking { endpoints: endpoints.clone(), later: later.clone() };
        let run = async {
            audit::verify(&endpoints, &spark, patient, &|phase| {
                if let audit::Phase::Settling { .. } = phase
                    && let Some(arrived) = arrived.lock().unwrap().take()
                {
                    arrived.send(()).unwrap();
                }
            })
            .await
            .unwrap()
        };
        let sink = async {
            arrive.await.unwrap();
            all.extend(later.clone());
            fill(&endpoints, &session, &all).await;
        };
        let (report, ()) = tokio::join!(run, sink);
        assert!(report.passed(), "{report}");
        assert_eq!(report.events_verified, 980);
    })
    .await;
}

/// Commits more events at the moment that Spark is asked, after the first snapshot.
struct Blocking {
    endpoints: Endpoints,
    later: Vec<Event>,
}

impl SparkProgress for Blocking {
    fn watermark(&self, _query: &str) -> Result<Option<DateTime<Utc>>, VerifyError> {
        Ok(None)
    }

    fn committed_offsets(
        &self,
        _query: &str,
        _topic: &str,
    ) -> Result<Option<BTreeMap<i32, i64>>, VerifyError> {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let runtime = tokio::runtime::Runtime::new().unwrap();
                runtime.block_on(store(&self.endpoints, &self.later));
            });
        });
        Ok(Some(BTreeMap::new()))
    }
}

#[tokio::test]
async fn leading_figures_are_read_back() {
    in_namespace(async |endpoints| {
        let events = events(3_000);
        let session = cassandra(&endpoints).await;
        fill(&endpoints, &session, &events).await;
        let span = start() - TimeDelta::minutes(1)..start() + TimeDelta::minutes(5);
        let leading = figures::read(&session, &endpoints.namespace, span, 5).await.unwrap();
        let on_time: Vec<_> =
            rows(grouping("activity_by_minute").unwrap(), &events).into_values().flatten().collect();
        assert_eq!(leading.totals.events, i64::try_from(on_time.len()).unwrap());
        let gross = money(&on_time, EventName::Purchase);
        assert_eq!(leading.totals.gross, gross);
        assert_eq!(leading.countries.len(), 4);
        assert_eq!(leading.countries.iter().map(|country| country.totals.gross).sum::<Decimal>(), gross);
        assert!(leading.countries.is_sorted_by(|a, b| a.totals.net >= b.totals.net));
        assert_eq!(
            leading.demographics.iter().map(|group| group.totals.events).sum::<i64>(),
            leading.totals.events
        );
        assert_eq!(leading.products.len(), 5);
        assert!(leading.products.iter().all(|product| !product.item_name.is_empty()));
        assert_eq!(leading.totals.funnel()[4].count, leading.totals.orders);

        let before = start() - TimeDelta::days(2)..start() - TimeDelta::days(1);
        assert_eq!(
            figures::read(&session, &endpoints.namespace, before, 5).await.unwrap(),
            figures::Figures::default()
        );
    })
    .await;
}
