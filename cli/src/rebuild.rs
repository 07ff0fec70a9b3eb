//! `storepulse rebuild`.

use std::process::ExitCode;
use std::sync::Mutex;

use chrono::{DateTime, Utc};
use clap::Args;
use jobs::rebuild::{self, Progress, RebuildConfig};

use crate::reconcile::bar;
use crate::{connect, interrupt, standing_clock};

const EXAMPLES: &str = "\
Examples:
  storepulse rebuild                     if the plan changed, the slot was lost,
                                         PostgreSQL was restored or Kafka was wiped
  storepulse rebuild --events-partitions 16 --shuffle-partitions 16
                                         for a larger cluster
  storepulse rebuild --abandon-old       if the checkpoint of the old query is damaged

Keep `storepulse relay run` and `storepulse job run` running meanwhile. \
If the slot has to be created again, the relay must not run until the command asks you to start it. \
If `storepulse job run` has ended with an error, start it again when the command prints that the \
new revision owns the windows from the cut on. \
The last windows before the cut close eleven minutes after it. \
You may interrupt the command at any time and run it again: it continues where it stopped.

If PostgreSQL was restored without its latest events, run `storepulse reconcile` afterwards. \
Some rows may come only from events that are now lost. `reconcile` removes such rows; a rebuild leaves them.";

/// What was said last, so that nothing is said twice.
type Said = Mutex<String>;

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RebuildArgs {
    /// End the old query at once, not at the cut (the minute from which the new revision owns the windows).
    /// For a query whose checkpoint is damaged.
    #[arg(long)]
    abandon_old: bool,
    /// The time to use as now. Needed only if the events were simulated with `simulate --start`. Nothing may
    /// be ingested while the rebuild runs. The time must lie two days back or more.
    #[arg(long, value_name = "TIME", value_parser = standing_clock::long_past)]
    at: Option<DateTime<Utc>>,
    /// How many partitions the new events topic has. The number limits how many tasks read at a time. The
    /// default keeps the present number.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(i32).range(1..=1024))]
    events_partitions: Option<i32>,
    /// How many tasks the streams of the new plan use. The number of cores of the cluster is best. The
    /// default keeps the present number.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1024))]
    shuffle_partitions: Option<u32>,
}

pub(crate) async fn run(args: RebuildArgs) -> anyhow::Result<ExitCode> {
    let config = RebuildConfig {
        endpoints: connect::endpoints()?,
        at: args.at,
        abandon_old: args.abandon_old,
        events_partitions: args.events_partitions,
        shuffle_partitions: args.shuffle_partitions,
    };
    let cancel = interrupt::token()?;
    let (bar, said) = (bar(), Said::default());
    let say = |text: String| {
        let mut last = said.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if *last != text {
            bar.suspend(|| eprintln!("  {text}"));
            *last = text;
        }
    };
    let rebuilt = rebuild::run(&config, &cancel, &|progress| match progress {
        Progress::Generation { generation, slot_renewed } => {
            say(format!("generation {generation} of the events topic is there"));
            if let Some(why) = slot_renewed {
                say(format!("the replication slot was made anew ({why}); start `storepulse relay run`"));
            }
        }
        Progress::WaitingForRelay => {
            say("waiting for the relay to go over to it: `storepulse relay run` must run".into());
        }
        Progress::Cut { cut, revision, old_goes_on } => {
            let old =
                if old_goes_on { "the old query writes those before" } else { "the old query has ended" };
            say(format!("revision {revision} owns the windows from {} on; {old}", cut.format("%F %R UTC")));
        }
        Progress::Writing { done_to, events, of_events } => {
            bar.set_length(of_events.unsigned_abs());
            bar.set_position(events.unsigned_abs());
            bar.set_message(format!("windows before {}", done_to.format("%F %R")));
        }
        Progress::Family { family, events, of_events } => {
            bar.set_length(of_events.unsigned_abs());
            bar.set_position(events.unsigned_abs());
            bar.set_message(family);
        }
        Progress::Closing { until } => {
            say(format!(
                "waiting for the last windows before the cut to close, one at {}",
                until.format("%R UTC")
            ));
        }
    })
    .await;
    bar.finish_and_clear();
    let rebuilt = rebuilt?;
    println!(
        "rebuilt: generation {}, revision {}, {} events written in batch up to {}; `storepulse verify` compares the whole",
        rebuilt.generation,
        rebuilt.revision,
        rebuilt.events,
        rebuilt.cut.format("%F %R UTC")
    );
    Ok(ExitCode::SUCCESS)
}
