//! `storepulse quarantine`.

use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args, Subcommand, ValueEnum};
use comfy_table::{CellAlignment, Table, presets};
use contracts::Reason;
use contracts::endpoints::Endpoints;
use contracts::event::Currency;
use contracts::printable::{printable, printable_lines};
use ingest::clock::Clock;
use ingest::quarantine::{Example, Plan, Replayed, Rules, describe, replay};
use ingest::store::{Count, Filter, Quarantined, Store};

use crate::rates::{RatesArgs, without_rate};
use crate::run_job::view::View;
use crate::simulate::{self, Span};
use crate::{connect, interrupt};

const EXAMPLES: &str = "\
Examples:
  storepulse quarantine list --summary                     count records by source and reason
  storepulse quarantine list --reason future --since 2h    show the newest records of a reason
  storepulse quarantine show shop.events.g1 2/1234         show one record, decoded
  storepulse quarantine show shop.events.g1 2/1234 --raw > record.bin
  storepulse quarantine replay --dry-run                   show what would pass the present rules
  storepulse quarantine replay --reason missing_rate --rates rates.csv";

#[derive(Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum QuarantineCommand {
    /// List quarantined records, the newest first.
    List(ListArgs),
    /// Show one record with all details.
    Show(ShowArgs),
    /// Validate open records again under the present rules, and store those that pass. Each event counts
    /// once.
    ///
    /// Exits 0 if none of the chosen records is refused again, and 1 otherwise. Ids do not change. The time
    /// of arrival is now, so an old event is late: reconciliation counts it.
    Replay(ReplayArgs),
}

#[derive(Args)]
struct Chosen {
    /// Choose records of this source: simulator, randomuser, collector/KEY, file:NAME, a topic, or the
    /// relay's slot.
    #[arg(long)]
    source: Option<String>,
    /// Choose records with this reason, for example malformed, missing_rate or foreign_generation.
    #[arg(long)]
    reason: Option<Reason>,
    /// Choose records that were quarantined since this time (RFC 3339), or within this duration before now,
    /// for example 90s, 5m or 2h.
    #[arg(long, value_name = "TIME", value_parser = parse_since)]
    since: Option<DateTime<Utc>>,
}

#[derive(Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    chosen: Chosen,
    /// List only open records, or only records that a replay stored.
    #[arg(long, value_enum)]
    state: Option<State>,
    /// Count the records by source and reason instead of listing them.
    #[arg(long)]
    summary: bool,
    /// The maximum number of records.
    #[arg(long, default_value_t = 50, conflicts_with = "summary")]
    limit: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum State {
    /// Never replayed, or refused again.
    Open,
    /// Stored by a replay.
    Replayed,
}

#[derive(Args)]
pub(crate) struct ShowArgs {
    /// The source of the record, as `list` prints it.
    source: String,
    /// The coordinates of the record within its source, as `list` prints them.
    coordinates: String,
    /// Write only the bytes of the record to standard output.
    #[arg(long)]
    raw: bool,
}

