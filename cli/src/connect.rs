//! Where the services are: the environment, or else this checkout's own stack.

use std::path::Path;

use anyhow::Context;
use contracts::endpoints::{Endpoints, variable};
use contracts::secret::Address;
use stack::{Stack, StackConfig};

/// Reads the environment where it names PostgreSQL, and asks the local stack elsewhere.
///
/// A single variable of the environment still overrides the stack's.
pub(crate) fn endpoints() -> anyhow::Result<Endpoints> {
    endpoints_with(|name| std::env::var(name).ok())
}

/// As [`endpoints`], where Spark Connect is somewhere else: at an address, or at one that a file holds.
pub(crate) fn endpoints_at(remote: Option<&str>, file: Option<&Path>) -> anyhow::Result<Endpoints> {
    if remote.is_some_and(|remote| remote.contains('=')) {
        eprintln!(
            "note: everybody on this machine can read what --remote holds; --remote-file keeps a secret"
        );
    }
    endpoints_with(|name| match name {
        variable::SPARK_REMOTE_FILE if remote.is_some() => None,
        variable::SPARK_REMOTE_FILE if file.is_some() => file.map(|file| file.display().to_string()),
        variable::SPARK_REMOTE if remote.is_some() => remote.map(str::to_owned),
        _ => std::env::var(name).ok(),
    })
}

fn endpoints_with(environment: impl Fn(&str) -> Option<String>) -> anyhow::Result<Endpoints> {
    if environment(variable::PG_URL).is_some() {
        return Ok(Endpoints::from_lookup(environment)?);
    }
    let stack = Stack::open(StackConfig::main())?;
    let env = stack.env().context(
        "the environment names no services and this checkout's stack is not up: run `storepulse stack up`",
    )?;
    overridden(&env, environment)
}

/// PostgreSQL alone, found as all of them are: for what needs no other service.
pub(crate) fn pg_url() -> anyhow::Result<Address> {
    match std::env::var(variable::PG_URL) {
        Ok(pg_url) => Ok(pg_url.into()),
        Err(_) => Ok(endpoints()?.pg_url),
    }
}

/// The endpoints of a stack's environment.
pub(crate) fn of_stack(env: &[(String, String)]) -> anyhow::Result<Endpoints> {
    overridden(env, |name| std::env::var(name).ok())
}

/// The endpoints of a stack's environment, where nothing overrides them.
fn overridden(
    env: &[(String, String)],
    environment: impl Fn(&str) -> Option<String>,
) -> anyhow::Result<Endpoints> {
    let of_stack = |name: &str| env.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    Ok(Endpoints::from_lookup(|name| environment(name).or_else(|| of_stack(name)))?)
}
