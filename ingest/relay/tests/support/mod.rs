//! A scene: one namespace, set up from nothing, with the means to write rows and to read records.

pub mod child;
pub mod events;
pub mod proxy;
pub mod records;
pub mod running;

use std::sync::Arc;
use std::time::Duration;

use contracts::endpoints::variable;
use contracts::topics::{Assigned, EVENTS_PARTITIONS, Topic, topics};
use contracts::{Namespace, RelayPosition, migrations, publications};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{FutureProducer, FutureRecord};
use relay::RelayConfig;
use relay::config::Limits;
use relay::status::RelayStatus;
use stack::Stack;
use tokio_postgres::types::PgLsn;
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

/// The registry's ids stand for themselves here: the relay only compares and writes them.
const EVENT_SCHEMA: u32 = 11;
const USER_SCHEMA: u32 = 12;
/// What refusals are written under.
pub const REFUSAL_SCHEMA: u32 = 14;
const POSITION_SCHEMA: u32 = 13;
const LEDGER_SCHEMA: u32 = 15;

/// How long anything may take before a test gives up.
pub const DEADLINE: Duration = Duration::from_secs(30);

pub struct Scene {
    pub config: RelayConfig,
    pub pg: Client,
    /// The first position, as set-up wrote it.
    pub first: RelayPosition,
    admin_url: String,
}

/// PostgreSQL and Kafka: those that the environment names, or the warm stack's.
async fn services() -> (String, String) {
    let given = |name: &str| std::env::var(name).ok();
    if let (Some(pg_url), Some(brokers)) = (given(variable::PG_URL), given(variable::KAFKA_BROKERS)) {
        return (pg_url, brokers);
    }
    let stack = stack::shared(Arc::new(stack::Silent)).await.unwrap();
    let of = |name: &str| stack.variable(name).unwrap().unwrap();
    (of(variable::PG_URL), of(variable::KAFKA_BROKERS))
}

/// Waits for what a service tells only who asks, and gives it.
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    stack::until(what, DEADLINE, async || ask().await.ok_or("nothing")).await
}

pub async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

fn with_database(url: &str, database: &str) -> String {
    let (server, _) = url.rsplit_once('/').unwrap();
    format!("{server}/{database}")
}

impl Scene {
    pub async fn new(purpose: &str) -> Self {
        let _ = tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
            .with_test_writer()
            .try_init();
        let (admin_url, kafka_brokers) = services().await;
        Self::on(purpose, admin_url, kafka_brokers).await
    }

    /// On a PostgreSQL of the test's own and the shared Kafka.
    pub async fn on_postgres(purpose: &str, stack: &Stack) -> Self {
        let admin_url = stack.variable(variable::PG_URL).unwrap().unwrap();
        Self::on(purpose, admin_url, services().await.1).await
    }

    /// On a Kafka of the test's own and the shared PostgreSQL.
    pub async fn on_kafka(purpose: &str, kafka_brokers: String) -> Self {
        Self::on(purpose, services().await.0, kafka_brokers).await
    }

    async fn on(purpose: &str, admin_url: String, kafka_brokers: String) -> Self {
        let name = format!("t_{purpose}_{:08x}", rand::random::<u32>());
        let namespace: Namespace = name.parse().unwrap();
        let admin = connect(&admin_url).await;
        admin
            .batch_execute(&format!("create database {name} template template0 encoding 'UTF8'"))
            .await
            .unwrap();
        let pg_url = with_database(&admin_url, &name);
        let pg = connect(&pg_url).await;
        for migration in migrations::MIGRATIONS {
            pg.batch_execute(migration.sql).await.unwrap();
        }
        for publication in publications::publications(&namespace) {
            pg.batch_execute(&publication.create_sql()).await.unwrap();
        }
        let config = RelayConfig {
            pg_url: pg_url.into(),
            kafka_brokers,
            namespace,
            assigned: Assigned {
                generation: 1,
                generation_id: Uuid::from_u128(rand::random()),
                event_schema_id: EVENT_SCHEMA,
                user_schema_id: USER_SCHEMA,
                refusal_schema_id: REFUSAL_SCHEMA,
                position_schema_id: POSITION_SCHEMA,
                ledger_schema_id: LEDGER_SCHEMA,
            },
            limits: Limits { backoff_max: Duration::from_millis(500), ..Limits::default() },
            quarantine: None,
        };
        create_topics(&config).await;
        let first = create_slot(&config, &pg).await;
        let scene = Self { config, pg, first, admin_url };
        scene.write_position(&scene.first).await;
        scene
    }

    /// Writes a position as set-up does.
    pub async fn write_position(&self, position: &RelayPosition) {
        let mut value = Vec::new();
        relay::position::encode(position, POSITION_SCHEMA, &mut value);
        self.send_position(Some(&value)).await;
    }

    pub async fn erase_position(&self) {
        self.send_position(None).await;
    }

