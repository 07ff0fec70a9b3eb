//! What PostgreSQL needs beyond being started: an account to run as, a cluster, and databases.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;

use nix::unistd::{User, chown, geteuid};
use tokio_postgres::{Client, Config, NoTls};

use crate::error::{Doing, StackError};
use crate::install::{Tools, run};
use crate::layout::Home;
use crate::ports::Ports;
use crate::private;
use crate::state::Secrets;

/// Owner of the cluster and of the pipeline's database.
pub(crate) const ROLE: &str = "storepulse";
/// The pipeline's own database.
pub(crate) const DATABASE: &str = "shop";
/// The registry's role and database, apart from the pipeline's.
pub(crate) const REGISTRY: &str = "registry";
/// Airflow's, likewise.
pub(crate) const AIRFLOW: &str = "airflow";

/// The account that PostgreSQL runs as: Debian's when we are root, which PostgreSQL refuses; else our own.
pub(crate) fn account() -> Result<Option<User>, StackError> {
    const NAME: &str = "postgres";
    if !geteuid().is_root() {
        return Ok(None);
    }
    let user = User::from_name(NAME).doing(|| format!("look up user {NAME}"))?;
    user.map(Some).ok_or_else(|| StackError::UserMissing { user: NAME.to_owned() })
}

/// Lets the account read a folder of configuration, which stays ours: it could put a link where we write next time.
pub(crate) fn share(folder: &Path, account: &User) -> Result<(), StackError> {
    let doing = || format!("share {}", folder.display());
    let entries = fs::read_dir(folder).doing(doing)?;
    let files = entries.flatten().map(|entry| (entry.path(), 0o640));
    for (path, mode) in files.chain([(folder.to_owned(), 0o750)]) {
        chown(&path, None, Some(account.gid)).doing(doing)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).doing(doing)?;
    }
    Ok(())
}

/// Words that start a command as the account.
pub(crate) fn as_account(account: Option<&User>) -> Vec<String> {
    account.map_or_else(Vec::new, |user| {
        vec![
            "setpriv".to_owned(),
            format!("--reuid={}", user.uid),
            format!("--regid={}", user.gid),
            "--init-groups".to_owned(),
        ]
    })
}

/// Makes the cluster, once.
pub(crate) fn initialise(home: &Home, tools: &Tools, secrets: &Secrets) -> Result<(), StackError> {
    let data = home.data("postgres");
    if data.join("PG_VERSION").is_file() {
        return Ok(());
    }
    let account = account()?;
    // What an interrupted initdb leaves is no cluster, and initdb would refuse it.
    let _ = fs::remove_dir_all(&data);
    private::closed(&data)?;
    let password_file = home.tmp().join("initdb-password");
    let _ = fs::remove_file(&password_file);
    let write = || {
        let mut file =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&password_file)?;
        file.write_all(secrets.postgres_password.as_bytes())
    };
    write().doing(|| format!("write {}", password_file.display()))?;
    if let Some(user) = &account {
        for path in [&data, &password_file] {
            chown(path, Some(user.uid), Some(user.gid)).doing(|| format!("hand over {}", path.display()))?;
        }
    }
    let mut words = as_account(account.as_ref());
    words.push(tools.postgres_bin.join("initdb").display().to_string());
    let (program, arguments) = words.split_first().map_or(("initdb", &[][..]), |(p, a)| (p.as_str(), a));
    let result = run(Command::new(program)
        .args(arguments)
        .arg("--pgdata")
        .arg(&data)
        .arg("--pwfile")
        .arg(&password_file)
        .args(["--username", ROLE, "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8"])
        .arg("--data-checksums")
        .current_dir("/"));
    let _ = fs::remove_file(&password_file);
    result
}

/// A connection as the cluster's owner.
async fn connect(ports: &Ports, secrets: &Secrets, database: &str) -> Result<Client, tokio_postgres::Error> {
    let mut config = Config::new();
    config.host("127.0.0.1").port(ports.postgres).user(ROLE).password(&secrets.postgres_password);
    config.dbname(database).application_name("storepulse stack");
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Whether it answers a query.
pub(crate) async fn check(ports: &Ports, secrets: &Secrets) -> Result<(), String> {
    let ask = async { connect(ports, secrets, "postgres").await?.simple_query("select 1").await };
    ask.await.map(drop).map_err(|error| match error.as_db_error() {
        Some(error) => error.message().to_owned(),
        None => format!("port {}: {error}", ports.postgres),
    })
}

/// Makes the databases and roles that the stack promises, where they are missing.
pub(crate) async fn prepare(ports: &Ports, secrets: &Secrets) -> Result<(), StackError> {
    let doing = "create the databases";
    let prepare = async {
        let client = connect(ports, secrets, "postgres").await?;
        let missing = |kind: &'static str, name: &'static str| {
            let client = &client;
            async move {
                let query = format!(
                    "select 1 from {kind} where {} = $1",
                    if kind == "pg_roles" { "rolname" } else { "datname" }
                );
                client.query_opt(&query, &[&name]).await.map(|row| row.is_none())
            }
        };
        let apart = [(REGISTRY, &secrets.registry_password), (AIRFLOW, &secrets.airflow_password)];
        for (name, password) in apart {
            if missing("pg_roles", name).await? {
                // A secret of ours is alphanumeric, so it needs no quoting.
                client.batch_execute(&format!("create role {name} login password '{password}'")).await?;
            }
            if missing("pg_database", name).await? {
                client.batch_execute(&format!("create database {name} owner {name}")).await?;
            }
        }
        if missing("pg_database", DATABASE).await? {
            client.batch_execute(&format!("create database {DATABASE}")).await?;
        }
        Ok::<_, tokio_postgres::Error>(())
    };
    prepare.await.map_err(|source| StackError::Postgres { doing, source })
}
