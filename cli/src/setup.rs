//! `storepulse setup`.

use std::process::ExitCode;

use clap::Args;

use crate::connect;

#[derive(Args)]
pub(crate) struct SetupArgs {
    /// Print only what was created.
    #[arg(long, short)]
    quiet: bool,
    /// How many partitions the events topic has. The number limits how many tasks read at a time. This option
    /// is for the first set-up; the default is 4. To change the number later, use `storepulse rebuild
    /// --events-partitions`.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(i32).range(1..=1024))]
    events_partitions: Option<i32>,
    /// Look for rows that a dump or a logical copy brought from another PostgreSQL cluster, and give new rows
    /// higher transaction ids. This also happens without the option if the last set-up was on another
    /// cluster.
    #[arg(long)]
    restored: bool,
}

pub(crate) async fn run(args: SetupArgs) -> anyhow::Result<ExitCode> {
    let endpoints = connect::endpoints()?;
    let options = provision::Options { events_partitions: args.events_partitions, restored: args.restored };
    let provisioned = provision::apply_with(&endpoints, &options, &|step| {
        if !args.quiet || step.outcome != provision::Outcome::Exists {
            println!("  {:<16} {:<40} {}", step.kind, step.name, step.outcome);
        }
    })
    .await?;
    println!(
        "set up: namespace {}, topic generation {}",
        endpoints.namespace, provisioned.assigned.generation
    );
    Ok(ExitCode::SUCCESS)
}
