//! `storepulse ledger`.

use std::process::ExitCode;
use std::time::Duration;

use audit::{LedgerOptions, LedgerReport, Span, Stage};
use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use contracts::endpoints::Endpoints;
use jobs::plans::CUBE_QUERY;

use crate::{connect, verify};

const EXAMPLES: &str = "\
Examples:
  storepulse ledger                                         show the sums of all minutes by stage
  storepulse ledger --minutes --from 2026-11-24T10:00:00Z   show every minute from then on
  storepulse ledger --json | jq '.minutes[].spark.late'";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct LedgerArgs {
    /// The first minute of `ingested_at` (RFC 3339). The default is the first stored minute.
    #[arg(long, value_name = "TIME")]
    from: Option<DateTime<Utc>>,
    /// The end of the range (RFC 3339). The minute at this time is not shown. The default is the end of the
    /// data.
    #[arg(long, value_name = "TIME")]
    to: Option<DateTime<Utc>>,
    /// Print every minute, not only the sums.
    #[arg(long)]
    minutes: bool,
    /// Also check minutes that are not over yet, unless their counts still change.
    #[arg(long)]
    include_open: bool,
    /// Print JSON, with every minute.
    #[arg(long)]
    json: bool,
    /// How many seconds to wait, at most, until relay and Spark have processed everything that is stored now.
    #[arg(long, default_value_t = 120)]
    wait_s: u64,
    /// How many seconds to wait, at most, until the counts of past minutes stop changing.
    #[arg(long, default_value_t = 120)]
    settle_s: u64,
}

pub(crate) async fn run(args: LedgerArgs) -> anyhow::Result<ExitCode> {
    if let (Some(from), Some(to)) = (args.from, args.to) {
        anyhow::ensure!(from < to, "--from {from} is not before --to {to}: give an earlier one");
    }
    let options = LedgerOptions {
        span: Span { from: args.from, to: args.to },
        include_open: args.include_open,
        wait: Duration::from_secs(args.wait_s),
        settle: Duration::from_secs(args.settle_s),
    };
    let report = check(&connect::endpoints()?, options).await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
        if !report.balances() {
            eprintln!("{report}");
        }
    } else {
        println!("{}", table(&report, args.minutes));
        println!("{report}");
    }
    Ok(if report.balances() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Draws up the ledger, telling on standard error what is being waited for.
pub(crate) async fn check(endpoints: &Endpoints, options: LedgerOptions) -> anyhow::Result<LedgerReport> {
    let client = jobs::control::connect(&endpoints.pg_url).await?;
    let checkpoints = audit::checkpoints_in_force(&client, &endpoints.namespace, CUBE_QUERY).await?;
    Ok(audit::ledger(endpoints, &checkpoints, options, &verify::teller("ledger")).await?)
}

/// The sums by stage, or every minute.
fn table(report: &LedgerReport, minutes: bool) -> Table {
    let mut table = Table::new();
    let header = ["minute", "stage", "in", "out", "repeated", "late", "repaired", "quarantined", "other"];
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY).set_header(header);
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut add = |minute: String, stage: Stage, counts: &audit::Counts| {
        let figures = [
            counts.records_in,
            counts.records_out,
            counts.repeated,
            counts.late,
            counts.repaired,
            counts.quarantined,
            counts.other,
        ];
        let figures = figures.map(|figure| figure.to_string());
        table.add_row([minute, stage.to_string()].into_iter().chain(figures));
    };
    if minutes {
        for minute in &report.minutes {
            let at = minute.start.to_rfc3339_opts(SecondsFormat::Secs, true);
            for stage in minute.stages() {
                add(at.clone(), stage, minute.counts.of(stage));
            }
        }
    } else {
        for stage in Stage::ALL {
            add(format!("all {}", report.minutes.len()), stage, &report.total(stage));
        }
    }
    table
}
