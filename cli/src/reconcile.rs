//! `storepulse reconcile`.

use std::ops::Range;
use std::process::ExitCode;

use chrono::{DateTime, Utc};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use jobs::reconcile::{self, ReconcileConfig, Reconciled};

use crate::{connect, standing_clock};

const EXAMPLES: &str = "\
Examples:
  storepulse reconcile                               correct every closed window
  storepulse reconcile --dry-run                     print what differs, change nothing
  storepulse reconcile --from 2026-11-23T00:00:00Z --to 2026-11-24T00:00:00Z";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReconcileArgs {
    /// The first window (RFC 3339). The default is the first stored one.
    #[arg(long, value_name = "TIME")]
    from: Option<DateTime<Utc>>,
    /// The end of the range (RFC 3339). The window that starts at this time is not included. By default,
    /// every closed window is included. A window is closed eleven minutes after its end.
    #[arg(long, value_name = "TIME")]
    to: Option<DateTime<Utc>>,
    /// Compare, and change nothing. Exits 1 if a figure differs.
    #[arg(long)]
    dry_run: bool,
    /// The time to use as now. Needed only if the events were simulated with `simulate --start`. Nothing may
    /// be ingested while the command runs.
    #[arg(long, value_name = "TIME", value_parser = standing_clock::past)]
    at: Option<DateTime<Utc>>,
}

/// Reconciles these windows, by the machine's clock.
pub(crate) async fn windows(windows: Range<DateTime<Utc>>) -> anyhow::Result<ExitCode> {
    let (from, to) = (Some(windows.start), Some(windows.end));
    run(ReconcileArgs { from, to, dry_run: false, at: None }).await
}

pub(crate) async fn run(args: ReconcileArgs) -> anyhow::Result<ExitCode> {
    let config = ReconcileConfig {
        endpoints: connect::endpoints()?,
        from: args.from,
        to: args.to,
        now: args.at.unwrap_or_else(Utc::now),
        dry_run: args.dry_run,
    };
    let bar = bar();
    let reconciled = reconcile::run(&config, &|progress| {
        bar.set_length(progress.all_events.unsigned_abs());
        bar.set_position(progress.events.unsigned_abs());
        bar.set_message(format!("{} before {}", progress.family, progress.done_to.format("%F %R")));
    })
    .await;
    bar.finish_and_clear();
    let reconciled = reconciled?;
    print(&reconciled, args.dry_run);
    let wrong = args.dry_run && reconciled.differences > 0;
    Ok(if wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// A bar over events; it says nothing where there is no terminal.
pub(crate) fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("  {bar:30} {human_pos}/{human_len} events  {msg}  eta {eta}");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn print(reconciled: &Reconciled, dry_run: bool) {
    let Some(windows) = &reconciled.windows else {
        println!("no closed window has any record");
        return;
    };
    for difference in &reconciled.examples {
        println!("{difference}");
    }
    let more = reconciled.differences - reconciled.examples.len();
    if more > 0 {
        println!("... and {more} more");
    }
    let span = format!("{} to {}", windows.start.format("%F %R"), windows.end.format("%F %R UTC"));
    let (rows, differences) = (reconciled.rows, reconciled.differences);
    let told = match reconciled.revision {
        _ if differences == 0 => format!("{rows} rows of the windows from {span} are right"),
        Some(revision) => format!(
            "{differences} figures of the windows from {span} put right at revision {revision}; ops.repaired_figure has them all"
        ),
        None if dry_run => {
            format!("{differences} figures of the windows from {span} differ; nothing was changed")
        }
        None => format!("{differences} figures of the windows from {span} differ"),
    };
    println!("{told}");
}
