//! PostgreSQL's own programs, told where to connect.

use anyhow::{Context, bail};
use tokio::process::Command;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// Adds the database to the arguments and all else to the environment: in the arguments everybody could read
/// the password.
pub(crate) fn connect_by(command: &mut Command, pg_url: &str) -> anyhow::Result<()> {
    let config: Config = pg_url.parse().context("PG_URL is no URL of PostgreSQL")?;
    let (Some(Host::Tcp(host)), Some(password)) = (config.get_hosts().first(), config.get_password()) else {
        bail!("PG_URL names no host or no password");
    };
    command
        .args(["--dbname", config.get_dbname().context("PG_URL names no database")?])
        .env("PGHOST", host)
        .env("PGPORT", config.get_ports().first().copied().unwrap_or(5432).to_string())
        .env("PGUSER", config.get_user().context("PG_URL names no user")?)
        .env("PGPASSWORD", std::str::from_utf8(password).context("the password in PG_URL is no text")?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_in_the_environment_alone() {
        let mut command = Command::new("psql");
        connect_by(&mut command, "postgresql://storepulse:hunter2@127.0.0.1:55432/shop").unwrap();
        let command = command.as_std();
        let words = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>();
        assert_eq!(words, ["--dbname", "shop"]);
        let of = |name: &str| {
            let found = command.get_envs().find(|(key, _)| *key == name);
            found.and_then(|(_, value)| value?.to_str()).map(str::to_owned)
        };
        assert_eq!(of("PGPASSWORD").as_deref(), Some("hunter2"));
        assert_eq!(of("PGPORT").as_deref(), Some("55432"));
    }
}
