//! `storepulse stack exec` and `storepulse stack health`: what our images begin with, and what the engine
//! asks them.

use std::process::ExitCode;

use clap::Args;
use contracts::endpoints::Endpoints;
use stack::Container;

use crate::{job, relay};

#[derive(Args)]
#[command(after_help = "\
Examples:
  storepulse stack exec kafka
  storepulse stack exec airflow scheduler
  storepulse stack exec storepulse verify    run `storepulse verify` with the addresses of the services")]
pub(crate) struct ExecArgs {
    /// First wait until every broker and every Cassandra node accepts connections.
    #[arg(long)]
    await_members: bool,
    /// The service, followed by its arguments. Only airflow, notebooks and storepulse take arguments.
    #[arg(value_name = "SERVICE", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

#[derive(Args)]
pub(crate) struct HealthArgs {
    /// The service. The default is the service that runs as the first process of the container.
    service: Option<String>,
}

/// Becomes the service.
pub(crate) async fn exec(args: &ExecArgs) -> anyhow::Result<ExitCode> {
    let container = Container::here()?;
    if args.await_members {
        container.await_members().await?;
    }
    match container.exec(&args.words)? {}
}

/// Says what is wrong in one line, if anything.
pub(crate) async fn health(args: HealthArgs) -> anyhow::Result<ExitCode> {
    let first = || stack::first_process().map(str::to_owned);
    // A command that ends by itself has nothing to ask.
    let Some(name) = args.service.or_else(first) else { return Ok(ExitCode::SUCCESS) };
    let container = Container::here()?;
    let problem = match name.as_str() {
        "relay" => in_time(relay::problem(&endpoints(&container)?)).await,
        "job" => in_time(job::problem(&endpoints(&container)?)).await,
        name => container.check(name).await?.err(),
    };
    let Some(problem) = problem else { return Ok(ExitCode::SUCCESS) };
    eprintln!("{name}: {}", problem.lines().collect::<Vec<_>>().join(" "));
    Ok(ExitCode::FAILURE)
}

/// What a question to PostgreSQL finds wrong, or what is wrong with the question.
async fn in_time(problem: impl Future<Output = anyhow::Result<Option<String>>>) -> Option<String> {
    match tokio::time::timeout(Container::PATIENCE, problem).await {
        Ok(Ok(problem)) => problem,
        Ok(Err(error)) => Some(format!("{error:#}")),
        Err(_) => Some(format!("no answer within {} s", Container::PATIENCE.as_secs())),
    }
}

/// As [`exec`] tells them to the command.
fn endpoints(container: &Container) -> anyhow::Result<Endpoints> {
    let told = container.client_environment()?;
    let of_container = |name: &str| told.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    Ok(Endpoints::from_lookup(|name| of_container(name).or_else(|| std::env::var(name).ok()))?)
}

#[cfg(test)]
mod tests {
    use clap::{Command, FromArgMatches};

    use super::*;

    fn words(line: &[&str]) -> ExecArgs {
        let command = ExecArgs::augment_args(Command::new("exec"));
        let matches = command.try_get_matches_from([&["exec"], line].concat()).unwrap();
        ExecArgs::from_arg_matches(&matches).unwrap()
    }

    #[test]
    fn words_behind_the_service_are_its_own() {
        assert_eq!(words(&["storepulse", "--help"]).words, ["storepulse", "--help"]);
        let line = ["--await-members", "storepulse", "setup", "--quiet", "--await-members"];
        let args = words(&line);
        assert!(args.await_members);
        assert_eq!(args.words, line[1..]);
    }
}
