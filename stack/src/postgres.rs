//! What PostgreSQL needs beyond being started: an account to run as, a cluster, roles and databases.

use std::error::Error as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::{User, chown, geteuid};
use tokio_postgres::{Client, Config, NoTls};

use crate::error::{Doing, StackError};
use crate::install::{Tools, run};
use crate::layout::Home;
use crate::network::LOOPBACK;
use crate::ports::Ports;
use crate::private;
use crate::state::Secrets;
use crate::vault::{Secret, Vault};

/// Owner of the cluster and of the pipeline's database.
pub(crate) const ROLE: &str = "storepulse";
/// The pipeline's own database.
pub(crate) const DATABASE: &str = "shop";
/// The one that every cluster has from the beginning.
pub(crate) const MAINTENANCE: &str = "postgres";
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

/// Lets the account read a folder of configuration, which stays ours: it could put a link where we write next
/// time.
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

/// Makes the cluster of a stack, once; [`prepare`] makes what it holds when the server runs.
pub(crate) fn initialise(home: &Home, tools: &Tools, secrets: &Secrets) -> Result<(), StackError> {
    let data = home.data("postgres");
    if is_cluster(&data) {
        return Ok(());
    }
    // What an interrupted initdb leaves is no cluster, and initdb would refuse it.
    let _ = fs::remove_dir_all(&data);
    private::closed(&data)?;
    let account = account()?;
    if let Some(user) = &account {
        chown(&data, Some(user.uid), Some(user.gid)).doing(|| format!("hand over {}", data.display()))?;
    }
    initdb(&tools.postgres_bin, &data, &home.tmp(), &secrets.postgres_password, account.as_ref())
}

/// Makes the cluster of a container with what it holds, once. It is made beside and moved into place: a start
/// that is cut short begins anew.
pub(crate) fn initialise_whole(bin: &Path, data: &Path, tmp: &Path, vault: &Vault) -> Result<(), StackError> {
    if is_cluster(data) {
        return Ok(());
    }
    let new = data.with_extension("new");
    let _ = fs::remove_dir_all(&new);
    initdb(bin, &new, tmp, &vault.get(Secret::Postgres)?, None)?;
    let mut statements = String::new();
    for (name, secret) in [(REGISTRY, Secret::Registry), (AIRFLOW, Secret::Airflow)] {
        statements += &format!("{};\n", create_role(name, &vault.get(secret)?));
        statements += &format!("{};\n", create_database(name));
    }
    statements += &format!("create database {DATABASE};\n");
    let mut single = Command::new(bin.join("postgres"));
    single.arg("--single").arg("-D").arg(&new).arg(MAINTENANCE).current_dir("/");
    single.stdin(Stdio::piped()).stdout(Stdio::null());
    feed(single, &statements)?;
    fs::rename(&new, data).doing(|| format!("move {} into place", new.display()))
}

fn is_cluster(data: &Path) -> bool {
    data.join("PG_VERSION").is_file()
}

/// Makes an empty cluster. The password reaches it by a file that is gone when it has been read.
fn initdb(
    bin: &Path,
    data: &Path,
    tmp: &Path,
    password: &str,
    account: Option<&User>,
) -> Result<(), StackError> {
    let password_file = tmp.join("initdb-password");
    let _ = fs::remove_file(&password_file);
    let write = || {
        let mut file =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&password_file)?;
        file.write_all(password.as_bytes())
    };
    write().doing(|| format!("write {}", password_file.display()))?;
    if let Some(user) = account {
        let handed = chown(&password_file, Some(user.uid), Some(user.gid));
        handed.doing(|| format!("hand over {}", password_file.display()))?;
    }
    let mut words = as_account(account);
    words.push(bin.join("initdb").display().to_string());
    let (program, arguments) = words.split_first().map_or(("initdb", &[][..]), |(p, a)| (p.as_str(), a));
    let result = run(Command::new(program)
        .args(arguments)
        .arg("--pgdata")
        .arg(data)
        .arg("--pwfile")
        .arg(&password_file)
        .args(["--username", ROLE, "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8"])
        .arg("--data-checksums")
        .current_dir("/"));
    let _ = fs::remove_file(&password_file);
    result
}

/// Runs a command on a text; what it complains of goes to our own standard error.
fn feed(mut command: Command, text: &str) -> Result<(), StackError> {
    let name = command.get_program().display().to_string();
    let mut run = || {
        let mut child = command.spawn()?;
        // Dropped when all is written, so that it finds an end.
        if let Some(mut input) = child.stdin.take() {
            input.write_all(text.as_bytes())?;
        }
        child.wait()
    };
    let status = run().doing(|| format!("run {name}"))?;
    if status.success() {
        return Ok(());
    }
    let output = "it stands above".to_owned();
    Err(StackError::CommandFailed { command: name, status: status.to_string(), output })
}

/// A secret of ours needs no quoting.
fn create_role(name: &str, password: &str) -> String {
    format!("create role {name} login password '{password}'")
}

fn create_database(owner: &str) -> String {
    format!("create database {owner} owner {owner}")
}

/// A connection as the cluster's owner.
async fn connect(port: u16, password: &str, database: &str) -> Result<Client, tokio_postgres::Error> {
    let mut config = Config::new();
    config.host(LOOPBACK).port(port).user(ROLE).password(password);
    config.dbname(database).application_name("storepulse stack");
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Whether the server of this machine answers a query in a database.
pub(crate) async fn check(port: u16, password: &str, database: &str) -> Result<(), String> {
    let ask = async { connect(port, password, database).await?.simple_query("select 1").await };
    ask.await.map(drop).map_err(|error| match error.as_db_error() {
        Some(error) => error.message().to_owned(),
        None => {
            let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
            format!("port {port} of {LOOPBACK}: {cause}")
        }
    })
}

/// Makes the databases and roles that the stack promises, where they are missing.
pub(crate) async fn prepare(ports: &Ports, secrets: &Secrets) -> Result<(), StackError> {
    let doing = "create the databases";
    let prepare = async {
        let client = connect(ports.postgres, &secrets.postgres_password, MAINTENANCE).await?;
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
                client.batch_execute(&create_role(name, password)).await?;
            }
            if missing("pg_database", name).await? {
                client.batch_execute(&create_database(name)).await?;
            }
        }
        if missing("pg_database", DATABASE).await? {
            client.batch_execute(&format!("create database {DATABASE}")).await?;
        }
        Ok::<_, tokio_postgres::Error>(())
    };
    prepare.await.map_err(|source| StackError::Postgres { doing, source })
}
