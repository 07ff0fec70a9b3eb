//! `storepulse erase`.

use std::process::ExitCode;

use clap::Args;
use lifecycle::erasure::{self, Erased, Request};
use uuid::Uuid;

use crate::connect;

const EXAMPLES: &str = "\
Examples:
  storepulse erase 6d0ac2ce-2d3b-5d5c-a1a0-5e5d2c9d7e11
  storepulse erase 6d0ac2ce-2d3b-5d5c-a1a0-5e5d2c9d7e11 --email ann@example.com
  storepulse erase 6d0ac2ce-2d3b-5d5c-a1a0-5e5d2c9d7e11 --json

The id is the one in raw.users and raw.events, not the API's login.uuid. The counts stay as they are: the events belong \
to nobody afterwards. The command is safe to repeat, even after it was killed. It scans raw.events, which has no index on \
users, and it waits for a reconciliation, rebuild or verification to end. Later records about the person are refused with \
reason \"erased\". They are recognised by the id and by the e-mail addresses of the person's records and of --email. The \
command prints which data stays for a while, and until when.";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct EraseArgs {
    /// The user id of the person.
    #[arg(value_name = "USER_ID")]
    user_id: Uuid,
    /// A further e-mail address of the person. The option may be repeated. Addresses in the person's records are found without it.
    #[arg(long = "email", value_name = "ADDRESS", value_parser = address)]
    addresses: Vec<String>,
    /// Print what was removed as one JSON object.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: EraseArgs) -> anyhow::Result<ExitCode> {
    let endpoints = connect::endpoints()?;
    let request = Request { user_id: args.user_id, addresses: args.addresses };
    let erased = erasure::run(&endpoints, &request, &|step| eprintln!("{step}")).await?;
    if args.json {
        println!("{}", serde_json::to_string(&erased)?);
    } else {
        print(&erased);
    }
    Ok(ExitCode::SUCCESS)
}

fn address(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    match text.split_once('@') {
        Some((name, host)) if !name.is_empty() && host.contains('.') => Ok(text.to_owned()),
        _ => Err("an e-mail address is needed, as in ann@example.com"),
    }
}

fn print(erased: &Erased) {
    if erased.erased_before {
        println!("this user was erased before; what follows was left, or came back from a backup");
    }
    println!(
        "raw.events           {} events of {} sessions belong to nobody now",
        erased.events, erased.sessions
    );
    println!("raw.users            {} rows removed; the relay tells Kafka", erased.users);
    println!("raw.quarantine       {} records removed", erased.quarantined);
    println!(
        "ops                  {} rows removed, the id replaced in {}",
        erased.repaired_figures, erased.noted
    );
    for (table, rows) in &erased.cassandra {
        println!("{table:<20} {rows} rows removed from Cassandra");
    }
    println!("checkpoints          {} folders of plans not in force removed", erased.checkpoints);
    println!(
        "erased: what comes of this user from now on is refused, by the id and by {} e-mail addresses",
        erased.addresses
    );
    for note in &erased.notes {
        println!("note: {note}");
    }
    println!("what remains, and until when:");
    for left in &erased.remains {
        let until = left.until.map_or(String::new(), |until| format!("until {}; ", until.format("%F")));
        println!("  {}: {} ({until}{})", left.place, left.what, left.provided);
    }
}
