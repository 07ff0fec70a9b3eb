//! Databases and namespaces that come and go: what tests and trials stand on.

use std::panic::{AssertUnwindSafe, resume_unwind};

use contracts::endpoints::Endpoints;
use contracts::topics::{EVENTS_PARTITIONS, topics};
use futures::FutureExt;
use reqwest::Url;
use uuid::Uuid;

use crate::registry::Registry;
use crate::{ProvisionError, kafka, postgres, slot, tables};

/// The database that every cluster has; what creates or drops another one connects to it.
const MAINTENANCE_DATABASE: &str = "postgres";

/// Creates an empty database beside the one of a URL, and gives its URL. One that exists is kept as it is.
///
/// # Errors
/// When PostgreSQL cannot be reached or refuses.
pub async fn create_database(pg_url: &str, name: &str) -> Result<String, ProvisionError> {
    let url = with_database(pg_url, name)?;
    let client = postgres::connect(&with_database(pg_url, MAINTENANCE_DATABASE)?).await?;
    let exists = client
        .query_opt("select from pg_database where datname = $1", &[&name])
        .await
        .map_err(ProvisionError::postgres("look for a database"))?
        .is_some();
    if !exists {
        client
            .batch_execute(&format!("create database {}", quoted(name)))
            .await
            .map_err(ProvisionError::postgres("create a database"))?;
    }
    Ok(url)
}

/// Runs something in a database and a namespace of its own on the services given, and removes both after,
/// also where it panicked: a slot left behind would keep a shared server's log for ever. Nothing is set up.
///
/// # Errors
/// When the database cannot be created, or something is left behind.
pub async fn in_scratch_namespace<T>(
    services: &Endpoints,
    body: impl AsyncFnOnce(Endpoints) -> T,
) -> Result<T, ProvisionError> {
    // The last digits of a UUIDv7 are its random ones.
    let name = format!("t_{:012x}", Uuid::now_v7().as_u128() & 0xffff_ffff_ffff);
    let namespace = name.parse().map_err(|_| ProvisionError::PgUrl)?;
    let pg_url = create_database(&services.pg_url, &name).await?;
    let endpoints = Endpoints { pg_url: pg_url.into(), namespace, ..services.clone() };
    let result = AssertUnwindSafe(Box::pin(body(endpoints.clone()))).catch_unwind().await;
    let dropped = drop_namespace(&endpoints).await;
    match result {
        Ok(value) => dropped.map(|()| value),
        Err(panic) => resume_unwind(panic),
    }
}

/// Removes everything a namespace owns: slot, topics, subjects, keyspace, and the database of the URL. Goes
/// on where something fails, so that as little as possible is left.
///
/// # Errors
/// Names what is left.
pub async fn drop_namespace(endpoints: &Endpoints) -> Result<(), ProvisionError> {
    let namespace = &endpoints.namespace;
    let (slot_and_database, topics, subjects, keyspace) = futures::join!(
        drop_database(endpoints),
        drop_topics(endpoints),
        drop_subjects(endpoints),
        tables::drop_keyspace(&endpoints.cassandra_contact_points, namespace.keyspace()),
    );
    let left: Vec<String> = [
        ("slot and database", slot_and_database),
        ("topics", topics),
        ("subjects", subjects),
        ("keyspace", keyspace),
    ]
    .into_iter()
    .filter_map(|(what, result)| result.err().map(|error| format!("{what} ({error})")))
    .collect();
    if left.is_empty() {
        return Ok(());
    }
    Err(ProvisionError::Leftovers { namespace: namespace.to_string(), left: left.join(", ") })
}

async fn drop_database(endpoints: &Endpoints) -> Result<(), ProvisionError> {
    let database = database(&endpoints.pg_url)?;
    let client = postgres::connect(&with_database(&endpoints.pg_url, MAINTENANCE_DATABASE)?).await?;
    let slot = endpoints.namespace.slot();
    // A walsender lets go of its slot within the time-out of this call.
    client
        .execute(
            "select pg_terminate_backend(active_pid, 10000) from pg_replication_slots
             where slot_name = $1 and active_pid is not null",
            &[&slot],
        )
        .await
        .map_err(ProvisionError::postgres("end the slot's reader"))?;
    slot::drop_if_there(&client, &slot).await.map_err(ProvisionError::postgres("drop the slot"))?;
    if database == MAINTENANCE_DATABASE {
        return Ok(());
    }
    client
        .batch_execute(&format!("drop database if exists {} with (force)", quoted(&database)))
        .await
        .map_err(ProvisionError::postgres("drop the database"))
}

async fn drop_topics(endpoints: &Endpoints) -> Result<(), ProvisionError> {
    let namespace = &endpoints.namespace;
    let fixed: Vec<String> =
        topics(namespace, 1, EVENTS_PARTITIONS).into_iter().map(|topic| topic.name).collect();
    let names = kafka::names(&endpoints.kafka_brokers).await?;
    let ours: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|name| namespace.generation_of(name).is_some() || fixed.iter().any(|fixed| fixed == name))
        .collect();
    kafka::delete(&endpoints.kafka_brokers, &ours).await
}

async fn drop_subjects(endpoints: &Endpoints) -> Result<(), ProvisionError> {
    let registry = Registry::new(&endpoints.schema_registry_url)?;
    for topic in topics(&endpoints.namespace, 1, EVENTS_PARTITIONS) {
        registry.delete(&topic.subject).await?;
    }
    Ok(())
}

fn with_database(pg_url: &str, name: &str) -> Result<String, ProvisionError> {
    // The error would show the URL, which holds a password.
    let mut url = Url::parse(pg_url).map_err(|_| ProvisionError::PgUrl)?;
    url.set_path(&format!("/{name}"));
    Ok(url.into())
}

fn database(pg_url: &str) -> Result<String, ProvisionError> {
    let url = Url::parse(pg_url).map_err(|_| ProvisionError::PgUrl)?;
    match url.path().trim_start_matches('/') {
        "" => Err(ProvisionError::PgUrl),
        name => Ok(name.to_owned()),
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_database_of_a_url_is_replaced() {
        let url = "postgresql://pulse:s3cret@127.0.0.1:5432/shop?application_name=x";
        assert_eq!(
            with_database(url, "t_1").unwrap(),
            "postgresql://pulse:s3cret@127.0.0.1:5432/t_1?application_name=x"
        );
        assert_eq!(database(url).unwrap(), "shop");
    }

    #[test]
    fn a_bad_url_is_not_repeated() {
        let error = with_database("host=/run user=secret", "x").unwrap_err();
        assert!(!error.to_string().contains("secret"));
    }
}
