//! `storepulse ingest`: what shops and the users' API have, into PostgreSQL.

mod other;
mod replay;

use std::process::ExitCode;

use clap::Subcommand;

use crate::users;

#[derive(Subcommand)]
pub(crate) enum IngestCommand {
    /// Load past events from Parquet, CSV or NDJSON files. A mapping assigns their columns to our fields.
    Replay(replay::ReplayArgs),
    /// Show the events of other vendors' clients that no table counts, or try again to count them.
    #[command(subcommand)]
    Other(other::OtherCommand),
    /// Fetch users, as `storepulse users` does.
    Users(users::UsersArgs),
}

pub(crate) async fn run(command: IngestCommand) -> anyhow::Result<ExitCode> {
    match command {
        IngestCommand::Replay(args) => replay::run(args).await,
        IngestCommand::Other(command) => other::run(command).await,
        IngestCommand::Users(args) => users::run(args).await,
    }
}
