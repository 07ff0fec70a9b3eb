//! `storepulse erase`.

use std::process::ExitCode;

use clap::Args;
use lifecycle::erasure::{self, Erased};
use uuid::Uuid;

use crate::connect;

const EXAMPLES: &str = "\
Examples:
  storepulse erase 6d0ac2ce-2d3b-5d5c-a1a0-5e5d2c9d7e11
  storepulse erase 6d0ac2ce-2d3b-5d5c-a1a0-5e5d2c9d7e11 --json

The id is that of raw.users and raw.events, not the API's login.uuid. What was counted stays: the events belong to
nobody afterwards. May be run again, also after it was killed. It scans raw.events, which has no index on users, and waits for
a reconciliation, rebuild or verification to end. What comes of the person later is refused, with reason \"erased\".";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct EraseArgs {
    /// Whom to erase: the user id.
    #[arg(value_name = "USER_ID")]
    user_id: Uuid,
    /// Print what was removed as one JSON object.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: EraseArgs) -> anyhow::Result<ExitCode> {
    let endpoints = connect::endpoints()?;
    let erased = erasure::run(&endpoints, &args.user_id, &|step| eprintln!("{step}")).await?;
    if args.json {
        println!("{}", serde_json::to_string(&erased)?);
    } else {
        print(&erased);
    }
    Ok(ExitCode::SUCCESS)
}

fn print(erased: &Erased) {
    let Erased { erased_before, events, sessions, users, quarantined, repaired_figures, cassandra } = erased;
    if let Some(at) = erased_before {
        println!(
            "this user was erased on {}; what follows was left, or came back from a backup",
            at.format("%F %R UTC")
        );
    }
    println!("raw.events           {events} events of {sessions} sessions belong to nobody now");
    println!("raw.users            {users} rows removed; the relay tells Kafka");
    println!("raw.quarantine       {quarantined} records removed");
    println!("ops.repaired_figure  {repaired_figures} rows removed");
    for (table, rows) in cassandra {
        println!("{table:<20} {rows} rows removed from Cassandra");
    }
    println!("erased: what comes of this user from now on is refused");
}
