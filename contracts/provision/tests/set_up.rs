//! Set-up on real services: run once, again, at once, after dying, and over what it must refuse.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use contracts::endpoints::Endpoints;
use contracts::topics::{EVENTS_PARTITIONS, topics};
use provision::{Options, Outcome, ProvisionError, Step};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewPartitions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::json;
use tokio::sync::mpsc;

use crate::support::{in_namespace, sql, steps, until};

fn in_partitions(events_partitions: i32) -> Options {
    Options { events_partitions: Some(events_partitions), ..Options::default() }
}

async fn cql(endpoints: &Endpoints, statement: &str) {
    let session = provision::connect_cassandra(&endpoints.cassandra_contact_points).await.unwrap();
    session.query_unpaged(statement, ()).await.unwrap();
}

fn admin(endpoints: &Endpoints) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", &endpoints.kafka_brokers).create().unwrap()
}

/// What a set-up that died before its last step left: everything but the position.
async fn forget_position(endpoints: &Endpoints) {
    let topic = endpoints.namespace.positions_topic();
    let admin = admin(endpoints);
    for result in admin.delete_topics(&[&topic], &AdminOptions::new()).await.unwrap() {
        result.unwrap();
    }
    // A deletion is done in the background; the name is free when the topic is no longer listed.
    until("the topic of positions is gone", async || {
        let metadata = admin.inner().fetch_metadata(None, Duration::from_secs(10)).unwrap();
        metadata.topics().iter().all(|found| found.name() != topic)
    })
    .await;
}

