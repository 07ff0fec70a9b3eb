//! `storepulse retention`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use audit::CheckpointDirectory;
use chrono::{DateTime, Utc};
use clap::Args;
use contracts::endpoints::Endpoints;
use contracts::family::{FAMILIES_BESIDE, Family, Source};
use jobs::plans::CUBE_QUERY;
use lifecycle::retention::{self, Retained, RetentionConfig};

use crate::{connect, standing_clock};

const EXAMPLES: &str = "\
Examples:
  storepulse retention --keep-days 90 --dry-run      print what would be removed
  storepulse retention --keep-days 90                keep today and the 90 days before
  storepulse retention --keep-days 90 --json

The command first moves the retention floor, the midnight before which nothing is kept. The floor never moves back. \
It moves to the end of the newest day that is removed. \
From then on, events from before the floor are refused (reason \"before_floor\"). \
If no stored event is old enough to be removed, the floor does not move. \
Without a floor, past events of any date can be replayed.

If a reconciliation, rebuild or verification is running, the command waits for its end, at most five minutes. \
It is safe to repeat, even after it was killed.";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RetentionArgs {
    /// The number of whole days before today to keep.
    #[arg(long, value_name = "DAYS")]
    keep_days: u32,
    /// Print what would be removed, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print what was removed as one JSON object.
    #[arg(long)]
    json: bool,
    /// The time to use as now. Needed only if the events were simulated with `simulate --start`.
    #[arg(long, value_name = "TIME", value_parser = standing_clock::past)]
    at: Option<DateTime<Utc>>,
}

pub(crate) async fn run(args: RetentionArgs) -> anyhow::Result<ExitCode> {
    let endpoints = connect::endpoints()?;
    let committed = committed(&endpoints).await?;
    let config = RetentionConfig {
        endpoints,
        keep_days: args.keep_days,
        now: args.at.unwrap_or_else(Utc::now),
        dry_run: args.dry_run,
    };
    let read = |topic: &str| committed.get(topic).cloned().flatten();
    let retained = retention::run(&config, &read, &|step| eprintln!("{step}")).await?;
    if args.json {
        println!("{}", serde_json::to_string(&retained)?);
    } else {
        print(&retained);
    }
    Ok(ExitCode::SUCCESS)
}

type Offsets = BTreeMap<i32, i64>;

/// How far every query in force has read each topic; nothing for a topic that one has not begun, or whose
/// checkpoint cannot be read here.
async fn committed(endpoints: &Endpoints) -> anyhow::Result<BTreeMap<String, Option<Offsets>>> {
    let client = provision::connect(&endpoints.pg_url).await?;
    let plans = "select query, topic_generation, checkpoint from ops.job_plan where retired_at is null";
    let mut committed: BTreeMap<String, Option<Offsets>> = BTreeMap::new();
    for row in client.query(plans, &[]).await? {
        let (query, generation, checkpoint): (&str, i32, &str) = (row.get(0), row.get(1), row.get(2));
        let topic = endpoints.namespace.events_topic(generation);
        let others =
            [contracts::ledger::CHECKPOINT_SUFFIX.to_owned(), format!("-{}", contracts::query::REFUSALS)];
        let families = FAMILIES_BESIDE.iter().filter(|family| family.source == Source::Events);
        let beside: Vec<String> = families.map(Family::checkpoint_suffix).chain(others).collect();
        let beside =
            beside.iter().filter(|_| query == CUBE_QUERY).map(|suffix| format!("{checkpoint}{suffix}"));
        for uri in std::iter::once(checkpoint.to_owned()).chain(beside) {
            let read = CheckpointDirectory::of_uri(&uri).and_then(|folder| folder.committed_offsets(&topic));
            let read = read.unwrap_or_else(|error| {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    uri,
                    "cannot tell how far this query has read"
                );
                None
            });
            let least = match committed.remove(&topic) {
                None => read,
                Some(known) => known.zip(read).map(|(known, read)| least(known, &read)),
            };
            committed.insert(topic.clone(), least);
        }
    }
    Ok(committed)
}

/// The lesser offset of each partition that both have.
fn least(mut one: Offsets, other: &Offsets) -> Offsets {
    one.retain(|partition, _| other.contains_key(partition));
    for (partition, offset) in &mut one {
        *offset = (*offset).min(other[partition]);
    }
    one
}

fn print(retained: &Retained) {
    let Retained { floor, floor_before, dry_run, partitions, rows, cassandra, kafka, checkpoints, notes } =
        retained;
    let (gone, moves) = if *dry_run { ("would go", "would be") } else { ("removed", "is") };
    let before = floor_before.map_or("none".to_owned(), |before| before.format("%F").to_string());
    match floor {
        Some(floor) => println!("the retention floor {moves} {} (before: {before})", floor.format("%F")),
        None => println!("there is no retention floor"),
    }
    println!("raw.events: {} partitions {gone}{}", partitions.len(), list(partitions));
    for (table, count) in rows {
        println!("{table}: {count} rows {gone}");
    }
    for (table, count) in cassandra {
        println!("{table}: {count} partitions {gone} from Cassandra");
    }
    for (topic, count) in kafka {
        println!("{topic}: {count} records {gone} from Kafka");
    }
    println!("checkpoints of plans not in force: {checkpoints} folders {gone}");
    for note in notes {
        println!("note: {note}");
    }
    if *dry_run {
        println!("nothing was changed");
    }
}

fn list(partitions: &[String]) -> String {
    if partitions.is_empty() { String::new() } else { format!(": {}", partitions.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_readers_the_one_behind_counts() {
        let (one, other) = (Offsets::from([(0, 9), (1, 4), (2, 1)]), Offsets::from([(0, 7), (1, 5)]));
        assert_eq!(least(one, &other), Offsets::from([(0, 7), (1, 4)]));
    }
}
