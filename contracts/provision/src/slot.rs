//! The replication slot and its record of where it began.
//!
//! Creating a slot, recording it and writing the first position are three steps in three systems. Whichever
//! of them a crash leaves out is made up for by the next run, as long as the slot was never used.

use contracts::{Namespace, RelayPosition};
use tokio_postgres::types::PgLsn;
use tokio_postgres::{Client, GenericClient};

use crate::postgres::{Identity, is_missing};
use crate::{Outcome, Progress, ProvisionError, Step};

const PLUGIN: &str = "pgoutput";

/// The slot as it stands.
#[derive(Debug)]
pub(crate) struct Slot {
    name: String,
    pub(crate) created_lsn: u64,
    confirmed_lsn: u64,
}

impl Slot {
    /// A first position is written only where nothing was ever confirmed beyond the slot's beginning.
    pub(crate) fn refuse_if_used(&self) -> Result<(), ProvisionError> {
        if self.confirmed_lsn > self.created_lsn {
            return Err(ProvisionError::SlotUsed {
                slot: self.name.clone(),
                created_lsn: self.created_lsn.into(),
                confirmed_lsn: self.confirmed_lsn.into(),
            });
        }
        Ok(())
    }
}

/// A slot's row in `ops.relay_slot`.
pub(crate) struct Recorded {
    system_id: String,
    publication_hash: String,
    pub(crate) created_lsn: u64,
}

/// Reads the row, or nothing where there is none or the database is empty.
pub(crate) async fn recorded(client: &Client, slot: &str) -> Result<Option<Recorded>, ProvisionError> {
    let sql = "select system_id, publication_hash, created_lsn from ops.relay_slot where slot = $1";
    match client.query_opt(sql, &[&slot]).await {
        Ok(row) => Ok(row.map(|row| Recorded {
            system_id: row.get(0),
            publication_hash: row.get(1),
            created_lsn: row.get::<_, PgLsn>(2).into(),
        })),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(ProvisionError::postgres("read the slot's record")(error)),
    }
}

pub(crate) async fn ensure(
    client: &Client,
    namespace: &Namespace,
    identity: &Identity,
    publication_hash: &str,
    progress: Progress<'_>,
) -> Result<Slot, ProvisionError> {
    let name = namespace.slot();
    let recorded = recorded(client, &name).await?;
    let live = confirmed_lsn(client, &name).await?;
    let (slot, outcome) = match (recorded, live) {
        (Some(recorded), Some(confirmed_lsn)) => {
            check("system id", &name, &identity.system_id, &recorded.system_id)?;
            check("publication hash", &name, publication_hash, &recorded.publication_hash)?;
            (Slot { name, created_lsn: recorded.created_lsn, confirmed_lsn }, Outcome::Exists)
        }
        (Some(recorded), None) => {
            return Err(ProvisionError::SlotLost { slot: name, created_lsn: recorded.created_lsn.into() });
        }
        (None, live) => {
            refuse_rows(client, &name).await?;
            // A slot without its record was created by a set-up that died right after: as nothing was
            // accepted yet, where it stands is as good a beginning as where it was created.
            let lsn = match live {
                Some(confirmed_lsn) => confirmed_lsn,
                None => create(client, &name).await?,
            };
            record(client, &name, identity, publication_hash, lsn).await?;
            (Slot { name, created_lsn: lsn, confirmed_lsn: lsn }, Outcome::Created)
        }
    };
    progress(Step { kind: "replication slot", name: slot.name.clone(), outcome });
    Ok(slot)
}

/// How far the slot is confirmed, checked to be ours; nothing where it does not exist.
pub(crate) async fn confirmed_lsn(client: &Client, name: &str) -> Result<Option<u64>, ProvisionError> {
    let row = client
        .query_opt(
            "select coalesce(plugin, 'physical'), coalesce(database, ''), current_database()::text,
                    coalesce(wal_status, ''), confirmed_flush_lsn
             from pg_replication_slots where slot_name = $1",
            &[&name],
        )
        .await
        .map_err(ProvisionError::postgres("look for the slot"))?;
    let Some(row) = row else { return Ok(None) };
    let (plugin, database, current, wal_status): (String, String, String, String) =
        (row.get(0), row.get(1), row.get(2), row.get(3));
    check("plugin", name, PLUGIN, &plugin)?;
    check("database", name, &current, &database)?;
    if wal_status == "lost" {
        return Err(differs("log", name, "kept", "lost (max_slot_wal_keep_size)"));
    }
    let confirmed: Option<PgLsn> = row.get(4);
    confirmed
        .map(|lsn| Some(u64::from(lsn)))
        .ok_or_else(|| differs("state", name, "consistent", "still being created"))
}

fn check(what: &'static str, slot: &str, expected: &str, found: &str) -> Result<(), ProvisionError> {
    if expected == found { Ok(()) } else { Err(differs(what, slot, expected, found)) }
}

fn differs(what: &'static str, slot: &str, expected: &str, found: &str) -> ProvisionError {
    ProvisionError::SlotDiffers {
        slot: slot.to_owned(),
        what,
        expected: expected.to_owned(),
        found: found.to_owned(),
    }
}

async fn refuse_rows(client: &Client, slot: &str) -> Result<(), ProvisionError> {
    let row = client
        .query_one("select exists (select from raw.events), exists (select from raw.users)", &[])
        .await
        .map_err(ProvisionError::postgres("look for accepted rows"))?;
    for (index, table) in ["raw.events", "raw.users"].into_iter().enumerate() {
        if row.get(index) {
            return Err(ProvisionError::RowsBeforeSlot { slot: slot.to_owned(), table });
        }
    }
    Ok(())
}

