//! A scene: one namespace, set up from nothing, with the means to write rows and to read records.

pub mod child;
pub mod events;
pub mod records;
pub mod running;

use std::time::Duration;

use contracts::topics::{Topic, topics};
use contracts::{Namespace, RelayPosition, migrations, publications};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{FutureProducer, FutureRecord};
use relay::RelayConfig;
use relay::config::Limits;
use tokio_postgres::types::PgLsn;
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

/// The registry's ids stand for themselves here: the relay only compares and writes them.
const EVENT_SCHEMA: u32 = 11;
const USER_SCHEMA: u32 = 12;
const POSITION_SCHEMA: u32 = 13;

/// How long anything may take before a test gives up.
pub const DEADLINE: Duration = Duration::from_secs(30);

pub struct Scene {
    pub config: RelayConfig,
    pub pg: Client,
    admin_url: String,
}

fn service(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
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
        let admin_url = service("PG_URL");
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
            pg_url,
            kafka_brokers: service("KAFKA_BROKERS"),
            namespace,
            generation: 1,
            generation_id: Uuid::from_u128(rand::random()),
            event_schema_id: EVENT_SCHEMA,
            user_schema_id: USER_SCHEMA,
            position_schema_id: POSITION_SCHEMA,
            limits: Limits { backoff_max: Duration::from_millis(500), ..Limits::default() },
        };
        let scene = Self { config, pg, admin_url };
        scene.create_topics().await;
        scene.create_slot().await;
        scene
    }

    async fn create_topics(&self) {
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", &self.config.kafka_brokers).create().unwrap();
        let all: Vec<Topic> = topics(&self.config.namespace, self.config.generation);
        let new: Vec<NewTopic<'_>> = all
            .iter()
            .map(|topic| NewTopic::new(&topic.name, topic.partitions, TopicReplication::Fixed(1)))
            .collect();
        for created in admin.create_topics(&new, &AdminOptions::new()).await.unwrap() {
            created.unwrap();
        }
    }

    async fn create_slot(&self) {
        let namespace = &self.config.namespace;
        self.pg
            .execute(
                "insert into ops.topic_generation (generation, generation_id) values ($1, $2)",
                &[&self.config.generation, &self.config.generation_id],
            )
            .await
            .unwrap();
        let row = self
            .pg
            .query_one(
                "select lsn from pg_create_logical_replication_slot($1, 'pgoutput')",
                &[&namespace.slot()],
            )
            .await
            .unwrap();
        let lsn: PgLsn = row.get(0);
        let row = self
            .pg
            .query_one(
                "select system_identifier::text, timeline_id from pg_control_system(), pg_control_checkpoint()",
                &[],
            )
            .await
            .unwrap();
        let (system_id, timeline): (String, i32) = (row.get(0), row.get(1));
        let hash = publications::hash(namespace);
        self.pg
            .execute(
                "insert into ops.relay_slot (slot, system_id, timeline, created_lsn, publication_hash) \
                 values ($1, $2, $3, $4, $5)",
                &[&namespace.slot(), &system_id, &timeline, &lsn, &hash],
            )
            .await
            .unwrap();
        let position = RelayPosition {
            system_id,
            timeline,
            slot: namespace.slot(),
            publication_hash: hash,
            topic_generation: self.config.generation,
            generation_id: self.config.generation_id,
            lsn: lsn.into(),
            partial_lsn: 0,
            partial_rows: 0,
        };
        self.write_position(&position).await;
    }

    /// Writes a position as set-up does.
    pub async fn write_position(&self, position: &RelayPosition) {
        let mut value = Vec::new();
        relay::position::encode(position, POSITION_SCHEMA, &mut value);
        let producer: FutureProducer =
            ClientConfig::new().set("bootstrap.servers", &self.config.kafka_brokers).create().unwrap();
        let topic = self.config.namespace.positions_topic();
        let record = FutureRecord::to(&topic).key(&position.slot).payload(&value);
        producer.send(record, DEADLINE).await.unwrap();
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

    /// Removes what would outlive the test and hold back PostgreSQL's log.
    pub async fn remove(self) {
        let Self { config, pg, admin_url } = self;
        let slot = config.namespace.slot();
        let gone = async {
            loop {
                let dropped = pg
                    .execute(
                        "select pg_drop_replication_slot(slot_name) from pg_replication_slots \
                         where slot_name = $1 and not active",
                        &[&slot],
                    )
                    .await
                    .unwrap();
                if dropped == 1 {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(DEADLINE, gone).await.unwrap();
        drop(pg);
        let admin = connect(&admin_url).await;
        admin.batch_execute(&format!("drop database {} with (force)", config.namespace)).await.unwrap();
        let topics: Vec<_> =
            topics(&config.namespace, config.generation).into_iter().map(|t| t.name).collect();
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        let client: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", &config.kafka_brokers).create().unwrap();
        client.delete_topics(&names, &AdminOptions::new()).await.unwrap();
    }
}
