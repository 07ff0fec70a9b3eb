//! The next generation of the events topic, and a relay that can begin it.
//!
//! A rebuild needs a topic that begins at a known place of PostgreSQL's log. Where slot and position are
//! whole the relay goes over to the new generation by itself, at a position as any other. Where they are not,
//! the slot is made anew: what was committed before is only in PostgreSQL then, which is what a rebuild is
//! computed from.

use contracts::endpoints::Endpoints;
use contracts::namespace::RELAY_LOCK;
use contracts::topics::topics;
use contracts::{RelayPosition, publications};
use tokio_postgres::Client;

use crate::{ProvisionError, Provisioned, kafka, load, position, postgres, slot};

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextGeneration {
    /// What stands ready, with the new generation.
    pub provisioned: Provisioned,
    /// Why the slot had to be made anew; nothing where it was whole, so that the generation before is still
    /// written too.
    pub slot_renewed: Option<String>,
}

/// Begins the next generation for a rebuild, or finds the one that an unfinished rebuild began. May be run
/// again when it died. The events topic has as many partitions as before unless told.
///
/// # Errors
/// When a service does not answer, or a relay is at work on a slot that has to be made anew.
pub async fn begin_rebuild(
    endpoints: &Endpoints,
    events_partitions: Option<i32>,
) -> Result<NextGeneration, ProvisionError> {
    let namespace = &endpoints.namespace;
    let mut client = postgres::connect(&endpoints.pg_url).await?;
    postgres::lock(&client, namespace).await?;
    let before = postgres::generation(&client).await?.ok_or_else(|| ProvisionError::NotSetUp {
        what: "topic generation",
        name: namespace.events_topic(1),
    })?;
    let failed = || ProvisionError::postgres("begin a rebuild");
    let open = client
        .query_opt("select generation, slot_renewed from ops.rebuild where ended_at is null", &[])
        .await
        .map_err(failed())?;
    let mut slot_renewed: Option<String> = open.as_ref().and_then(|row| row.get(1));
    if open.is_none() {
        let next = before.number + 1;
        let partitions = events_partitions.unwrap_or(before.partitions);
        // All of them: where Kafka was lost, the others are made anew too.
        let topics = topics(namespace, next, partitions);
        kafka::ensure_topics(&endpoints.kafka_brokers, &topics, &|_| {}).await?;
        kafka::refuse_records(&endpoints.kafka_brokers, &topics[0].name).await?;
        let broken = broken(&client, endpoints).await?;
        let transaction = client.transaction().await.map_err(failed())?;
        postgres::begin_generation(&transaction, next, partitions).await?;
        transaction
            .execute("insert into ops.rebuild (generation, slot_renewed) values ($1, $2)", &[&next, &broken])
            .await
            .map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        slot_renewed = broken;
    }
    let mut provisioned = load(endpoints).await?;
    if slot_renewed.is_some() {
        provisioned.slot_created_lsn = renew(&mut client, endpoints, &provisioned).await?;
    }
    Ok(NextGeneration { provisioned, slot_renewed })
}

/// Why the relay cannot go on from slot and position; nothing where it can.
async fn broken(client: &Client, endpoints: &Endpoints) -> Result<Option<String>, ProvisionError> {
    let namespace = &endpoints.namespace;
    let name = namespace.slot();
    let identity = postgres::identity(client).await?;
    let Some(confirmed_lsn) = (match slot::confirmed_lsn(client, &name).await {
        Ok(confirmed_lsn) => confirmed_lsn,
        Err(ProvisionError::SlotDiffers { what, expected, found, .. }) => {
            return Ok(Some(format!("its {what} is {found}, not {expected}")));
        }
        Err(error) => return Err(error),
    }) else {
        return Ok(Some("it does not exist".into()));
    };
    let position = position::read(&endpoints.kafka_brokers, &namespace.positions_topic(), &name).await;
    let position = match position {
        Ok(Some(position)) => position,
        Ok(None) => return Ok(Some("kafka has no position of it".into())),
        Err(error @ ProvisionError::UnreadablePosition { .. }) => return Ok(Some(error.to_string())),
        Err(error) => return Err(error),
    };
    let known = "select exists (select from ops.topic_generation where generation_id = $1)";
    let known: bool = client
        .query_one(known, &[&position.generation_id])
        .await
        .map_err(ProvisionError::postgres("look for the position's generation"))?
        .get(0);
    let end: tokio_postgres::types::PgLsn = client
        .query_one("select pg_current_wal_flush_lsn()", &[])
        .await
        .map_err(ProvisionError::postgres("read the end of the log"))?
        .get(0);
    Ok(differing(&position, &identity, &publications::hash(namespace), known, confirmed_lsn, end.into()))
}

