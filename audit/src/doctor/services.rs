//! Before anything is sent: does each service answer, and is the set-up complete?

use std::time::Duration;

use contracts::cause::chain;
use contracts::endpoints::Endpoints;
use provision::{ProvisionError, Provisioned};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use scylla::client::session::Session;
use tokio::net::TcpStream;
use tokio_postgres::Client;

use super::{Hop, Stopped};

/// How long one service may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// What the check leaves open for the hops.
pub(super) struct Ready {
    pub(super) pg: Client,
    pub(super) cassandra: Session,
    pub(super) provisioned: Provisioned,
}

pub(super) async fn check(endpoints: &Endpoints) -> Result<Ready, Stopped> {
    let pg = in_time("postgresql", provision::connect(&endpoints.pg_url)).await?;
    in_time("kafka", kafka(&endpoints.kafka_brokers)).await?;
    let cassandra =
        in_time("cassandra", provision::connect_cassandra(&endpoints.cassandra_contact_points)).await?;
    in_time("spark connect", spark(endpoints.spark_address())).await?;
    let provisioned = match tokio::time::timeout(ANSWER, provision::load(endpoints)).await {
        Ok(Ok(provisioned)) => provisioned,
        Ok(Err(error @ (ProvisionError::Registry(_) | ProvisionError::RegistryRefused { .. }))) => {
            return Err(Stopped::service(Hop::Services, "the schema registry", &error));
        }
        Ok(Err(error)) => {
            let why = format!("the set-up is incomplete: {}", chain(&error));
            return Err(Stopped::new(Hop::Services, why, "run `storepulse setup`"));
        }
        Err(_) => return Err(silent("the schema registry")),
    };
    keyspace(&cassandra, endpoints).await?;
    Ok(Ready { pg, cassandra, provisioned })
}

async fn in_time<T, E: std::error::Error + 'static>(
    service: &str,
    answer: impl Future<Output = Result<T, E>>,
) -> Result<T, Stopped> {
    match tokio::time::timeout(ANSWER, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(Stopped::service(Hop::Services, service, &error)),
        Err(_) => Err(silent(service)),
    }
}

fn silent(service: &str) -> Stopped {
    let why = format!("{service} did not answer within {} s", ANSWER.as_secs());
    Stopped::new(Hop::Services, why, "look with `storepulse stack status`, then `storepulse stack up`")
}

async fn kafka(brokers: &str) -> Result<(), KafkaError> {
    let consumer: BaseConsumer = ClientConfig::new().set("bootstrap.servers", brokers).create()?;
    let asked = tokio::task::spawn_blocking(move || consumer.fetch_metadata(None, ANSWER / 2).map(drop));
    // Only a panic inside of the call fails to join, or a runtime that is shutting down.
    asked.await.unwrap_or(Err(KafkaError::Canceled))
}

/// Whether something listens; asking more needs the Spark client, which is not known here.
async fn spark(address: &str) -> std::io::Result<()> {
    TcpStream::connect(address).await.map(drop)
}

async fn keyspace(cassandra: &Session, endpoints: &Endpoints) -> Result<(), Stopped> {
    let keyspace = endpoints.namespace.keyspace();
    let select = "select table_name from system_schema.tables where keyspace_name = ?";
    let failed = |error: &dyn std::error::Error| Stopped::service(Hop::Services, "cassandra", error);
    let answer = cassandra.query_unpaged(select, (keyspace,)).await.map_err(|error| failed(&error))?;
    let tables = answer.into_rows_result().map_err(|error| failed(&error))?.rows_num();
    if tables >= contracts::cube::GROUPINGS.len() {
        return Ok(());
    }
    let why = format!("the set-up is incomplete: keyspace {keyspace} has {tables} tables");
    Err(Stopped::new(Hop::Services, why, "run `storepulse setup`"))
}
