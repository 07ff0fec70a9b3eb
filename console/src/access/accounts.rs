//! Users, keys and links, as `storepulse console` manages them with the owner's connection.

use tokio_postgres::{Client, Transaction};

pub use super::Role;
pub use super::password::PasswordError;
use super::token::Token;
use super::{password, tickets};

/// The fewest characters of a password.
pub const SHORTEST_PASSWORD: usize = password::SHORTEST;

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The name cannot be one.
    #[error(
        "{0:?} is not a valid name: use 1 to 32 lower-case letters, digits, dots, dashes and underscores, starting \
         with a letter"
    )]
    Name(String),
    /// There is one already.
    #[error("{0} exists already")]
    Exists(String),
    /// There is none.
    #[error("there is no {0}: `storepulse console {1} list` shows which names exist")]
    Missing(String, &'static str),
    /// It is disabled.
    #[error("{0} is disabled: `storepulse console user enable {0}` enables the account again")]
    Disabled(String),
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The tables are not there.
    #[error("the console's tables are missing in postgresql: run `storepulse setup`")]
    NotSetUp,
    /// PostgreSQL refused.
    #[error("postgresql refused the statement")]
    Postgres(#[source] tokio_postgres::Error),
}

impl From<tokio_postgres::Error> for AccountError {
    fn from(error: tokio_postgres::Error) -> Self {
        use tokio_postgres::error::SqlState;
        match error.code() {
            Some(&SqlState::UNDEFINED_TABLE | &SqlState::INVALID_SCHEMA_NAME) => Self::NotSetUp,
            _ => Self::Postgres(error),
        }
    }
}

/// Somebody who may open the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// As they sign in.
    pub name: String,
    /// `viewer` or `operator`.
    pub role: String,
    /// Whether they have a password, or come by links alone.
    pub has_password: bool,
    pub created_at: chrono::DateTime<chrono::Utc>,
    /// Since when they may not.
    pub disabled_at: Option<chrono::DateTime<chrono::Utc>>,
    /// In how many browsers they are signed in.
    pub sessions: i64,
}

/// A program that may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// What it is for.
    pub name: String,
    pub created_at: chrono::DateTime<chrono::Utc>,
    /// Since when it may not.
    pub disabled_at: Option<chrono::DateTime<chrono::Utc>>,
}

/// Whether a name can be one: as the tables check it.
pub(crate) fn is_name(name: &str) -> bool {
    name.len() <= 32
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'))
}

fn named(name: &str) -> Result<(), AccountError> {
    if is_name(name) { Ok(()) } else { Err(AccountError::Name(name.to_owned())) }
}

/// A name that can be one, from what an operating system calls somebody.
#[must_use]
pub fn name_of_account(account: &str) -> String {
    let kept: String = account
        .to_ascii_lowercase()
        .chars()
        .filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-'))
        .skip_while(|c| !c.is_ascii_lowercase())
        .take(32)
        .collect();
    if kept.is_empty() { "operator".to_owned() } else { kept }
}

/// What the owner did stands in the log of what was done, too.
async fn noted(
    transaction: &Transaction<'_>,
    action: &str,
    target: &str,
) -> Result<(), tokio_postgres::Error> {
    let note = "insert into ops.console_audit (name, role, action, target, phase, detail) \
                values (current_user, 'owner', $1, $2, 'done', '{\"by\": \"command line\"}')";
    transaction.execute(note, &[&action, &target]).await.map(drop)
}

/// Adds a user with a password.
///
/// # Errors
/// [`AccountError`].
pub async fn add_user(
    client: &mut Client,
    name: &str,
    role: Role,
    password: &str,
) -> Result<(), AccountError> {
    named(name)?;
    let hash = password::hash(password)?;
    let transaction = client.transaction().await?;
    let insert =
        "insert into ops.console_user (name, role, password) values ($1, $2, $3) on conflict do nothing";
    if transaction.execute(insert, &[&name, &role.word(), &hash]).await? == 0 {
        return Err(AccountError::Exists(name.to_owned()));
    }
    noted(&transaction, "user-add", name).await?;
    Ok(transaction.commit().await?)
}

async fn sign_out_everywhere(
    transaction: &Transaction<'_>,
    name: &str,
) -> Result<u64, tokio_postgres::Error> {
    transaction.execute("delete from ops.console_ticket where name = $1", &[&name]).await?;
    transaction.execute("delete from ops.console_session where name = $1", &[&name]).await
}

/// Gives a user another password; their sessions end. Returns how many did.
///
/// # Errors
/// [`AccountError`].
pub async fn change_password(client: &mut Client, name: &str, password: &str) -> Result<u64, AccountError> {
    let hash = password::hash(password)?;
    let transaction = client.transaction().await?;
    let update = "update ops.console_user set password = $2 where name = $1";
    if transaction.execute(update, &[&name, &hash]).await? == 0 {
        return Err(AccountError::Missing(format!("user {name}"), "user"));
    }
    let ended = sign_out_everywhere(&transaction, name).await?;
    noted(&transaction, "user-password", name).await?;
    transaction.commit().await?;
    Ok(ended)
}

