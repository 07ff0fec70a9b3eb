//! `storepulse verify`.

use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use audit::{Options, Phase, Report};
use clap::Args;
use contracts::endpoints::Endpoints;
use contracts::family::{self, Family};
use jobs::plans::CUBE_QUERY;

use crate::connect;

#[derive(Args)]
pub(crate) struct VerifyArgs {
    /// How many seconds to wait, at most, until relay and Spark have processed everything that is stored now.
    #[arg(long, default_value_t = 120)]
    wait_s: u64,
    /// How many seconds to wait, at most, until rows stop changing.
    #[arg(long, default_value_t = 120)]
    settle_s: u64,
    /// Verify only one family of tables: cube, orders, live, sessions, hours, products or registrations.
    #[arg(long, value_parser = parse_family)]
    only: Option<&'static Family>,
}

fn parse_family(name: &str) -> Result<&'static Family, String> {
    let names = || family::families().map(|family| family.name).collect::<Vec<_>>().join(", ");
    family::families().find(|family| family.name == name).ok_or_else(|| format!("write one of {}", names()))
}

pub(crate) async fn run(args: VerifyArgs) -> anyhow::Result<ExitCode> {
    let endpoints = connect::endpoints()?;
    let options = Options {
        wait: Duration::from_secs(args.wait_s),
        settle: Duration::from_secs(args.settle_s),
        only: args.only,
    };
    let report = check(&endpoints, options).await?;
    println!("{report}");
    Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Verifies, telling on standard error what is being waited for.
pub(crate) async fn check(endpoints: &Endpoints, options: Options) -> anyhow::Result<Report> {
    let client = jobs::control::connect(&endpoints.pg_url).await?;
    let checkpoints = audit::checkpoints_in_force(&client, &endpoints.namespace, CUBE_QUERY).await?;
    Ok(audit::verify(endpoints, &checkpoints, options, &teller("verify")).await?)
}

/// Tells on standard error where a check stands, every other second.
pub(crate) fn teller(check: &'static str) -> impl Fn(Phase) + Sync {
    let last = Mutex::new(None::<Instant>);
    move |phase| {
        let mut last = last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if last.is_none_or(|at| at.elapsed() >= Duration::from_secs(2)) {
            *last = Some(Instant::now());
            eprintln!("  {check}: {phase}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_names_every_family() {
        let names: Vec<&str> = family::families().map(|family| family.name).collect();
        let (last, others) = names.split_last().unwrap();
        let command = VerifyArgs::augment_args(clap::Command::new("verify"));
        let only = command.get_arguments().find(|argument| argument.get_id() == "only").unwrap();
        let listed = format!("tables: {} or {last}", others.join(", "));
        assert!(only.get_help().unwrap().to_string().ends_with(&listed), "{listed}");
    }
}
