//! `storepulse ingest other`.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use collector::segment::{self, Replayed};
use comfy_table::{CellAlignment, Table, presets};
use contracts::printable::printable;
use ingest::clock::Clock;
use ingest::store::Store;

use crate::rates::RatesArgs;
use crate::{connect, interrupt};

const EXAMPLES: &str = "\
Examples:
  storepulse ingest other list                show how many events of each name are kept
  storepulse ingest other replay --dry-run    show how many of Segment's could be counted now
  storepulse ingest other replay";

#[derive(Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum OtherCommand {
    /// Show how many events of each name are kept.
    List(ListArgs),
    /// Translate the kept messages of Segment again with this version of the program. Store those that it can
    /// count now. Each event counts once.
    ///
    /// Kept events of GA4 are not translated again: the part of a request that holds for all its events was
    /// not kept. An event that would be refused, or that a bot sent, stays where it is. The time of arrival
    /// is now, so an old event is late: reconciliation counts it.
    Replay(ReplayArgs),
}

#[derive(Args)]
pub(crate) struct ListArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct ReplayArgs {
    /// Only show what would become of them.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    rates: RatesArgs,
}

pub(crate) async fn run(command: OtherCommand) -> anyhow::Result<ExitCode> {
    let endpoints = connect::endpoints()?;
    let mut store = Store::connect(&endpoints.pg_url).await.context("cannot read other events")?;
    match command {
        OtherCommand::List(args) => list(&mut store, &args).await,
        OtherCommand::Replay(args) => replay(&mut store, args).await,
    }
}

async fn list(store: &mut Store, args: &ListArgs) -> anyhow::Result<ExitCode> {
    let names = store.other_names().await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&names)?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY).set_header(["dialect", "kind", "name", "events"]);
    for column in table.column_iter_mut().skip(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for of in &names {
        table.add_row([of.dialect.clone(), of.kind.clone(), printable(&of.name), of.events.to_string()]);
    }
    println!("{table}");
    Ok(ExitCode::SUCCESS)
}

async fn replay(store: &mut Store, args: ReplayArgs) -> anyhow::Result<ExitCode> {
    let cancel = interrupt::token()?;
    let rates = args.rates.load()?;
    // What was committed in another currency must not be added to.
    store.settle_base_currency(rates.base()).await?;
    let replayed = segment::replay(store, &rates, &Clock::wall(), args.dry_run, &cancel)
        .await
        .context("not all events were translated again: run this command again, and it continues")?;
    let would = if args.dry_run { "would be" } else { "were" };
    let Replayed { translated, moved, records, ignored, refused } = replayed;
    println!(
        "{translated} translated again: {moved} {would} moved to raw.events as {records} records, {refused} would be refused, \
         {ignored} are of bots, {} have no place still",
        translated - moved - ignored - refused
    );
    if cancel.is_cancelled() {
        eprintln!("interrupted: run this command again, and it continues with the rest");
        return Ok(ExitCode::FAILURE);
    }
    Ok(if refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
