//! `storepulse rebuild`.

use std::process::ExitCode;
use std::sync::Mutex;

use chrono::{DateTime, Utc};
use clap::Args;
use jobs::rebuild::{self, Progress, RebuildConfig};

use crate::reconcile::bar;
use crate::{connect, interrupt};

const EXAMPLES: &str = "\
Examples:
  storepulse rebuild                     after a changed plan, a lost slot,
                                         a restored PostgreSQL or a wiped Kafka
  storepulse rebuild --events-partitions 16 --shuffle-partitions 16
                                         for a larger cluster
  storepulse rebuild --abandon-old       if the checkpoint of the old query is damaged

Keep `storepulse relay run` and `storepulse job run` running meanwhile, or start them when the command asks for \
them. You may interrupt the command at any time and run it again: it continues where it stopped. The last windows \
close eleven minutes after the cut.

If PostgreSQL was restored without its latest events, run `storepulse reconcile` afterwards. It removes the rows \
that only lost events had produced; a rebuild leaves these rows.";

/// What was said last, so that nothing is said twice.
type Said = Mutex<String>;

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RebuildArgs {
    /// End the old query at once instead of at the cut, because its checkpoint is damaged.
    #[arg(long)]
    abandon_old: bool,
    /// The ingestor's time, if its clock is simulated (`simulate --start`). Nothing may be ingested meanwhile.
    #[arg(long, value_name = "TIME")]
    at: Option<DateTime<Utc>>,
    /// The number of partitions of the new events topic. It limits how many tasks read at a time. The default keeps the present number.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(i32).range(1..=1024))]
    events_partitions: Option<i32>,
    /// The number of tasks of the new plan's streams. The best value is the number of cores of the cluster. The default keeps
    /// the present number.
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
        Progress::Beside { family, events, of_events } => {
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
