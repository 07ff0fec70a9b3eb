//! `storepulse doctor`.

use std::process::ExitCode;
use std::time::Duration;

use audit::doctor::{self, Diagnosis, Examination, Passed};
use clap::Args;
use console::ThroughTheStore;
use jobs::plans::CUBE_QUERY;

use crate::{connect, simulate};

#[derive(Args)]
#[command(after_help = "\
Examples:
  storepulse doctor
  storepulse doctor --timeout 10s --json | jq .stopped

If the event arrived, the command exits with 0. Otherwise it names the stage where the event stopped, and exits with 1. \
The event counts like any other, under country XD.")]
pub(crate) struct DoctorArgs {
    /// The maximum time from the commit of the event to its row, for example 30s or 2m.
    #[arg(long, default_value = "60s", value_parser = parse_timeout)]
    timeout: Duration,
    /// Print JSON at the end.
    #[arg(long)]
    json: bool,
}

fn parse_timeout(text: &str) -> Result<Duration, String> {
    match simulate::parse_duration(text)? {
        simulate::Span::For(duration) => Ok(duration),
        simulate::Span::Forever => Err("the doctor does not wait for ever: give a time, as 60s".to_owned()),
    }
}

pub(crate) async fn run(args: DoctorArgs) -> anyhow::Result<ExitCode> {
    let endpoints = connect::endpoints()?;
    let examination = Examination { endpoints: &endpoints, query: CUBE_QUERY, timeout: args.timeout };
    let diagnosis = doctor::examine(&examination, &mut ThroughTheStore(&endpoints.pg_url), |passed| {
        if !args.json {
            println!("{}", line(passed));
        }
    })
    .await;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&diagnosis)?);
    } else {
        conclude(&diagnosis);
    }
    Ok(if diagnosis.arrived() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn line(passed: &Passed) -> String {
    format!("  ok  {:<18} {:>7} ms  {}", passed.hop, passed.took_ms, passed.detail)
}

fn conclude(diagnosis: &Diagnosis) {
    match &diagnosis.stopped {
        None => {
            let ms = diagnosis.passed.last().and_then(|last| last.since_commit_ms).unwrap_or_default();
            println!("arrived: {:.1} s from the commit to the row", ms as f64 / 1000.0);
        }
        Some(stopped) => {
            println!("  --  {:<18} {}", stopped.hop, stopped.why);
            println!("stopped at {}: {}", stopped.hop, stopped.advice);
        }
    }
}
