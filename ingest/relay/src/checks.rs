//! What must be true before rows may flow.
//!
//! PostgreSQL, the slot, the publications and the generation of the events topic must be those that the
//! position was written under, and nothing may have happened behind its back. Each failure is an error of its
//! own that says what to do.

use contracts::publications::{self, Publication};
use contracts::{Namespace, RelayPosition};
use pgwire_replication::{IdentifySystem, Lsn};
use tokio_postgres::Client;
use tokio_postgres::types::PgLsn;
use uuid::Uuid;

use crate::config::RelayConfig;
use crate::error::{Fault, RelayError};
use crate::generations::Generations;
use crate::position::Stored;
use crate::status;

/// Checks everything and returns the position to start from, and the generations to write.
pub(crate) async fn check(
    client: &Client,
    config: &RelayConfig,
    server: &IdentifySystem,
    stored: Option<Stored>,
) -> Result<(RelayPosition, Generations), Fault> {
    let slot = config.namespace.slot();
    let confirmed = slot_confirmed(client, &slot).await?;
    let recorded = recorded_slot(client, &slot).await?;
    let Some(Stored { position, beat }) = stored else {
        return Err(if confirmed > recorded.created {
            RelayError::PositionLost { slot, confirmed, created: recorded.created }
        } else {
            RelayError::PositionMissing { slot }
        }
        .into());
    };
    check_server(server, &recorded, &position)?;
    if let Some(written_after) = beat {
        let known = status::beat(client, &slot).await?.unwrap_or(0);
        if known < written_after {
            return Err(RelayError::Restored { known, written_after }.into());
        }
    }
    let at = Lsn::from_u64(position.lsn);
    if confirmed > at {
        return Err(RelayError::SlotAhead { slot, confirmed, position: at }.into());
    }
    same("slot", &slot, &position.slot, POSITION)?;
    let generations = Generations::read(client).await?;
    check_generation(client, config, &position, &generations).await?;

    let hash = publications::hash(&config.namespace);
    same("hash of the publications", &hash, &position.publication_hash, POSITION)?;
    same("hash of the publications", &hash, &recorded.publication_hash, "ops.relay_slot")?;
    check_publications(client, &config.namespace).await?;
    Ok((position, generations))
}

const POSITION: &str = "the position";

fn same(
    what: &'static str,
    actual: &(impl ToString + ?Sized),
    recorded: &(impl ToString + ?Sized),
    place: &'static str,
) -> Result<(), RelayError> {
    let (actual, recorded) = (actual.to_string(), recorded.to_string());
    if actual == recorded { Ok(()) } else { Err(RelayError::Mismatch { what, actual, recorded, place }) }
}

fn check_server(
    server: &IdentifySystem,
    slot: &RecordedSlot,
    position: &RelayPosition,
) -> Result<(), RelayError> {
    same("PostgreSQL's system identifier", &server.system_id, &position.system_id, POSITION)?;
    same("PostgreSQL's system identifier", &server.system_id, &slot.system_id, "ops.relay_slot")?;
    same("PostgreSQL's timeline", &server.timeline, &position.timeline, POSITION)?;
    let position = Lsn::from_u64(position.lsn);
    if server.xlogpos < position {
        return Err(RelayError::ServerBehind { end: server.xlogpos, position });
    }
    Ok(())
}

/// How far the slot is confirmed, after checking that it is one we can use.
async fn slot_confirmed(client: &Client, slot: &str) -> Result<Lsn, Fault> {
    let found = client
        .query_opt(
            "select slot_type, plugin, database, coalesce(database = current_database(), false) as ours, \
             wal_status, confirmed_flush_lsn from pg_replication_slots where slot_name = $1",
            &[&slot],
        )
        .await?;
    let slot = slot.to_owned();
    let Some(row) = found else { return Err(RelayError::SlotMissing { slot }.into()) };
    let plugin: Option<String> = row.get("plugin");
    if plugin.as_deref() != Some("pgoutput") || !row.get::<_, bool>("ours") {
        let kind: String = row.get("slot_type");
        let database: Option<String> = row.get("database");
        let actual = format!(
            "a {kind} one with plugin {} in database {}",
            plugin.as_deref().unwrap_or("none"),
            database.as_deref().unwrap_or("none")
        );
        return Err(RelayError::SlotForeign { slot, actual }.into());
    }
    if row.get::<_, Option<String>>("wal_status").as_deref() == Some("lost") {
        return Err(RelayError::SlotLost { slot }.into());
    }
    Ok(row.get::<_, Option<PgLsn>>("confirmed_flush_lsn").map_or(Lsn::ZERO, lsn))
}

