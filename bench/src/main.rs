//! Benchmarks: each measures a part of Storepulse and, in the same run, a limit or a peer, and prints the ratio.
//!
//! Nothing here asserts a time; the figures that were measured, and on what, stand in docs/performance.md.

mod ingestion;

use std::sync::Arc;

use clap::{Parser, Subcommand};
use stack::PlainText;

/// Measures parts of Storepulse against a limit or a peer, in the same run.
#[derive(Parser)]
#[command(name = "bench", about)]
struct Bench {
    #[command(subcommand)]
    what: Option<What>,
    /// Runs of each side; the median is printed, with the smallest and the largest.
    #[arg(long, global = true, default_value_t = 3)]
    runs: usize,
    /// Events a run.
    #[arg(long, global = true, default_value_t = 1_000_000)]
    events: u64,
}

#[derive(Subcommand, Clone, Copy)]
enum What {
    /// Simulating and copying into the keyed table, against psql's binary \copy of the same rows.
    Ingestion,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Bench::parse();
    let stack = stack::shared(Arc::new(PlainText)).await?;
    let variable = |name: &str| {
        stack
            .variable(name)?
            .ok_or_else(|| anyhow::anyhow!("the stack has no {name}: run `storepulse stack up`"))
    };
    match args.what.unwrap_or(What::Ingestion) {
        What::Ingestion => ingestion::run(&variable("PG_URL")?, args.events, args.runs).await,
    }
}

/// Smallest, median and largest of some figures.
fn spread(figures: &mut [f64]) -> (f64, f64, f64) {
    figures.sort_by(f64::total_cmp);
    (figures[0], figures[figures.len() / 2], figures[figures.len() - 1])
}

/// One line: what, its median and spread.
fn line(what: &str, unit: &str, figures: &mut [f64]) -> f64 {
    let (low, median, high) = spread(figures);
    println!("{what:<44} {median:>10.0} {unit}   ({low:.0} to {high:.0})");
    median
}
