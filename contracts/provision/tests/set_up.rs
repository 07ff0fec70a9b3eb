//! Set-up on real services: run once, again, at once, after dying, and over what it must refuse.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use contracts::endpoints::Endpoints;
use contracts::topics::{EVENTS_PARTITIONS, topics};
use provision::{Options, Outcome, ProvisionError, Provisioned, Step};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewPartitions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::json;
use tokio::sync::mpsc;

use support::in_namespace;

fn in_partitions(events_partitions: i32) -> Options {
    Options { events_partitions: Some(events_partitions), ..Options::default() }
}

async fn steps(endpoints: &Endpoints) -> (Result<Provisioned, ProvisionError>, Vec<Step>) {
    let steps = Mutex::new(Vec::new());
    let result =
        provision::apply_with(endpoints, &Options::default(), &|step| steps.lock().unwrap().push(step)).await;
    (result, steps.into_inner().unwrap())
}

async fn sql(endpoints: &Endpoints, statement: &str) {
    provision::connect(&endpoints.pg_url).await.unwrap().batch_execute(statement).await.unwrap();
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
    let listed = || {
        let metadata = admin.inner().fetch_metadata(None, Duration::from_secs(10)).unwrap();
        metadata.topics().iter().any(|found| found.name() == topic)
    };
    let gone = async {
        while listed() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.unwrap();
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

/// Runs a statement as the role of the Control Center, and tells the code it was refused with.
async fn as_console(client: &tokio_postgres::Client, statement: &str) -> Result<(), String> {
    let all = format!("begin; set local role {}; {statement}; commit", contracts::console::ROLE);
    let result = client.batch_execute(&all).await;
    if result.is_err() {
        client.batch_execute("rollback").await.unwrap();
    }
    result.map_err(|error| error.code().unwrap().code().to_owned())
}

#[tokio::test]
async fn the_console_sees_and_writes_what_it_needs_and_no_more() {
    in_namespace(async |endpoints| {
        provision::apply(&endpoints).await.unwrap();
        let client = provision::connect(&endpoints.pg_url).await.unwrap();
        let columns = "source, coordinates, reason, detail, size_bytes, sha256, quarantined_at, replayed_at, outcome, \
                       outcome_reason, outcome_detail, record_id";
        let reads = [
            "job_run", "job_plan", "job_lease", "job_batch", "job_query", "job_fault", "relay_status", "ledger",
            "verification", "repair", "rebuild", "setting", "topic_generation", "console_user", "console_key",
            "console_session", "console_ticket", "console_audit", "job_wish", "alert_state", "alert_event",
            "alert_silence", "alert_delivery",
        ]
        .map(|table| format!("select * from ops.{table}"));
        let writes = [
            "insert into ops.console_session (token_sha256, name, role, ends_at)
                 values (sha256('t'), 'ana', 'viewer', now() + interval '12 hours')",
            "update ops.console_session set seen_at = now() where name = 'ana'",
            "delete from ops.console_session where name = 'ana'",
            "delete from ops.console_ticket where ends_at < now()",
            "insert into ops.console_audit (name, role, action, phase) values ('ana', 'viewer', 'sign-in', 'done')",
            "insert into ops.job_wish (job, wanted, by_whom) values ('cube', 'stopped', 'ana')",
            "update ops.job_wish set wanted = 'running' where job = 'cube'",
            "insert into ops.alert_event (at, rule, subject, severity, state_from, state_to, value)
                 values (now(), 'Blind', '', 'warning', 'ok', 'pending', 1)",
            "delete from ops.alert_event where at < now() - interval '400 days'",
            "update ops.alert_silence set suppressed = suppressed + 1",
        ]
        .map(str::to_owned);
        let others = [
            format!("select {columns} from raw.quarantine"),
            "select count(*) from raw.quarantine where outcome is null".to_owned(),
            "select restart_lsn, safe_wal_size, pg_current_wal_lsn() from pg_replication_slots".to_owned(),
        ];
        for statement in reads.iter().chain(&writes).chain(&others) {
            assert_eq!(as_console(&client, statement).await, Ok(()), "{statement}");
        }
        for statement in [
            "select payload from raw.quarantine",
            "select * from raw.quarantine",
            "delete from raw.quarantine",
            "select * from raw.events",
            "select * from raw.users",
            "select * from ops.erasure",
            "select * from ops.erasure_key",
            "update ops.console_audit set name = 'bob'",
            "delete from ops.console_audit",
            "update ops.alert_event set rule = 'x'",
            "truncate ops.console_audit",
            "delete from ops.job_wish",
            "update ops.console_user set password = null",
            "insert into ops.console_user (name, role) values ('eve', 'operator')",
            "insert into ops.console_ticket (ticket_sha256, name, role, ends_at)
                 values (sha256('t'), 'eve', 'operator', now())",
            "insert into ops.console_key (name, key_sha256) values ('eve', sha256('t'))",
            "update ops.job_run set stop_requested = true",
            "update ops.setting set value = ''",
            "select nextval('ops.revision')",
            "create table ops.more ()",
        ] {
            assert_eq!(as_console(&client, statement).await, Err("42501".to_owned()), "{statement}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_published_table_is_not_emptied_behind_the_relays_back() {
    in_namespace(async |endpoints| {
        provision::apply(&endpoints).await.unwrap();
        let client = provision::connect(&endpoints.pg_url).await.unwrap();
        client.batch_execute("select raw.ensure_events_partition('2026-03-01')").await.unwrap();
        for table in ["raw.events", "raw.users", "raw.events_20260301"] {
            let refused = client.batch_execute(&format!("truncate {table}")).await.unwrap_err();
            let refused = refused.as_db_error().unwrap();
            assert!(refused.message().contains("is not carried over to Kafka"), "{refused:?}");
            assert!(refused.hint().is_some_and(|hint| hint.starts_with("Use ")), "{refused:?}");
        }
        client.batch_execute("delete from raw.users").await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn rights_that_were_given_beside_the_contract_are_taken_back() {
    in_namespace(async |endpoints| {
        provision::apply(&endpoints).await.unwrap();
        let client = provision::connect(&endpoints.pg_url).await.unwrap();
        let role = contracts::console::ROLE;
        sql(
            &endpoints,
            &format!("grant select on raw.users to {role}; revoke select on ops.job_run from {role}"),
        )
        .await;
        assert_eq!(as_console(&client, "select * from raw.users").await, Ok(()));
        provision::apply(&endpoints).await.unwrap();
        assert_eq!(as_console(&client, "select * from raw.users").await, Err("42501".to_owned()));
        assert_eq!(as_console(&client, "select * from ops.job_run").await, Ok(()));
    })
    .await;
}

/// Set up by an owner who may neither make roles nor is a member of this one.
#[tokio::test]
async fn an_owner_who_may_not_make_roles_is_set_up_all_the_same() {
    in_namespace(async |endpoints| {
        let owner = format!("{}_owner", endpoints.namespace);
        let database = endpoints.pg_url.rsplit_once('/').unwrap().1.to_owned();
        sql(
            &endpoints,
            &format!(
                "create role {owner} login replication password 'pw'; grant pg_monitor to {owner};
                 grant execute on function pg_control_system(), pg_control_checkpoint() to {owner};
                 alter database {database} owner to {owner}; alter schema public owner to {owner}"
            ),
        )
        .await;
        let (_, at) = endpoints.pg_url.rsplit_once('@').unwrap();
        let as_owner =
            Endpoints { pg_url: format!("postgresql://{owner}:pw@{at}").into(), ..endpoints.clone() };
        let (result, steps) = steps(&as_owner).await;
        sql(&endpoints, &format!("reassign owned by {owner} to current_user; drop owned by {owner}")).await;
        let dropped = format!("drop role {owner}");
        sql(&endpoints, &dropped).await;
        result.unwrap();
        let role = steps.iter().find(|step| step.kind == "role").unwrap();
        assert_eq!(role.outcome, Outcome::Refused);
        assert!(steps.iter().any(|step| step.kind == "position" && step.outcome == Outcome::Created));
    })
    .await;
}