struct RecordedSlot {
    created: Lsn,
    system_id: String,
    publication_hash: String,
}

async fn recorded_slot(client: &Client, slot: &str) -> Result<RecordedSlot, Fault> {
    let found = client
        .query_opt(
            "select created_lsn, system_id, publication_hash from ops.relay_slot where slot = $1",
            &[&slot],
        )
        .await?;
    let row = found.ok_or(RelayError::NotRecorded { what: "the replication slot" })?;
    Ok(RecordedSlot { created: lsn(row.get(0)), system_id: row.get(1), publication_hash: row.get(2) })
}

/// The position must be of a generation that is written: the newest, or during a rebuild the one before,
/// where the session that begins now is the first to write both.
async fn check_generation(
    client: &Client,
    config: &RelayConfig,
    position: &RelayPosition,
    generations: &Generations,
) -> Result<(), Fault> {
    let sql = "select generation_id from ops.topic_generation where generation = $1";
    let found = client.query_opt(sql, &[&config.assigned.generation]).await?;
    let id: Uuid =
        found.ok_or(RelayError::NotRecorded { what: "the generation of the events topic" })?.get(0);
    same("id of the generation", &config.assigned.generation_id, &id, "ops.topic_generation")?;
    let named = generations.all().iter().find(|generation| generation.number == position.topic_generation);
    let generation = named.copied().unwrap_or(generations.newest());
    same("generation of the events topic", &generation.number, &position.topic_generation, POSITION)?;
    same("id of the generation", &generation.id, &position.generation_id, POSITION)?;
    Ok(())
}

/// Holds the catalog to the contract: a hash that was once right does not tell what the publications are now.
async fn check_publications(client: &Client, namespace: &Namespace) -> Result<(), Fault> {
    for expected in publications::publications(namespace) {
        let differs =
            |difference: String| RelayError::Publication { publication: expected.name.clone(), difference };
        let found = client
            .query_opt(
                "select puballtables, pubviaroot, pubinsert, pubupdate, pubdelete, pubtruncate \
                 from pg_publication where pubname = $1",
                &[&expected.name],
            )
            .await?;
        let row = found.ok_or_else(|| differs("it does not exist".to_owned()))?;
        if row.get::<_, bool>("puballtables") || !row.get::<_, bool>("pubviaroot") {
            return Err(
                differs("it must name its table and publish by the partition's root".to_owned()).into()
            );
        }
        let published: Vec<&str> = ["insert", "update", "delete", "truncate"]
            .into_iter()
            .filter(|operation| row.get::<_, bool>(format!("pub{operation}").as_str()))
            .collect();
        if published != expected.operations {
            let (found, wanted) = (published.join(", "), expected.operations.join(", "));
            return Err(differs(format!("it publishes {found}, not {wanted}")).into());
        }
        check_tables(client, &expected).await?.map_err(differs)?;
    }
    Ok(())
}

/// The inner error says what differs.
async fn check_tables(client: &Client, expected: &Publication) -> Result<Result<(), String>, Fault> {
    let tables = client
        .query(
            "select schemaname::text, tablename::text, attnames::text[], rowfilter \
             from pg_publication_tables where pubname = $1",
            &[&expected.name],
        )
        .await?;
    let [table] = tables.as_slice() else {
        return Ok(Err(format!("it has {} tables, not one", tables.len())));
    };
    let (schema, name): (String, String) = (table.get(0), table.get(1));
    if schema != expected.schema || name != expected.table {
        return Ok(Err(format!("its table is {schema}.{name}, not {}.{}", expected.schema, expected.table)));
    }
    if let Some(filter) = table.get::<_, Option<String>>(3) {
        return Ok(Err(format!("it leaves out rows by {filter}")));
    }
    let columns: Vec<String> = table.get(2);
    // The catalog lists columns in the table's order; which ones, not in which order, is what matters.
    let missing = expected.columns.iter().find(|column| !columns.iter().any(|c| c == *column));
    let extra = columns.iter().find(|column| !expected.columns.contains(&column.as_str()));
    Ok(match (missing, extra) {
        (Some(column), _) => Err(format!("it lacks column {column}")),
        (None, Some(column)) => Err(format!("it has column {column} beside the contract's")),
        (None, None) => Ok(()),
    })
}

fn lsn(value: PgLsn) -> Lsn {
    Lsn::from_u64(value.into())
}
