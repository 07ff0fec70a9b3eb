//! `storepulse ingest`: what shops and the users' API have, into PostgreSQL.

mod replay;

use std::process::ExitCode;

use clap::Subcommand;

use crate::users;

#[derive(Subcommand)]
pub(crate) enum IngestCommand {
    /// Past events from files (Parquet, CSV, NDJSON), by a mapping of their columns to our fields.
    Replay(replay::ReplayArgs),
    /// Users, as `storepulse users` does.
    Users(users::UsersArgs),
}

pub(crate) async fn run(command: IngestCommand) -> anyhow::Result<ExitCode> {
    match command {
        IngestCommand::Replay(args) => replay::run(args).await,
        IngestCommand::Users(args) => users::run(args).await,
    }
}
