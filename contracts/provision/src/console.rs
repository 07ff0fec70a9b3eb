//! The role of the Control Center: made once a cluster, granted to the owner, and given its rights in each
//! database.
//!
//! An owner who may not make roles is no reason to stop: everything but the page works without, and the page
//! says what is missing, too. Databases are set up at once, so that another set-up may be a moment ahead at
//! any step.

use contracts::console::{HIDDEN, HIDDEN_OF_QUARANTINE, READ_OF_OTHER_EVENTS, ROLE, WRITES};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error};

use crate::{Outcome, Progress, ProvisionError, Step};

/// Makes the role where it is missing, and grants it what the contract says and nothing else.
pub(crate) async fn ensure_role(client: &mut Client, progress: Progress<'_>) -> Result<(), ProvisionError> {
    let outcome = match make(client).await {
        Ok(outcome) => outcome,
        Err(error) if is_refusal(&error) => {
            let why = error.as_db_error().map_or("not allowed", |error| error.message());
            tracing::warn!(
                "the control center has no role of its own ({why}): have a superuser run \
                 `create role {ROLE} nologin; grant {ROLE} to <the user of PG_URL>`, then `storepulse setup`"
            );
            progress(Step { kind: "role", name: ROLE.to_owned(), outcome: Outcome::Refused });
            return Ok(());
        }
        Err(error) => return Err(ProvisionError::postgres("make the role of the control center")(error)),
    };
    grant(client)
        .await
        .map_err(ProvisionError::postgres("grant the role of the control center its rights"))?;
    progress(Step { kind: "role", name: ROLE.to_owned(), outcome });
    Ok(())
}

async fn make(client: &Client) -> Result<Outcome, Error> {
    let mut outcome = Outcome::Exists;
    if client.query_opt("select from pg_roles where rolname = $1", &[&ROLE]).await?.is_none() {
        // Together, so that who made it is a member in any case.
        let both = format!("create role {ROLE} nologin; grant {ROLE} to current_user");
        outcome = created(client.batch_execute(&both).await)?;
    }
    // A superuser counts as a member of every role.
    let member = client.query_one("select pg_has_role(current_user, $1, 'member')", &[&ROLE]).await?;
    if !member.get::<_, bool>(0) {
        created(client.batch_execute(&format!("grant {ROLE} to current_user")).await)?;
    }
    Ok(outcome)
}

/// Whether something was made here, or by another set-up in the same moment.
fn created(result: Result<(), Error>) -> Result<Outcome, Error> {
    match result {
        Ok(()) => Ok(Outcome::Created),
        Err(error) if was_made_meanwhile(&error) => Ok(Outcome::Exists),
        Err(error) => Err(error),
    }
}

fn was_made_meanwhile(error: &Error) -> bool {
    let concurrently = |message: &str| message.contains("concurrently updated");
    matches!(error.code(), Some(&SqlState::DUPLICATE_OBJECT | &SqlState::UNIQUE_VIOLATION))
        || error.as_db_error().is_some_and(|error| concurrently(error.message()))
}

fn is_refusal(error: &Error) -> bool {
    error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE)
}

/// In one transaction, so that a reader never finds less than it may see.
async fn grant(client: &mut Client) -> Result<(), Error> {
    let transaction = client.transaction().await?;
    let hidden: &[&str] = &HIDDEN;
    let tables = transaction
        .query(
            "select format('%I.%I', schemaname, tablename) from pg_tables
             where schemaname = 'ops' and tablename <> all ($1) order by tablename",
            &[&hidden],
        )
        .await?;
    let hidden_columns: &[&str] = &HIDDEN_OF_QUARANTINE;
    let columns = transaction
        .query(
            "select format('%I', attname) from pg_attribute
             where attrelid = 'raw.quarantine'::regclass and attnum > 0 and not attisdropped and attname <> all ($1)
             order by attnum",
            &[&hidden_columns],
        )
        .await?;
    let names = |rows: &[tokio_postgres::Row]| {
        rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>().join(", ")
    };
    let mut statements = vec![
        // What an earlier version granted and this one does not.
        format!("revoke all on all tables in schema ops, raw from {ROLE}"),
        format!("grant usage on schema ops, raw to {ROLE}"),
        format!("grant select on {} to {ROLE}", names(&tables)),
        format!("grant select ({}) on raw.quarantine to {ROLE}", names(&columns)),
        format!("grant select ({}) on raw.other_events to {ROLE}", READ_OF_OTHER_EVENTS.join(", ")),
    ];
    statements
        .extend(WRITES.iter().map(|(table, rights)| format!("grant {rights} on ops.{table} to {ROLE}")));
    transaction.batch_execute(&statements.join("; ")).await?;
    transaction.commit().await
}
