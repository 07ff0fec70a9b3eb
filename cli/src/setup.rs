//! `storepulse setup`.

use std::process::ExitCode;

use clap::Args;

use crate::connect;

#[derive(Args)]
pub(crate) struct SetupArgs {
    /// Say only what was created.
    #[arg(long, short)]
    quiet: bool,
}

pub(crate) async fn run(args: SetupArgs) -> anyhow::Result<ExitCode> {
    let endpoints = connect::endpoints()?;
    let provisioned = provision::apply_with(&endpoints, &|step| {
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
