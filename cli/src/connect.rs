//! Where the services are: the environment, or else this checkout's own stack.

use anyhow::Context;
use contracts::endpoints::{Endpoints, variable};
use stack::{Stack, StackConfig};

/// Reads the environment where it names PostgreSQL, and asks the local stack elsewhere.
///
/// A single variable of the environment still overrides the stack's.
pub(crate) fn endpoints() -> anyhow::Result<Endpoints> {
    if std::env::var_os(variable::PG_URL).is_some() {
        return Ok(Endpoints::from_env()?);
    }
    let stack = Stack::open(StackConfig::main())?;
    let env = stack.env().context(
        "the environment names no services and this checkout's stack is not up: run `storepulse stack up`",
    )?;
    of_stack(&env)
}

/// PostgreSQL alone, found as all of them are: for what needs no other service.
pub(crate) fn pg_url() -> anyhow::Result<String> {
    match std::env::var(variable::PG_URL) {
        Ok(pg_url) => Ok(pg_url),
        Err(_) => Ok(endpoints()?.pg_url),
    }
}

/// The endpoints of a stack's environment.
pub(crate) fn of_stack(env: &[(String, String)]) -> anyhow::Result<Endpoints> {
    let lookup = |name: &str| {
        std::env::var(name)
            .ok()
            .or_else(|| env.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()))
    };
    Ok(Endpoints::from_lookup(lookup)?)
}