/// Lets a user in no more, or again. Returns how many sessions ended.
///
/// # Errors
/// [`AccountError`].
pub async fn set_disabled(client: &mut Client, name: &str, disabled: bool) -> Result<u64, AccountError> {
    let transaction = client.transaction().await?;
    let update = "update ops.console_user set disabled_at = case when $2 then coalesce(disabled_at, now()) end where name = $1";
    if transaction.execute(update, &[&name, &disabled]).await? == 0 {
        return Err(AccountError::Missing(format!("user {name}"), "user"));
    }
    let ended = if disabled { sign_out_everywhere(&transaction, name).await? } else { 0 };
    noted(&transaction, if disabled { "user-disable" } else { "user-enable" }, name).await?;
    transaction.commit().await?;
    Ok(ended)
}

/// Everybody who may open the page.
///
/// # Errors
/// [`AccountError`].
pub async fn users(client: &Client) -> Result<Vec<User>, AccountError> {
    let select = "
        select name, role, password is not null, created_at, disabled_at,
               (select count(*) from ops.console_session session where session.name = person.name
                and ends_at > now() and seen_at > now() - interval '60 minutes')
        from ops.console_user person order by name";
    let rows = client.query(select, &[]).await?;
    let user = |row: &tokio_postgres::Row| User {
        name: row.get(0),
        role: row.get(1),
        has_password: row.get(2),
        created_at: row.get(3),
        disabled_at: row.get(4),
        sessions: row.get(5),
    };
    Ok(rows.iter().map(user).collect())
}

/// Makes a key, which is returned and never shown again.
///
/// # Errors
/// [`AccountError`].
pub async fn add_key(client: &mut Client, name: &str) -> Result<String, AccountError> {
    named(name)?;
    let key = Token::new();
    let transaction = client.transaction().await?;
    let insert = "
        insert into ops.console_key as old (name, key_sha256) values ($1, $2)
        on conflict (name) do update set key_sha256 = excluded.key_sha256, created_at = now(), disabled_at = null
        where old.disabled_at is not null";
    if transaction.execute(insert, &[&name, &key.digest().as_slice()]).await? == 0 {
        return Err(AccountError::Exists(format!("key {name}")));
    }
    noted(&transaction, "key-add", name).await?;
    transaction.commit().await?;
    Ok(key.text().to_owned())
}

/// Lets a key in no more.
///
/// # Errors
/// [`AccountError`].
pub async fn revoke_key(client: &mut Client, name: &str) -> Result<(), AccountError> {
    let transaction = client.transaction().await?;
    let update = "update ops.console_key set disabled_at = coalesce(disabled_at, now()) where name = $1";
    if transaction.execute(update, &[&name]).await? == 0 {
        return Err(AccountError::Missing(format!("key {name}"), "key"));
    }
    noted(&transaction, "key-revoke", name).await?;
    Ok(transaction.commit().await?)
}

/// Every key.
///
/// # Errors
/// [`AccountError`].
pub async fn keys(client: &Client) -> Result<Vec<Key>, AccountError> {
    let select = "select name, created_at, disabled_at from ops.console_key order by name";
    let rows = client.query(select, &[]).await?;
    let key =
        |row: &tokio_postgres::Row| Key { name: row.get(0), created_at: row.get(1), disabled_at: row.get(2) };
    Ok(rows.iter().map(key).collect())
}

/// A path of the console that lets somebody in once, within ten minutes. Who is not a user yet becomes one,
/// without a password, so that they are listed and can be disabled.
///
/// # Errors
/// [`AccountError`].
pub async fn link(client: &mut Client, name: &str, role: Option<Role>) -> Result<String, AccountError> {
    named(name)?;
    let transaction = client.transaction().await?;
    let insert = "insert into ops.console_user (name, role) values ($1, $2) on conflict do nothing";
    transaction.execute(insert, &[&name, &role.unwrap_or(Role::Operator).word()]).await?;
    let select = "select role, disabled_at is not null from ops.console_user where name = $1";
    let row = transaction.query_one(select, &[&name]).await?;
    if row.get(1) {
        return Err(AccountError::Disabled(name.to_owned()));
    }
    let own = row.get::<_, &str>(0).parse().unwrap_or(Role::Viewer);
    let ticket = tickets::issue(&transaction, name, role.unwrap_or(own)).await?;
    noted(&transaction, "link", name).await?;
    transaction.commit().await?;
    Ok(format!("/enter?ticket={}", ticket.text()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_the_tables_take() {
        for name in ["a", "ana", "ana.b-c_d9", &"a".repeat(32)] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "Ana", "9a", "-a", "a b", "ä", &"a".repeat(33)] {
            assert!(!is_name(name), "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_account_has_a_name(account in ".{0,60}") {
            assert!(is_name(&name_of_account(&account)), "{account:?}");
        }
    }

    #[test]
    fn an_account_keeps_what_it_can_of_its_name() {
        assert_eq!(name_of_account("root"), "root");
        assert_eq!(name_of_account("CORP\\Ana.Roth"), "corpana.roth");
        assert_eq!(name_of_account("名"), "operator");
    }
}