fn differing(
    position: &RelayPosition,
    identity: &postgres::Identity,
    publication_hash: &str,
    generation_known: bool,
    confirmed_lsn: u64,
    end_lsn: u64,
) -> Option<String> {
    if position.system_id != identity.system_id || position.timeline != identity.timeline {
        return Some("the position is of another postgresql".into());
    }
    if position.publication_hash != publication_hash {
        return Some("the position is of other publications".into());
    }
    if !generation_known {
        return Some("the position is of a topic generation that this database never began".into());
    }
    if confirmed_lsn > position.lsn {
        return Some("it is ahead of the position in kafka".into());
    }
    (position.lsn > end_lsn).then(|| "the position is ahead of postgresql's log".into())
}

/// Makes the slot anew where that was not done yet, with a first position of the new generation. Returns
/// where it began.
async fn renew(
    client: &mut Client,
    endpoints: &Endpoints,
    provisioned: &Provisioned,
) -> Result<u64, ProvisionError> {
    let namespace = &endpoints.namespace;
    let topic = namespace.positions_topic();
    let found = position::read(&endpoints.kafka_brokers, &topic, &provisioned.slot).await;
    if let Ok(Some(found)) = &found
        && found.generation_id == provisioned.assigned.generation_id
    {
        return Ok(provisioned.slot_created_lsn);
    }
    let key = namespace.advisory_lock(RELAY_LOCK);
    let alone: bool = client
        .query_one("select pg_try_advisory_lock($1)", &[&key])
        .await
        .map_err(ProvisionError::postgres("take the relay's lock"))?
        .get(0);
    if !alone {
        return Err(ProvisionError::RelayAtWork { slot: provisioned.slot.clone() });
    }
    let created_lsn = slot::recreate(client, provisioned).await?;
    position::write(
        &endpoints.kafka_brokers,
        &topic,
        provisioned.assigned.position_schema_id,
        &provisioned.position_at(created_lsn),
    )
    .await?;
    // Users in Kafka are the latest state of each: what the lost stretch of the log said of them is said
    // again.
    client
        .execute("update raw.users set ingested_at = ingested_at", &[])
        .await
        .map_err(ProvisionError::postgres("publish the users again"))?;
    Ok(created_lsn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_relay_would_refuse_makes_the_slot_anew() {
        let position = slot::tests::position();
        let here = postgres::Identity { system_id: "7".into(), timeline: 1 };
        assert_eq!(differing(&position, &here, "ab", true, 100, 100), None);
        let elsewhere = postgres::Identity { system_id: "8".into(), timeline: 1 };
        let restored = postgres::Identity { system_id: "7".into(), timeline: 2 };
        for (difference, words) in [
            (differing(&position, &elsewhere, "ab", true, 100, 200), "another postgresql"),
            (differing(&position, &restored, "ab", true, 100, 200), "another postgresql"),
            (differing(&position, &here, "cd", true, 100, 200), "other publications"),
            (differing(&position, &here, "ab", false, 100, 200), "never began"),
            (differing(&position, &here, "ab", true, 101, 200), "ahead of the position"),
            (differing(&position, &here, "ab", true, 99, 99), "ahead of postgresql"),
        ] {
            assert!(
                difference.as_deref().is_some_and(|text| text.contains(words)),
                "{difference:?}: {words}"
            );
        }
    }
}
