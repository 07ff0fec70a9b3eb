//! `cargo run -p tests --bin chaos`, behind `make chaos`: a plan of faults on a stack of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use stack::{PlainText, Service};
use tests::chaos::{self, Plan, Report, Settings};
use tests::support::on_services;
use tokio::signal::unix::{SignalKind, signal};

const EXAMPLES: &str = "\
Examples:
  chaos                         25 rounds from a new seed, which is printed
  chaos --seed 7 --rounds 25    the same faults each time
  chaos --seed 7 --plan         only print them

Exits 0 when no event is lost and none counts twice, 1 when one is or does, 130 after Ctrl-C.";

/// Kills, freezes and interrupts every process of the line under load, and checks that each event counts
/// once.
#[derive(Parser)]
#[command(name = "chaos", after_help = EXAMPLES)]
struct Args {
    /// Fixes the plan of faults; one is drawn when it is not given.
    #[arg(long)]
    seed: Option<u64>,
    /// How many faults.
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Events a second.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    rate: u32,
    /// Print the plan and stop.
    #[arg(long)]
    plan: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let plan = Plan::new(args.seed.unwrap_or_else(rand::random), args.rounds.into());
    println!("{plan}");
    if args.plan {
        return ExitCode::SUCCESS;
    }
    let settings = Settings { plan, rate: args.rate };
    let ended = tokio::select! {
        ended = Box::pin(drive(&settings)) => ended,
        interrupted = interrupted() => match interrupted {
            Ok(()) => {
                eprintln!("stopped; the stack went with it");
                return ExitCode::from(130);
            }
            Err(error) => Err(error),
        },
    };
    match ended {
        Ok(report) => {
            println!("{report}");
            println!(
                "again: make chaos SEED={} ROUNDS={} RATE={}",
                settings.plan.seed, args.rounds, args.rate
            );
            if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            eprintln!(
                "again: make chaos SEED={} ROUNDS={} RATE={}",
                settings.plan.seed, args.rounds, args.rate
            );
            ExitCode::FAILURE
        }
    }
}

/// The first SIGINT or SIGTERM. What runs is dropped, which ends the stack and our processes.
async fn interrupted() -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

async fn drive(settings: &Settings) -> anyhow::Result<Report> {
    let stack = Box::pin(stack::isolated(&Service::ALL, Arc::new(PlainText))).await?;
    let body = async |line: &tests::support::Line| {
        println!("{}", Report::heading());
        let report = Box::pin(chaos::run(settings, &stack, line, &|told| println!("{told}"))).await;
        if !report.as_ref().is_ok_and(Report::passed) {
            let kept = PathBuf::from(format!("target/chaos/seed-{}", settings.plan.seed));
            for (from, to) in [(stack.home().join("log"), "stack"), (line.outputs().to_owned(), "line")] {
                keep(&from, &kept.join(to)).context("the logs could not be kept")?;
            }
            eprintln!("logs are kept in {}", kept.display());
        }
        report
    };
    Box::pin(on_services(&stack, body)).await
}

/// Copies the files of a folder.
fn keep(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        if let (true, Some(name)) = (path.is_file(), path.file_name()) {
            fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}