    async fn send_position(&self, value: Option<&[u8]>) {
        let producer: FutureProducer =
            ClientConfig::new().set("bootstrap.servers", &self.config.kafka_brokers).create().unwrap();
        let topic = self.config.namespace.positions_topic();
        let slot = self.config.namespace.slot();
        let mut record: FutureRecord<'_, str, [u8]> = FutureRecord::to(&topic).key(&slot);
        record.payload = value;
        producer.send(record, DEADLINE).await.unwrap();
    }

    /// Connects again, after PostgreSQL was started again.
    pub async fn reconnect(&mut self) {
        self.pg = connect(&self.config.pg_url).await;
    }

    /// What the relay last reported.
    pub async fn status(&self) -> Option<RelayStatus> {
        relay::status::read(&self.pg, &self.config.namespace.slot()).await.unwrap()
    }

    /// How far the slot is confirmed.
    pub async fn confirmed(&self) -> u64 {
        let slot = self.config.namespace.slot();
        let row = self
            .pg
            .query_one("select confirmed_flush_lsn from pg_replication_slots where slot_name = $1", &[&slot])
            .await
            .unwrap();
        row.get::<_, PgLsn>(0).into()
    }

    /// Where PostgreSQL's log ends.
    pub async fn server_end(&self) -> u64 {
        let row = self.pg.query_one("select pg_current_wal_flush_lsn()", &[]).await.unwrap();
        row.get::<_, PgLsn>(0).into()
    }

    /// Waits until some relay holds the lock.
    pub async fn until_locked(&self) {
        let held = "select exists (select from pg_locks join pg_database on pg_database.oid = database \
                    where locktype = 'advisory' and granted and datname = current_database())";
        let locked = async || self.pg.query_one(held, &[]).await.unwrap().get::<_, bool>(0).then_some(());
        until("some relay holds the lock", locked).await;
    }

    /// Removes what would outlive the test and hold back PostgreSQL's log.
    pub async fn remove(self) {
        let Self { config, pg, admin_url, .. } = &self;
        let slot = config.namespace.slot();
        let drop = "select pg_drop_replication_slot(slot_name) from pg_replication_slots \
                    where slot_name = $1 and not active";
        let dropped = async || (pg.execute(drop, &[&slot]).await.unwrap() == 1).then_some(());
        until("nobody reads the slot, and it is dropped", dropped).await;
        let admin = connect(admin_url).await;
        admin.batch_execute(&format!("drop database {} with (force)", config.namespace)).await.unwrap();
        self.remove_topics().await;
    }

    /// All that a test leaves behind whose PostgreSQL goes with it.
    pub async fn remove_topics(&self) {
        let Self { config, .. } = self;
        let topics: Vec<_> = topics(&config.namespace, config.assigned.generation, EVENTS_PARTITIONS)
            .into_iter()
            .map(|t| t.name)
            .collect();
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        let client: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", &config.kafka_brokers).create().unwrap();
        client.delete_topics(&names, &AdminOptions::new()).await.unwrap();
    }
}

impl Scene {
    /// The topics again, empty.
    pub async fn create_topics(&self) {
        create_topics(&self.config).await;
    }
}

async fn create_topics(config: &RelayConfig) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &config.kafka_brokers).create().unwrap();
    let all: Vec<Topic> = topics(&config.namespace, config.assigned.generation, EVENTS_PARTITIONS);
    let new: Vec<NewTopic<'_>> = all
        .iter()
        .map(|topic| NewTopic::new(&topic.name, topic.partitions, TopicReplication::Fixed(1)))
        .collect();
    for created in admin.create_topics(&new, &AdminOptions::new()).await.unwrap() {
        created.unwrap();
    }
}

/// Creates and records the slot; returns the position from which everything is still to come.
async fn create_slot(config: &RelayConfig, pg: &Client) -> RelayPosition {
    let namespace = &config.namespace;
    pg.execute(
        "insert into ops.topic_generation (generation, generation_id) values ($1, $2)",
        &[&config.assigned.generation, &config.assigned.generation_id],
    )
    .await
    .unwrap();
    let created = "select lsn from pg_create_logical_replication_slot($1, 'pgoutput')";
    let lsn: PgLsn = pg.query_one(created, &[&namespace.slot()]).await.unwrap().get(0);
    let identity =
        "select system_identifier::text, timeline_id from pg_control_system(), pg_control_checkpoint()";
    let row = pg.query_one(identity, &[]).await.unwrap();
    let (system_id, timeline): (String, i32) = (row.get(0), row.get(1));
    let publication_hash = publications::hash(namespace);
    pg.execute(
        "insert into ops.relay_slot (slot, system_id, timeline, created_lsn, publication_hash) \
         values ($1, $2, $3, $4, $5)",
        &[&namespace.slot(), &system_id, &timeline, &lsn, &publication_hash],
    )
    .await
    .unwrap();
    RelayPosition {
        system_id,
        timeline,
        slot: namespace.slot(),
        publication_hash,
        topic_generation: config.assigned.generation,
        generation_id: config.assigned.generation_id,
        lsn: lsn.into(),
        partial_lsn: 0,
        partial_rows: 0,
    }
}
