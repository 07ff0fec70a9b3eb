//! `storepulse ingest replay --check`: what the first rows become and what would be refused; stores nothing.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use chrono::{DateTime, Utc};
use contracts::Reason;
use contracts::printable::{printable, printable_lines};
use history::{Checked, Notes, Outcome, Shop, check};
use ingest::clock::Clock;
use tokio_util::sync::CancellationToken;

use super::{ReplayArgs, exit, refusal, time};

/// Rows that `--check` shows of each file.
const SHOWN: usize = 3;

pub(super) async fn all(
    args: &ReplayArgs,
    shop: &Arc<Shop>,
    cancel: &CancellationToken,
) -> anyhow::Result<ExitCode> {
    let (mut rows, mut accepted, mut without_rate) = (0, 0, 0);
    for path in &args.files {
        let (file, of_shop, token) = (path.clone(), Arc::clone(shop), cancel.clone());
        let checking =
            tokio::task::spawn_blocking(move || check(&file, &of_shop, SHOWN, &Clock::wall(), &token));
        let checked = checking.await.context("checking failed, which is a defect")??;
        print_checked(path, &checked, shop.floor)?;
        rows += checked.rows;
        accepted += checked.accepted;
        without_rate += checked.refused.get(&Reason::MissingRate).copied().unwrap_or_default();
    }
    if without_rate > 0 {
        println!("{}", crate::rates::without_rate(shop.rates.base()));
    }
    if cancel.is_cancelled() {
        eprintln!("interrupted: the rest was not read");
        return Ok(ExitCode::FAILURE);
    }
    Ok(exit(rows, accepted))
}

fn print_checked(path: &Path, checked: &Checked, floor: Option<DateTime<Utc>>) -> anyhow::Result<()> {
    println!("{}", path.display());
    for (line, outcome) in &checked.first {
        match outcome {
            Outcome::Event(event) => {
                println!("line {line} becomes {}", printable_lines(&serde_json::to_string_pretty(event)?));
            }
            Outcome::Rejected { reason, detail } => {
                println!("line {line} would be rejected: {reason}: {}", printable(detail));
            }
        }
    }
    let Checked { rows, accepted, refused, examples, repeated, notes, .. } = checked;
    let rejected: u64 = refused.values().sum();
    println!("{rows} rows read = {accepted} that pass + {rejected} rejected; nothing was stored");
    for (reason, count) in refused {
        println!("  {}", refusal(&reason.to_string(), *count, examples.get(reason)));
    }
    if *rows == 0 {
        println!("  it has no row: right for a day without sales");
    }
    if *repeated > 0 {
        println!("  {repeated} that pass have the id of an earlier row, and only the first would be stored");
    }
    if let Some(floor) = floor.filter(|_| notes.before_floor > 0) {
        let (old, floor) = (notes.before_floor, floor.format("%F"));
        println!("  {old} that pass are from before the retention floor, {floor}, and would be refused");
    }
    for line in notes.lines() {
        println!("  {}", printable(&line));
    }
    if let Some((first, last)) = notes.span {
        println!("  they span {} to {}", time(first), time(last));
    }
    print_sales(notes);
    if !notes.unread.is_empty() {
        println!("  columns that the mapping does not name: {}", printable(&notes.unread.join(", ")));
    }
    Ok(())
}

fn print_sales(notes: &Notes) {
    let sales = &notes.sales;
    if sales.lines + sales.refunds == 0 {
        return;
    }
    println!(
        "  {} orders of {} lines, gross {}, and {} lines paid back, {}: net {}",
        sales.counted_orders,
        sales.lines,
        hundredths(sales.gross),
        sales.refunds,
        hundredths(sales.refunded),
        hundredths(sales.gross - sales.refunded)
    );
    if let Some(question) = sales.question() {
        println!("  {question}");
    }
}

fn hundredths(sum: i128) -> String {
    let (sign, sum) = (if sum < 0 { "-" } else { "" }, sum.unsigned_abs());
    format!("{sign}{}.{:02}", sum / 100, sum % 100)
}