#[derive(Args)]
pub(crate) struct ReplayArgs {
    #[command(flatten)]
    chosen: Chosen,
    /// Replay only the record at these coordinates.
    #[arg(long)]
    coordinates: Option<String>,
    #[command(flatten)]
    rates: RatesArgs,
    /// Print what would happen, and store nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

fn parse_since(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(at) = text.parse() {
        return Ok(at);
    }
    match simulate::parse_duration(text) {
        Ok(Span::For(length)) => TimeDelta::from_std(length)
            .ok()
            .and_then(|length| Utc::now().checked_sub_signed(length))
            .ok_or_else(|| "that is longer than any calendar".to_owned()),
        _ => Err("use a time as 2026-01-02T03:04:05Z, or a number with s, m or h, as in 2h".into()),
    }
}

impl Chosen {
    fn filter(self, coordinates: Option<String>, open: Option<bool>) -> Filter {
        Filter { source: self.source, reason: self.reason, since: self.since, coordinates, open }
    }
}

pub(crate) async fn run(command: QuarantineCommand) -> anyhow::Result<ExitCode> {
    let endpoints = connect::endpoints()?;
    let mut store = Store::connect(&endpoints.pg_url).await?;
    match command {
        QuarantineCommand::List(args) => list(&mut store, args).await,
        QuarantineCommand::Show(args) => show(&mut store, args).await,
        QuarantineCommand::Replay(args) => run_replay(&mut store, &endpoints, args).await,
    }
}

async fn list(store: &mut Store, args: ListArgs) -> anyhow::Result<ExitCode> {
    let filter = args.chosen.filter(None, args.state.map(|state| state == State::Open));
    if args.summary {
        let counts = store.count_quarantined(&filter).await?;
        if args.json {
            println!("{}", printable_lines(&serde_json::to_string_pretty(&counts)?));
        } else {
            println!("{}", draw_counts(&counts));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let records = store.quarantined(&filter, args.limit).await?;
    if args.json {
        println!("{}", printable_lines(&serde_json::to_string_pretty(&records)?));
    } else if records.is_empty() {
        println!("nothing of that kind is in quarantine");
    } else {
        println!("{}", draw_records(&records));
        if records.len() >= args.limit as usize {
            println!("the newest {}; more with --limit, all counted with --summary", args.limit);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY).set_header(header.iter().copied());
    table
}

fn draw_counts(counts: &[Count]) -> Table {
    let mut table = table(&["source", "reason", "open", "accepted", "repeated"]);
    let mut total = [0; 3];
    for count in counts {
        let numbers = [count.open, count.accepted, count.repeated];
        total = std::array::from_fn(|at| total[at] + numbers[at]);
        let [open, accepted, repeated] = numbers.map(|number| number.to_string());
        table.add_row([printable(&count.source), count.reason.to_string(), open, accepted, repeated]);
    }
    let [open, accepted, repeated] = total.map(|number| number.to_string());
    table.add_row(["all".to_owned(), String::new(), open, accepted, repeated]);
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn draw_records(records: &[Quarantined]) -> Table {
    let mut table = table(&["since", "source", "coordinates", "reason", "detail", "bytes", "state"]);
    for record in records {
        table.add_row([
            clock(record.quarantined_at),
            printable(&record.source),
            printable(&record.coordinates),
            record.reason.to_string(),
            printable(&record.detail),
            record.size_bytes.to_string(),
            state(record).to_owned(),
        ]);
    }
    table
}

fn clock(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}

fn state(record: &Quarantined) -> &'static str {
    record.outcome.map_or("open", ingest::store::Outcome::as_str)
}

async fn show(store: &mut Store, args: ShowArgs) -> anyhow::Result<ExitCode> {
    let filter = Filter {
        source: Some(args.source.clone()),
        coordinates: Some(args.coordinates.clone()),
        ..Filter::default()
    };
    let found = store.quarantined_after(&filter, &Default::default(), 1).await?.pop();
    let (record, payload) = found.with_context(|| {
        format!(
            "nothing of {} at {} is in quarantine; `storepulse quarantine list` names what is",
            args.source, args.coordinates
        )
    })?;
    if args.raw {
        let bytes = payload.context("no bytes are stored: the record had none, or retention removed them")?;
        std::io::stdout().lock().write_all(&bytes)?;
        return Ok(ExitCode::SUCCESS);
    }
    println!("source       {}", printable(&record.source));
    println!("coordinates  {}", printable(&record.coordinates));
    println!("reason       {}", record.reason);
    println!("detail       {}", printable(&record.detail));
    println!("set aside    {} UTC", clock(record.quarantined_at));
    println!("size         {} bytes, sha256 {}", record.size_bytes, record.sha256);
    match (record.replayed_at, record.outcome) {
        (Some(at), Some(outcome)) => println!("replayed     {} UTC, {}", clock(at), outcome.as_str()),
        _ => println!("replayed     never"),
    }
    if let Some(id) = record.record_id {
        println!("is now       {id}");
    }
    if let (Some(reason), Some(detail)) = (record.outcome_reason, &record.outcome_detail) {
        println!("for          {reason}: {}", printable(detail));
    }
    match payload {
        Some(bytes) => println!("payload      {}", describe(&bytes)),
        None => println!("payload      none is stored: the record had none, or retention removed it"),
    }
    Ok(ExitCode::SUCCESS)
}

/// A replay that takes no longer shows no bar.
const BAR_AFTER: Duration = Duration::from_secs(2);

async fn run_replay(store: &mut Store, endpoints: &Endpoints, args: ReplayArgs) -> anyhow::Result<ExitCode> {
    let cancel = interrupt::token()?;
    let rates = args.rates.load()?;
    // What was committed in another currency must not be added to.
    store.settle_base_currency(rates.base()).await?;
    let base = rates.base();
    let rules = Rules { namespace: endpoints.namespace.clone(), rates };
    let filter = args.chosen.filter(args.coordinates, Some(true));
    let open: i64 = store.count_quarantined(&filter).await?.iter().map(|count| count.open).sum();
    let plan = Plan { filter, rules, dry_run: args.dry_run };
    let (began, mut view) = (Instant::now(), View::new());
    let replayed = replay(store, &plan, &Clock::wall(), &cancel, |so_far| {
        if began.elapsed() >= BAR_AFTER {
            view.draw(&[bar(so_far.judged, u64::try_from(open).unwrap_or(0))]);
        }
    })
    .await
    .context("not all records were validated again: run this command again, and it continues")?;
    if args.json {
        println!("{}", printable_lines(&serde_json::to_string_pretty(&replayed)?));
    } else {
        println!("{}", account(&replayed, plan.dry_run));
    }
    if let Some(advice) = advice(&replayed, base) {
        eprintln!("{advice}");
    }
    if cancel.is_cancelled() {
        eprintln!("interrupted: run this command again, and it continues with the rest");
        return Ok(ExitCode::FAILURE);
    }
    Ok(if replayed.refused_total() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn bar(done: u64, of: u64) -> String {
    const WIDTH: u64 = 30;
    let filled = (done * WIDTH).checked_div(of).unwrap_or(WIDTH).min(WIDTH);
    let marks = |mark: &str, count: u64| mark.repeat(usize::try_from(count).unwrap_or(0));
    format!("  [{}{}] {done} of {of} judged again", marks("#", filled), marks(".", WIDTH - filled))
}

fn account(replayed: &Replayed, dry_run: bool) -> String {
    let Replayed { judged, accepted, repeated, elsewhere, .. } = replayed;
    if *judged == 0 {
        return "nothing of that kind is open in quarantine".into();
    }
    let would = if dry_run { "would be: " } else { "" };
    let mut text = format!(
        "{judged} judged again = {would}{accepted} accepted + {repeated} repeated + {} refused",
        replayed.refused_total()
    );
    if *elsewhere > 0 {
        text += &format!(" + {elsewhere} by another replay");
    }
    for (reason, count) in &replayed.refused {
        text += &format!("\n  {count} {reason}");
        if let Some(example) = replayed.examples.get(reason) {
            let Example { source, coordinates, detail } = example;
            text += &printable(&format!(", as {source} {coordinates}: {detail}"));
        }
    }
    text
}

/// What to do about records that are refused for what the command was not given.
fn advice(replayed: &Replayed, base: Currency) -> Option<String> {
    replayed.refused.contains_key(&Reason::MissingRate).then(|| without_rate(base))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_without_a_rate_are_told_of_with_the_options_that_give_one() {
        let base = "EUR".parse().unwrap();
        let refused = |reason| Replayed { refused: [(reason, 2)].into(), ..Replayed::default() };
        let advice = |reason| super::advice(&refused(reason), base);
        let told = advice(Reason::MissingRate).unwrap();
        assert!(
            told.contains("--rates") && told.contains("--base-currency") && told.contains("EUR"),
            "{told}"
        );
        assert_eq!(advice(Reason::Malformed), None);
    }

    #[test]
    fn since_is_a_time_or_a_length() {
        assert_eq!(parse_since("2026-01-02T03:04:05Z").unwrap().timestamp(), 1_767_323_045);
        assert!((Utc::now() - parse_since("2h").unwrap()).num_minutes().abs_diff(120) <= 1);
        for bad in ["forever", "yesterday", "-1s"] {
            assert!(parse_since(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_bar_is_never_longer_than_itself() {
        assert_eq!(bar(0, 0), "  [##############################] 0 of 0 judged again");
        assert_eq!(bar(5, 10), "  [###############...............] 5 of 10 judged again");
        assert_eq!(bar(20, 10), "  [##############################] 20 of 10 judged again");
    }
}