async fn create(client: &Client, name: &str) -> Result<u64, ProvisionError> {
    let row = client
        .query_one("select current_setting('wal_level')", &[])
        .await
        .map_err(ProvisionError::postgres("read wal_level"))?;
    let level: String = row.get(0);
    if level != "logical" {
        return Err(ProvisionError::WalLevel(level));
    }
    let row = client
        .query_one(
            "select lsn from pg_create_logical_replication_slot($1::text::name, $2::text::name)",
            &[&name, &PLUGIN],
        )
        .await
        .map_err(ProvisionError::postgres("create the replication slot"))?;
    Ok(row.get::<_, PgLsn>(0).into())
}

async fn record(
    client: &impl GenericClient,
    name: &str,
    identity: &Identity,
    publication_hash: &str,
    created_lsn: u64,
) -> Result<(), ProvisionError> {
    client
        .execute(
            "insert into ops.relay_slot (slot, system_id, timeline, created_lsn, publication_hash)
             values ($1, $2, $3, $4, $5)",
            &[&name, &identity.system_id, &identity.timeline, &PgLsn::from(created_lsn), &publication_hash],
        )
        .await
        .map_err(ProvisionError::postgres("record the replication slot"))?;
    Ok(())
}

/// Drops a slot that nobody reads, where there is one.
pub(crate) async fn drop_if_there(client: &Client, slot: &str) -> Result<(), tokio_postgres::Error> {
    let sql = "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1";
    client.execute(sql, &[&slot]).await.map(drop)
}

/// Drops the slot, where there is one, and creates and records it anew. Returns where it begins. Rows
/// committed before it are in none of its stream: only a rebuild may do this.
pub(crate) async fn recreate(
    client: &mut Client,
    provisioned: &crate::Provisioned,
) -> Result<u64, ProvisionError> {
    let failed = || ProvisionError::postgres("make the replication slot anew");
    drop_if_there(client, &provisioned.slot).await.map_err(failed())?;
    let created_lsn = create(client, &provisioned.slot).await?;
    let identity = Identity { system_id: provisioned.system_id.clone(), timeline: provisioned.timeline };
    let transaction = client.transaction().await.map_err(failed())?;
    transaction
        .execute("delete from ops.relay_slot where slot = $1", &[&provisioned.slot])
        .await
        .map_err(failed())?;
    record(&transaction, &provisioned.slot, &identity, &provisioned.publication_hash, created_lsn).await?;
    transaction.commit().await.map_err(failed())?;
    Ok(created_lsn)
}

/// Refuses a position that another database, slot or shape of rows left behind; `first` is what this
/// database's first position is.
pub(crate) fn check_position(found: &RelayPosition, first: &RelayPosition) -> Result<(), ProvisionError> {
    let foreign = |what, expected: String, found: String| ProvisionError::ForeignPosition {
        slot: first.slot.clone(),
        what,
        expected,
        found,
    };
    for (what, expected, found) in [
        ("system id", first.system_id.clone(), found.system_id.clone()),
        ("timeline", first.timeline.to_string(), found.timeline.to_string()),
        ("publication hash", first.publication_hash.clone(), found.publication_hash.clone()),
        ("generation id", first.generation_id.to_string(), found.generation_id.to_string()),
    ] {
        if expected != found {
            return Err(foreign(what, expected, found));
        }
    }
    if found.lsn < first.lsn {
        let lsn = |lsn: u64| PgLsn::from(lsn).to_string();
        return Err(foreign("lsn", format!("{} or later", lsn(first.lsn)), lsn(found.lsn)));
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use uuid::Uuid;

    use super::*;

    pub(crate) fn position() -> RelayPosition {
        RelayPosition {
            system_id: "7".into(),
            timeline: 1,
            slot: "shop_relay".into(),
            publication_hash: "ab".into(),
            topic_generation: 1,
            generation_id: Uuid::from_u128(1),
            lsn: 100,
            partial_lsn: 0,
            partial_rows: 0,
        }
    }

    #[test]
    fn a_later_position_of_the_same_database_is_kept() {
        let later = RelayPosition { lsn: 200, partial_lsn: 150, partial_rows: 3, ..position() };
        check_position(&later, &position()).unwrap();
    }

    #[test]
    fn any_other_origin_is_foreign() {
        for (foreign, what) in [
            (RelayPosition { system_id: "8".into(), ..position() }, "system id"),
            (RelayPosition { timeline: 2, ..position() }, "timeline"),
            (RelayPosition { publication_hash: "cd".into(), ..position() }, "publication hash"),
            (RelayPosition { generation_id: Uuid::from_u128(2), ..position() }, "generation id"),
            (RelayPosition { lsn: 99, ..position() }, "lsn"),
        ] {
            let error = check_position(&foreign, &position()).unwrap_err();
            let ProvisionError::ForeignPosition { what: found, .. } = error else { panic!("{error}") };
            assert_eq!(found, what);
        }
    }

    #[test]
    fn a_slot_confirmed_beyond_its_beginning_is_used() {
        let slot = |confirmed_lsn| Slot { name: "shop_relay".into(), created_lsn: 100, confirmed_lsn };
        slot(100).refuse_if_used().unwrap();
        assert!(matches!(slot(101).refuse_if_used(), Err(ProvisionError::SlotUsed { .. })));
    }
}
