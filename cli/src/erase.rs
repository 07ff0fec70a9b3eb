//! `storepulse erase`.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use contracts::validation::Shopper;
use contracts::visitor::{Name, SenderId};
use lifecycle::erasure::{self, Erased, Request};
use uuid::Uuid;

use crate::connect;

const EXAMPLES: &str = "\
Examples:
  storepulse erase 6d0ac2ce-2d3b-5d5c-a1a0-5e5d2c9d7e11
  storepulse erase 6d0ac2ce-2d3b-5d5c-a1a0-5e5d2c9d7e11 --email ann@example.com
  storepulse erase 6d0ac2ce-2d3b-5d5c-a1a0-5e5d2c9d7e11 --json
  storepulse erase --user-id ann@example.com --source collector/web
  storepulse erase --anonymous-id 4f2d8c1b --source collector/web

The id is the one in raw.users and raw.events, not the API's login.uuid. \
If you know only the id that a sender used for the person, give it with --user-id or --anonymous-id. \
Name the sender with --source, as raw.quarantine does: collector/KEY, or file:NAME. \
All ids that are linked with the given one are erased too. \
The counts stay as they are: the events belong to nobody afterwards. \
The command prints which data stays for a while, and until when.

Later records about the person are refused with reason \"erased\". They are recognised by the id, \
by the e-mail addresses in the person's records, and by those given with --email, --user-id or --anonymous-id.

The command is safe to repeat, even after it was killed. It reads all of raw.events, which has no index on users. \
If a reconciliation, rebuild or verification is running, the command waits for its end, at most five minutes.";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct EraseArgs {
    /// The user id of the person.
    #[arg(value_name = "USER_ID", required_unless_present_any = ["named", "anonymous"], conflicts_with_all = ["named", "anonymous"])]
    user_id: Option<Uuid>,
    /// What a sender gave as user_id of the person.
    #[arg(
        long = "user-id",
        id = "named",
        value_name = "TEXT",
        requires = "source",
        conflicts_with = "anonymous"
    )]
    named: Option<SenderId>,
    /// What a sender gave as anonymous_id of the person.
    #[arg(long = "anonymous-id", id = "anonymous", value_name = "TEXT", requires = "source")]
    anonymous: Option<Name>,
    /// The sender: collector/KEY, or file:NAME.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// A further e-mail address of the person. The option may be repeated. Addresses in the person's records
    /// are found without this option.
    #[arg(long = "email", value_name = "ADDRESS", value_parser = address)]
    addresses: Vec<String>,
    /// Print what was removed as one JSON object.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: EraseArgs) -> anyhow::Result<ExitCode> {
    let endpoints = connect::endpoints()?;
    let user_id = visitor(&args).context("name a user id, or --user-id or --anonymous-id with --source")?;
    let request = Request { user_id, addresses: addresses(&args) };
    let erased = erasure::run(&endpoints, &request, &|step| eprintln!("{step}")).await?;
    if args.json {
        println!("{}", serde_json::to_string(&erased)?);
    } else {
        print(&erased);
    }
    Ok(ExitCode::SUCCESS)
}

/// Whose id it is that was given.
fn visitor(args: &EraseArgs) -> Option<Uuid> {
    let shopper = Shopper {
        user_id: args.user_id.map(SenderId::Uuid).or_else(|| args.named.clone()),
        anonymous_id: args.anonymous.clone(),
        ..Shopper::default()
    };
    let (user_id, anonymous_id) = shopper.ids(args.source.as_deref().unwrap_or_default());
    user_id.or(anonymous_id)
}

/// The addresses that are given, and what a sender calls the person where that is one.
fn addresses(args: &EraseArgs) -> Vec<String> {
    let named = args.named.iter().map(SenderId::to_string).chain(args.anonymous.iter().map(Name::to_string));
    args.addresses.iter().cloned().chain(named.filter_map(|name| address(&name).ok())).collect()
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
        println!("this user was erased before; the following data was left, or came back from a backup");
    }
    println!(
        "raw.events           {} events of {} sessions belong to nobody now",
        erased.events, erased.sessions
    );
    println!("raw.visit            {} visits of {} ids of the person removed", erased.visits, erased.ids);
    println!("raw.users            {} rows removed; the relay carries this to Kafka", erased.users);
    println!("raw.user_facts       {} rows removed", erased.facts);
    println!("raw.quarantine       {} records removed", erased.quarantined);
    println!("raw.other_events     {} events removed", erased.others);
    println!(
        "ops                  {} rows removed, the id replaced in {}",
        erased.repaired_figures, erased.noted
    );
    for (table, rows) in &erased.cassandra {
        println!("{table:<20} {rows} rows removed from Cassandra");
    }
    println!("checkpoints          {} folders of plans not in force removed", erased.checkpoints);
    println!(
        "erased: later records about this user are refused, by the id and by {} e-mail addresses",
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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: EraseArgs,
    }

    fn given(line: &[&str]) -> Vec<String> {
        addresses(&Line::try_parse_from(["erase"].iter().chain(line)).unwrap().args)
    }

    #[test]
    fn an_address_is_one_of_the_persons_however_it_is_given() {
        assert_eq!(given(&["--user-id", "Ann@x.example", "--source", "collector/web"]), ["Ann@x.example"]);
        assert_eq!(given(&["--anonymous-id", "ann@x.example", "--source", "s"]), ["ann@x.example"]);
        assert_eq!(
            given(&["--user-id", "ann@x.example", "--source", "s", "--email", "ann@y.example"]),
            ["ann@y.example", "ann@x.example"]
        );
        assert_eq!(given(&["--user-id", "K-17", "--source", "s"]), Vec::<String>::new());
        assert_eq!(given(&["6d0ac2ce-2d3b-5d5c-a1a0-5e5d2c9d7e11"]), Vec::<String>::new());
    }
}
