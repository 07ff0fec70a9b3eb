//! PostgreSQL: migrations, publications, the generation of the events topic, the cluster's identity.

use contracts::Namespace;
use contracts::migrations::MIGRATIONS;
use contracts::publications::{Publication, publications};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

use crate::{Outcome, Progress, ProvisionError, Step};

/// Which cluster this is: a restored or promoted one has another timeline, another one another id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) system_id: String,
    pub(crate) timeline: i32,
}

/// Connects as [`open`].
///
/// # Errors
/// When PostgreSQL cannot be reached or refuses the user.
pub async fn connect(pg_url: &str) -> Result<Client, ProvisionError> {
    open(pg_url).await.map_err(ProvisionError::PostgresConnect)
}

/// Connects, with the connection's task on the current runtime; it ends when the client is dropped.
///
/// # Errors
/// As the client has them, for callers with errors of their own.
pub async fn open(pg_url: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(pg_url, NoTls).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::warn!(error = &error as &dyn std::error::Error, "postgresql connection ended");
        }
    });
    Ok(client)
}

/// Waits for any other set-up of this namespace; released when the connection closes.
pub(crate) async fn lock(client: &Client, namespace: &Namespace) -> Result<(), ProvisionError> {
    client
        .execute("select pg_advisory_lock($1)", &[&namespace.advisory_lock("setup")])
        .await
        .map_err(ProvisionError::postgres("take the set-up lock"))?;
    Ok(())
}

pub(crate) async fn migrate(client: &mut Client, progress: Progress<'_>) -> Result<(), ProvisionError> {
    let migrations = MIGRATIONS
        .iter()
        .map(|migration| refinery::Migration::unapplied(migration.name, migration.sql))
        .collect::<Result<Vec<_>, _>>()
        .map_err(ProvisionError::Migration)?;
    let report =
        refinery::Runner::new(&migrations).run_async(client).await.map_err(ProvisionError::Migration)?;
    for migration in &migrations {
        let applied = report.applied_migrations().iter().any(|done| done.version() == migration.version());
        let outcome = if applied { Outcome::Created } else { Outcome::Exists };
        progress(Step { kind: "migration", name: migration.to_string(), outcome });
    }
    Ok(())
}

pub(crate) async fn ensure_publications(
    client: &Client,
    namespace: &Namespace,
    progress: Progress<'_>,
) -> Result<(), ProvisionError> {
    for publication in publications(namespace) {
        let outcome = match found(client, &publication.name).await? {
            None => {
                client
                    .batch_execute(&publication.create_sql())
                    .await
                    .map_err(ProvisionError::postgres("create a publication"))?;
                Outcome::Created
            }
            Some(found) => {
                let expected = expected(&publication);
                if found != expected {
                    return Err(ProvisionError::PublicationDiffers {
                        name: publication.name,
                        expected,
                        found,
                    });
                }
                Outcome::Exists
            }
        };
        progress(Step { kind: "publication", name: publication.name, outcome });
    }
    Ok(())
}

fn expected(publication: &Publication) -> String {
    format!(
        "{} of raw.{} ({}) via its root",
        publication.operations.join(", "),
        publication.table,
        publication.columns.join(", ")
    )
}

/// What a publication publishes, in the words of [`expected`].
async fn found(client: &Client, name: &str) -> Result<Option<String>, ProvisionError> {
    let row = client
        .query_opt(
            "select concat_ws(', ',
                 case when p.pubinsert then 'insert' end, case when p.pubupdate then 'update' end,
                 case when p.pubdelete then 'delete' end, case when p.pubtruncate then 'truncate' end)
                 || ' of '
                 || coalesce((
                     select string_agg(format('%s.%s (%s)%s', t.schemaname, t.tablename,
                         array_to_string(t.attnames, ', '),
                         case when t.rowfilter is null then '' else ' where ' || t.rowfilter end), ', '
                         order by t.schemaname, t.tablename)
                     from pg_publication_tables t where t.pubname = p.pubname), 'nothing')
                 || case when p.pubviaroot then ' via its root' else '' end
             from pg_publication p where p.pubname = $1",
            &[&name],
        )
        .await
        .map_err(ProvisionError::postgres("describe a publication"))?;
    Ok(row.map(|row| row.get(0)))
}

/// A generation of the events topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Generation {
    pub(crate) number: i32,
    pub(crate) id: Uuid,
    pub(crate) partitions: i32,
}

/// The generation in force; nothing where none was begun or the database is empty.
pub(crate) async fn generation(client: &Client) -> Result<Option<Generation>, ProvisionError> {
    let sql = "select generation, generation_id, partitions from ops.topic_generation order by generation desc limit 1";
    match client.query_opt(sql, &[]).await {
        Ok(row) => {
            Ok(row.map(|row| Generation { number: row.get(0), id: row.get(1), partitions: row.get(2) }))
        }
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(ProvisionError::postgres("read the topic generation")(error)),
    }
}

/// The id of a generation that was begun here.
pub(crate) async fn generation_id(client: &Client, generation: i32) -> Result<Option<Uuid>, ProvisionError> {
    let sql = "select generation_id from ops.topic_generation where generation = $1";
    let row = client
        .query_opt(sql, &[&generation])
        .await
        .map_err(ProvisionError::postgres("read a topic generation"))?;
    Ok(row.map(|row| row.get(0)))
}

/// Whether a statement failed because its table or schema does not exist.
pub(crate) fn is_missing(error: &tokio_postgres::Error) -> bool {
    matches!(error.code(), Some(&SqlState::UNDEFINED_TABLE | &SqlState::INVALID_SCHEMA_NAME))
}

pub(crate) async fn begin_generation(
    client: &impl tokio_postgres::GenericClient,
    number: i32,
    partitions: i32,
) -> Result<Generation, ProvisionError> {
    let id = Uuid::now_v7();
    client
        .execute(
            "insert into ops.topic_generation (generation, generation_id, partitions) values ($1, $2, $3)",
            &[&number, &id, &partitions],
        )
        .await
        .map_err(ProvisionError::postgres("begin a topic generation"))?;
    Ok(Generation { number, id, partitions })
}

/// What IDENTIFY_SYSTEM answers on a replication connection.
pub(crate) async fn identity(client: &Client) -> Result<Identity, ProvisionError> {
    let row = client
        .query_one(
            "select s.system_identifier::text, c.timeline_id
             from pg_control_system() s, pg_control_checkpoint() c",
            &[],
        )
        .await
        .map_err(ProvisionError::postgres("identify the cluster"))?;
    Ok(Identity { system_id: row.get(0), timeline: row.get(1) })
}
