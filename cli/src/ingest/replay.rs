//! `storepulse ingest replay`.

mod check;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;
use contracts::Reason;
use contracts::printable::printable;
use history::{Example, Mapping, Progress, Replayed, Shop, SourceName, replay};
use indicatif::{ProgressBar, ProgressStyle};
use ingest::clock::Clock;
use ingest::store::Store;
use tokio_util::sync::CancellationToken;

use crate::rates::RatesArgs;
use crate::{connect, interrupt, reconcile};

const HELP: &str = "\
Examples:
  storepulse ingest replay --check 2019.csv --mapping shop.toml  show events, store nothing
  storepulse ingest replay 2019.csv 2020.parquet --mapping shop.toml
  storepulse ingest replay events.ndjson --mapping shop.toml --reconcile
  storepulse ingest replay 2019.csv --mapping shop.toml --again --rates rates.csv

A mapping, shop.toml:
  source = \"acme\"                    # part of the ids of rows; --source replaces it
  timezone = \"Europe/Berlin\"         # for times without a zone; the default is UTC
  csv = { delimiter = \";\" }
  [fields]                           # our field = a column of the file, or a table
  event_id = \"id\"                    # without it, ids are derived from the values in the row
  event_name = { column = \"type\", values = { pageview = \"view_item\", order = \"purchase\" } }
  occurred_at = { column = \"ts\", format = \"%d.%m.%Y %H:%M:%S\" }   # or iso, unix_s, unix_ms, unix_us
  user_id = \"customer\"
  session_id = { columns = [\"customer\", \"day\"] }
  session_started_at = { column = \"ts\", format = \"%d.%m.%Y %H:%M:%S\" }
  gender = { column = \"sex\", values = { f = \"female\", m = \"male\" }, default = \"other\" }
  country = { value = \"DE\" }         # a constant
  price = { column = \"preis\", decimal = \",\" }
Further settings for orders, lists, rows that are not events, and refunds, in this order:
  orders = { carry = [\"Created at\"], number = true }  # copy from the first line; number the lines
  lines = \"properties.products\"                       # a row per element (NDJSON, Parquet)
  skip = [{ column = \"line_type\", values = [\"shipping\"] }] # counted, not kept
  quantity = { column = \"Quantity\", negative = \"refund\" }  # in [fields]
  order_id = { column = \"Order\", refund_prefix = \"C\" }      # in [fields]
Mappings for real exports: ingest/history/examples.
Every event has event_name, occurred_at, and user_id or anonymous_id. It may have gender, age, country, city, latitude, \
longitude, session_id, session_started_at, returning, device and channel. What is left out is looked up, inferred or unknown. \
Events about a product also have item_id, item_name, category, price or \
amount, currency, quantity and optionally brand. Purchases and refunds also have order_id, order_line, order_lines, \
payment_type and optionally purchased_at.

You may interrupt the command at any time: the same command continues where it stopped. \
If the same file is read again, even under another name, it adds nothing. \
`storepulse quarantine list --source file:NAME` lists rejected rows.";

/// How long the retention floor is waited for; a check does without, and whoever stores has its own.
const FLOOR_WITHIN: Duration = Duration::from_secs(3);

#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct ReplayArgs {
    /// The files: .csv, .tsv, .ndjson, .jsonl or .parquet. For other names, the mapping must have a `format`.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The TOML file that maps columns of the files to our fields. See the example below.
    #[arg(long, value_name = "FILE")]
    mapping: PathBuf,
    /// The name of the source, instead of the one in the mapping.
    #[arg(long, value_name = "NAME")]
    source: Option<SourceName>,
    /// Store nothing. Print the events that the first rows become, and what would be refused.
    #[arg(long)]
    check: bool,
    /// Read finished files again, for example with new rates. Events that were stored before count as
    /// repeated.
    #[arg(long, conflicts_with = "check")]
    again: bool,
    /// Correct the windows of the events afterwards, as `storepulse reconcile` does.
    #[arg(long, conflicts_with = "check")]
    reconcile: bool,
    #[command(flatten)]
    rates: RatesArgs,
}

pub(crate) async fn run(args: ReplayArgs) -> anyhow::Result<ExitCode> {
    let named = || format!("the mapping {}", args.mapping.display());
    let mapping = Mapping::load(&args.mapping).with_context(named)?;
    let source = mapping.source(args.source.clone()).with_context(named)?;
    let floor = floor().await;
    let shop = Arc::new(Shop { mapping, source, rates: args.rates.load()?, floor });
    let cancel = interrupt::token()?;
    if args.check { check::all(&args, &shop, &cancel).await } else { replay_all(&args, &shop, &cancel).await }
}

/// The retention floor in force, where there is a PostgreSQL that says it: a check does without.
async fn floor() -> Option<DateTime<Utc>> {
    let pg_url = connect::pg_url().ok()?;
    let asked = async {
        let client = provision::connect(&pg_url).await.ok()?;
        provision::retention::floor(&client).await.ok().flatten()
    };
    tokio::time::timeout(FLOOR_WITHIN, asked).await.ok().flatten()
}

/// Rows of which none passes are a failure; a day without sales is none.
fn exit(rows: u64, passed: u64) -> ExitCode {
    if rows == 0 || passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn refusal(reason: &str, count: u64, example: Option<&Example>) -> String {
    match example {
        Some(Example { line, detail }) => printable(&format!("{count} {reason}, as line {line}: {detail}")),
        None => format!("{count} {reason}"),
    }
}

/// All files together.
#[derive(Default)]
struct Total {
    rows: u64,
    accepted: u64,
    repeated: u64,
    rejected: u64,
    without_rate: u64,
    windows: Option<Range<DateTime<Utc>>>,
}

impl Total {
    fn add(&mut self, replayed: &Replayed) {
        self.rows += replayed.rows;
        self.accepted += replayed.accepted;
        self.repeated += replayed.repeated;
        self.rejected += replayed.rejected;
        self.without_rate += replayed.refused.get(&Reason::MissingRate).copied().unwrap_or_default();
        let both = self.windows.take().into_iter().chain(replayed.windows.clone());
        self.windows = both.reduce(|a, b| a.start.min(b.start)..a.end.max(b.end));
    }
}

async fn replay_all(
    args: &ReplayArgs,
    shop: &Arc<Shop>,
    cancel: &CancellationToken,
) -> anyhow::Result<ExitCode> {
    let endpoints = connect::endpoints()?;
    let mut store = Store::connect(&endpoints.pg_url).await?;
    let mut total = Total::default();
    for path in &args.files {
        let bar = bar(path);
        let replayed = replay(path, shop, args.again, &mut store, &Clock::wall(), cancel, &mut |progress| {
            tell(&bar, progress);
        })
        .await;
        bar.finish_and_clear();
        let replayed = replayed.map_err(|error| {
            let wants_a_change = error.wants_a_change();
            let error = anyhow::Error::new(error);
            if wants_a_change {
                return error;
            }
            error.context(format!(
                "{} is incomplete: run the same command again, and it continues where it stopped",
                path.display()
            ))
        })?;
        print_replayed(&replayed, shop.floor);
        total.add(&replayed);
        if cancel.is_cancelled() {
            break;
        }
    }
    let Total { rows, accepted, repeated, rejected, without_rate, windows } = total;
    println!("{rows} rows read = {accepted} accepted + {repeated} repeated + {rejected} rejected");
    if without_rate > 0 {
        println!("{}", crate::rates::without_rate(shop.rates.base()));
    }
    if cancel.is_cancelled() {
        eprintln!("interrupted; resume by running the same command again");
        return Ok(ExitCode::FAILURE);
    }
    if let Some(windows) = windows.and_then(|windows| kept(windows, shop.floor)) {
        if args.reconcile {
            return reconcile::windows(windows).await;
        }
        println!("the stream leaves late events to reconciliation; to fill their windows run");
        println!("  storepulse reconcile --from {} --to {}", time(windows.start), time(windows.end));
    }
    // A file whose rows are all there is as good as one that was replayed now.
    Ok(exit(rows, accepted + repeated))
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// What of these windows the retention floor leaves.
fn kept(windows: Range<DateTime<Utc>>, floor: Option<DateTime<Utc>>) -> Option<Range<DateTime<Utc>>> {
    let kept = floor.map_or(windows.start, |floor| windows.start.max(floor))..windows.end;
    (kept.start < kept.end).then_some(kept)
}

/// A bar over a file; it says nothing where there is no terminal.
fn bar(path: &Path) -> ProgressBar {
    let style = ProgressStyle::with_template("  {bar:30} {percent:>3}%  {msg}  eta {eta}");
    let bar = ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_prefix(printable(&path.display().to_string()));
    bar
}

fn tell(bar: &ProgressBar, progress: Progress) {
    let (done, of, told) = match progress {
        Progress::Hashing { done, of } => (done, of, "is looked through".to_owned()),
        Progress::Reading { done, of, rows, rejected } => {
            (done, of, format!("{rows} rows, {rejected} rejected"))
        }
    };
    bar.set_length(of);
    bar.set_position(done);
    bar.set_message(format!("{}: {told}", bar.prefix()));
}

fn print_replayed(replayed: &Replayed, floor: Option<DateTime<Utc>>) {
    let Replayed { name, rows, accepted, repeated, rejected, .. } = replayed;
    let counts =
        format!("{rows} rows read = {accepted} accepted + {repeated} repeated + {rejected} rejected");
    match replayed.finished_before {
        Some(at) => {
            println!("{name} was replayed at {}: {counts}; it is not read again without --again", time(at));
        }
        None if replayed.rows_before > 0 => {
            println!("{name} went on after {} rows: {counts}", replayed.rows_before);
        }
        None => println!("{name}: {counts}"),
    }
    for (reason, count) in &replayed.refused {
        println!("  {}", refusal(&reason.to_string(), *count, replayed.examples.get(reason)));
    }
    if *rows == 0 && replayed.is_finished {
        println!("  it has no row: right for a day without sales");
    }
    if replayed.kept_out > 0 {
        let old = replayed.notes.before_floor.min(replayed.kept_out);
        let floor = floor.map_or("unknown".to_owned(), |floor| floor.format("%F").to_string());
        println!(
            "  {} were refused: {old} from before the retention floor, {floor}, and {} of erased persons",
            replayed.kept_out,
            replayed.kept_out - old
        );
    }
    for line in replayed.notes.lines() {
        println!("  {}", printable(&line));
    }
    if let Some(question) = replayed.notes.sales.question() {
        println!("  {question}");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use history::Notes;

    use super::*;

    fn replayed(rows: u64, windows: Option<(&str, &str)>) -> Replayed {
        Replayed {
            name: "old.csv".to_owned(),
            rows,
            accepted: rows,
            repeated: 0,
            rejected: 0,
            refused: BTreeMap::new(),
            examples: BTreeMap::new(),
            kept_out: 0,
            notes: Notes::default(),
            windows: windows.map(|(from, to)| from.parse().unwrap()..to.parse().unwrap()),
            rows_before: 0,
            is_finished: true,
            finished_before: None,
        }
    }

    #[test]
    fn windows_that_the_floor_cuts_off_are_not_reconciled() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let windows = at("2019-01-01T00:00:00Z")..at("2020-01-01T00:00:00Z");
        assert_eq!(kept(windows.clone(), None), Some(windows.clone()));
        let floor = at("2019-06-01T00:00:00Z");
        assert_eq!(kept(windows.clone(), Some(floor)), Some(floor..windows.end));
        assert_eq!(kept(windows.clone(), Some(windows.end)), None);
    }

    #[test]
    fn all_files_together_have_the_windows_of_each() {
        let mut total = Total::default();
        total.add(&replayed(1, None));
        assert_eq!(total.windows, None);
        total.add(&replayed(2, Some(("2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z"))));
        total.add(&replayed(4, Some(("2019-01-01T00:00:00Z", "2019-01-02T00:00:00Z"))));
        let windows = total.windows.unwrap();
        assert_eq!(
            (total.rows, time(windows.start).as_str(), time(windows.end).as_str()),
            (7, "2019-01-01T00:00:00Z", "2020-01-02T00:00:00Z")
        );
    }
}