#[tokio::test]
async fn set_up_is_idempotent_and_loads_as_it_was_applied() {
    in_namespace(async |endpoints| {
        let error = provision::load(&endpoints).await.unwrap_err();
        assert!(matches!(error, ProvisionError::NotSetUp { .. }), "{error}");
        assert!(error.to_string().contains("storepulse setup"));

        let (first, created) = steps(&endpoints).await;
        let first = first.unwrap();
        // A role is the cluster's: an earlier set-up on the same services made it.
        let of_namespace = |step: &&Step| step.kind != "role";
        let mut all = created.iter().filter(of_namespace);
        assert!(all.all(|step| step.outcome == Outcome::Created), "{created:?}");
        let (second, existing) = steps(&endpoints).await;
        assert_eq!(second.unwrap(), first);
        assert_eq!(existing.len(), created.len());
        assert!(existing.iter().all(|step| step.outcome == Outcome::Exists), "{existing:?}");
        assert_eq!(provision::load(&endpoints).await.unwrap(), first);

        let topic = endpoints.namespace.positions_topic();
        let position =
            provision::position::read(&endpoints.kafka_brokers, &topic, &first.slot).await.unwrap().unwrap();
        assert_eq!((position.lsn, position.partial_lsn), (first.slot_created_lsn, 0));
        assert_eq!(position.generation_id, first.assigned.generation_id);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn set_up_beside_a_relay_that_never_rests_ends() {
    in_namespace(async |endpoints| {
        let first = provision::apply(&endpoints).await.unwrap();
        let topic = endpoints.namespace.positions_topic();
        let stop = Arc::new(AtomicBool::new(false));
        let (busy, mut is_busy) = mpsc::unbounded_channel();
        // Faster than a consumer asks again: it never sees the topic's end.
        let (brokers, stopped) = (endpoints.kafka_brokers.clone(), Arc::clone(&stop));
        let writing = tokio::task::spawn_blocking(move || commit_until(&brokers, &topic, &stopped, &busy));
        is_busy.recv().await.unwrap();
        let applied = tokio::time::timeout(Duration::from_secs(60), provision::apply(&endpoints)).await;
        stop.store(true, Ordering::Relaxed);
        writing.await.unwrap();
        assert_eq!(applied.expect("set-up ends").unwrap(), first);
    })
    .await;
}

/// Commits a record of another slot again and again, as fast as Kafka takes it; tells of each commit.
fn commit_until(brokers: &str, topic: &str, stop: &AtomicBool, busy: &mpsc::UnboundedSender<()>) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("transactional.id", format!("{topic}-busy"))
        .create()
        .unwrap();
    let limit = Duration::from_secs(20);
    producer.init_transactions(limit).unwrap();
    while !stop.load(Ordering::Relaxed) {
        producer.begin_transaction().unwrap();
        producer.send(BaseRecord::to(topic).partition(0).key("other").payload("x")).unwrap();
        producer.flush(limit).unwrap();
        producer.commit_transaction(limit).unwrap();
        // Nobody asks any more once it has begun.
        let _ = busy.send(());
    }
}

#[tokio::test]
async fn two_set_ups_at_once_agree() {
    in_namespace(async |endpoints| {
        let ((one, one_steps), (other, other_steps)) = tokio::join!(steps(&endpoints), steps(&endpoints));
        assert_eq!(one.unwrap(), other.unwrap());
        let created = |steps: &[Step]| {
            steps.iter().any(|step| step.kind == "position" && step.outcome == Outcome::Created)
        };
        assert!(created(&one_steps) != created(&other_steps));
    })
    .await;
}

#[tokio::test]
async fn a_set_up_that_died_after_the_slot_is_finished() {
    in_namespace(async |endpoints| {
        let first = provision::apply(&endpoints).await.unwrap();
        // Died before the position.
        forget_position(&endpoints).await;
        assert_eq!(provision::apply(&endpoints).await.unwrap(), first);
        // Died before the record of the slot, too.
        forget_position(&endpoints).await;
        sql(&endpoints, "delete from ops.relay_slot").await;
        assert_eq!(provision::apply(&endpoints).await.unwrap(), first);
    })
    .await;
}

#[tokio::test]
async fn a_used_slot_gets_no_first_position() {
    in_namespace(async |endpoints| {
        let first = provision::apply(&endpoints).await.unwrap();
        forget_position(&endpoints).await;
        // A commit, so that there is log beyond the slot's beginning to confirm.
        sql(&endpoints, "create table later ()").await;
        let slot = &first.slot;
        sql(&endpoints, &format!("select pg_replication_slot_advance('{slot}', pg_current_wal_flush_lsn())"))
            .await;
        let error = provision::apply(&endpoints).await.unwrap_err();
        assert!(matches!(error, ProvisionError::SlotUsed { .. }), "{error}");
    })
    .await;
}

#[tokio::test]
async fn no_slot_is_created_over_a_gap() {
    in_namespace(async |endpoints| {
        let first = provision::apply(&endpoints).await.unwrap();
        sql(&endpoints, &format!("select pg_drop_replication_slot('{}')", first.slot)).await;
        let error = provision::apply(&endpoints).await.unwrap_err();
        assert!(matches!(error, ProvisionError::SlotLost { .. }), "{error}");

        sql(
            &endpoints,
            "delete from ops.relay_slot;
             insert into raw.users values (gen_random_uuid(), 'other', 1, '0-17', 'DE', 'x', 0, 0, now(), now(), '{}')",
        )
        .await;
        let error = provision::apply(&endpoints).await.unwrap_err();
        assert!(matches!(error, ProvisionError::RowsBeforeSlot { table: "raw.users", .. }), "{error}");

        // With nothing accepted there is no gap, but the old position is not this slot's.
        sql(&endpoints, "delete from raw.users").await;
        let error = provision::apply(&endpoints).await.unwrap_err();
        assert!(matches!(error, ProvisionError::ForeignPosition { what: "lsn", .. }), "{error}");
    })
    .await;
}

#[tokio::test]
async fn a_differing_publication_is_refused() {
    in_namespace(async |endpoints| {
        provision::apply(&endpoints).await.unwrap();
        let name = endpoints.namespace.users_publication();
        sql(&endpoints, &format!("alter publication {name} set table raw.users (user_id, profile)")).await;
        let error = provision::apply(&endpoints).await.unwrap_err();
        let ProvisionError::PublicationDiffers { found, .. } = &error else { panic!("{error}") };
        assert!(found.contains("profile"), "{found}");
    })
    .await;
}

#[tokio::test]
async fn topic_settings_are_put_back_and_partitions_refused() {
    in_namespace(async |endpoints| {
        let provisioned = provision::apply(&endpoints).await.unwrap();
        let topic = endpoints.namespace.events_topic(provisioned.assigned.generation);
        let admin = admin(&endpoints);
        let short = AlterConfig::new(ResourceSpecifier::Topic(&topic))
            .set("retention.ms", "1000")
            .set("segment.ms", "3600000");
        for result in admin.alter_configs([&short], &AdminOptions::new()).await.unwrap() {
            result.unwrap();
        }
        let (result, steps) = steps(&endpoints).await;
        result.unwrap();
        let restored: Vec<_> = steps.iter().filter(|step| step.outcome == Outcome::Restored).collect();
        assert_eq!(restored.len(), 1, "{restored:?}");
        assert_eq!(restored[0].name, topic);
        let resource = ResourceSpecifier::Topic(&topic);
        let settings = admin.describe_configs([&resource], &AdminOptions::new()).await.unwrap();
        let settings = settings.into_iter().next().unwrap().unwrap();
        for (key, value) in topics(&endpoints.namespace, 1, EVENTS_PARTITIONS)[0].settings() {
            assert_eq!(settings.get(key).unwrap().value.as_deref(), Some(value.as_str()), "{key}");
        }
        assert_eq!(settings.get("segment.ms").unwrap().value.as_deref(), Some("3600000"));

        let users = endpoints.namespace.users_topic();
        let more = NewPartitions::new(&users, 3);
        for result in admin.create_partitions([&more], &AdminOptions::new()).await.unwrap() {
            result.unwrap();
        }
        let error = provision::apply(&endpoints).await.unwrap_err();
        assert!(matches!(error, ProvisionError::TopicDiffers { .. }), "{error}");
    })
    .await;
}

#[tokio::test]
async fn events_have_as_many_partitions_as_the_first_set_up_or_a_rebuild_was_told() {
    async fn partitions(endpoints: &Endpoints, generation: i32) -> usize {
        let topic = endpoints.namespace.events_topic(generation);
        let metadata =
            admin(endpoints).inner().fetch_metadata(Some(&topic), Duration::from_secs(20)).unwrap();
        metadata.topics()[0].partitions().len()
    }
    in_namespace(async |endpoints| {
        provision::apply_with(&endpoints, &in_partitions(6), &|_| {}).await.unwrap();
        assert_eq!(partitions(&endpoints, 1).await, 6);
        // Nobody needs to say it again, and who says otherwise is told the way.
        provision::apply(&endpoints).await.unwrap();
        provision::load(&endpoints).await.unwrap();
        let error = provision::apply_with(&endpoints, &in_partitions(8), &|_| {}).await.unwrap_err();
        assert!(error.to_string().contains("storepulse rebuild --events-partitions 8"), "{error}");
        provision::begin_rebuild(&endpoints, Some(8)).await.unwrap();
        assert_eq!((partitions(&endpoints, 1).await, partitions(&endpoints, 2).await), (6, 8));
        assert_eq!(provision::apply(&endpoints).await.unwrap().assigned.generation, 2);
    })
    .await;
}

#[tokio::test]
async fn an_incompatible_schema_is_a_typed_error() {
    in_namespace(async |endpoints| {
        // Needed before the first call over HTTP; the library does the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let subject = endpoints.namespace.events_subject();
        let url = format!("{}/subjects/{subject}/versions", endpoints.schema_registry_url.as_str());
        let earlier = json!({
            "type": "record", "name": "Event", "namespace": contracts::avro::NAMESPACE,
            "fields": [{"name": "event_id", "type": "long"}],
        });
        let answer = reqwest::Client::new()
            .post(url)
            .header("content-type", "application/vnd.schemaregistry.v1+json")
            .body(json!({ "schema": earlier.to_string() }).to_string())
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
        let error = provision::apply(&endpoints).await.unwrap_err();
        assert!(matches!(error, ProvisionError::IncompatibleSchema { .. }), "{error}");
    })
    .await;
}

#[tokio::test]
async fn a_missing_measure_is_added_and_any_other_column_refused() {
    in_namespace(async |endpoints| {
        provision::apply(&endpoints).await.unwrap();
        let table = format!("{}.sales_by_category", endpoints.namespace.keyspace());
        cql(&endpoints, &format!("alter table {table} drop item_views")).await;
        let (result, steps) = steps(&endpoints).await;
        result.unwrap();
        let restored: Vec<_> = steps.iter().filter(|step| step.outcome == Outcome::Restored).collect();
        assert_eq!(restored.len(), 1, "{restored:?}");
        assert_eq!(restored[0].name, table);

        cql(&endpoints, &format!("alter table {table} add email text")).await;
        let error = provision::apply(&endpoints).await.unwrap_err();
        let ProvisionError::TableDiffers { column, .. } = &error else { panic!("{error}") };
        assert_eq!(column, "email");
    })
    .await;
}

#[tokio::test]
async fn what_another_database_left_in_kafka_is_refused() {
    in_namespace(async |endpoints| {
        let first = provision::apply(&endpoints).await.unwrap();
        // The same database made anew, beside topics that stayed.
        let slot = &first.slot;
        let (events, users) =
            (endpoints.namespace.events_publication(), endpoints.namespace.users_publication());
        sql(
            &endpoints,
            &format!(
                "select pg_drop_replication_slot('{slot}'); drop publication {events}, {users};
                 drop schema raw cascade; drop schema ops cascade; drop table refinery_schema_history"
            ),
        )
        .await;
        let error = provision::apply(&endpoints).await.unwrap_err();
        assert!(matches!(error, ProvisionError::ForeignPosition { what: "generation id", .. }), "{error}");
    })
    .await;
}
