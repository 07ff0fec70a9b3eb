//! `storepulse simulate`.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, Utc};
use clap::Args;
use collector::Remote;
use contracts::secret::Address;
use ingest::clock::Clock;
use ingest::source::simulator::{
    Dial, Limit, Pace, Progress, Report, Rhythm, RunConfig, run as simulate, run_through,
};
use ingest::store::Store;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::rates::RatesArgs;
use crate::{connect, interrupt};

/// A secret, so no option: a command line can be read by everybody on the machine.
const KEY_VARIABLE: &str = "STOREPULSE_COLLECTOR_KEY";

#[derive(Args, Clone)]
pub(crate) struct SimulateArgs {
    /// The average number of events per second.
    #[arg(long, default_value_t = 500.0)]
    pub(crate) rate: f64,
    /// The duration, for example 60s, 5m or 2h, or `forever` for a run until Ctrl-C.
    #[arg(long, default_value = "60s", value_parser = parse_duration)]
    pub(crate) duration: Span,
    /// The seed. The same seed gives the same events, except for their times.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// The start of simulated time (RFC 3339). The run is as fast as PostgreSQL allows, and its events are
    /// always the same.
    #[arg(long, value_name = "TIME")]
    start: Option<DateTime<Utc>>,
    /// Percentage of visits that are sent 11 to 40 minutes late.
    #[arg(long, default_value_t = 0.0)]
    late_pct: f64,
    /// Percentage of records that are sent twice.
    #[arg(long, default_value_t = 0.0)]
    repeated_pct: f64,
    /// Percentage of records that are held back, so that records with a later time arrive first.
    #[arg(long, default_value_t = 0.0)]
    out_of_order_pct: f64,
    /// Percentage of records that break a validation rule.
    #[arg(long, default_value_t = 0.0)]
    malformed_pct: f64,
    /// Percentage of records that belong to one very active user.
    #[arg(long, default_value_t = 0.0)]
    hot_key_pct: f64,
    /// Percentage of visits by people who have not signed in: only the country of such a visit is known.
    #[arg(long, default_value_t = 0.0)]
    guests_pct: f64,
    /// Send more events by day than by night, instead of an even rate.
    #[arg(long)]
    daily_rhythm: bool,
    /// Send the events to this collector instead of PostgreSQL, for example grpc://127.0.0.1:56051. The API
    /// key is read from STOREPULSE_COLLECTOR_KEY, and the users are read from PostgreSQL.
    #[arg(long, value_name = "URL", conflicts_with = "start")]
    to: Option<Address>,
    /// Print exact counts of what was sent, as JSON.
    #[arg(long)]
    truth: bool,
    #[command(flatten)]
    rates: RatesArgs,
}

/// A length of time, or no end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Span {
    For(Duration),
    Forever,
}

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Span::For(duration) => write!(f, "{} s", duration.as_secs()),
            Span::Forever => f.write_str("until Ctrl-C"),
        }
    }
}

pub(crate) fn parse_duration(text: &str) -> Result<Span, String> {
    if text == "forever" {
        return Ok(Span::Forever);
    }
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit_s = match &text[digits.len()..] {
        "s" | "" => 1,
        "m" => 60,
        "h" => 3600,
        _ => 0,
    };
    match digits.parse::<u64>() {
        Ok(count) if count > 0 && unit_s > 0 => Ok(Span::For(Duration::from_secs(count * unit_s))),
        _ => Err("use a number with s, m or h, as in 90s, or `forever`".into()),
    }
}

impl SimulateArgs {
    /// The settings of a plain run at a rate.
    pub(crate) fn plain(rate: f64, duration: Span, seed: u64, rates: RatesArgs) -> Self {
        Self {
            rate,
            duration,
            seed,
            start: None,
            late_pct: 0.0,
            repeated_pct: 0.0,
            out_of_order_pct: 0.0,
            malformed_pct: 0.0,
            hot_key_pct: 0.0,
            guests_pct: 0.0,
            daily_rhythm: false,
            to: None,
            truth: false,
            rates,
        }
    }

    fn config(&self) -> RunConfig {
        RunConfig {
            seed: self.seed,
            events_per_s: self.rate,
            pace: if self.start.is_some() { Pace::Unpaced } else { Pace::OpenLoop { speed: 1.0 } },
            limit: match self.duration {
                Span::For(duration) => Limit::Time(duration),
                Span::Forever => Limit::Forever,
            },
            rhythm: if self.daily_rhythm { Rhythm::Daily } else { Rhythm::Flat },
            dial: Dial {
                late_pct: self.late_pct,
                repeated_pct: self.repeated_pct,
                out_of_order_pct: self.out_of_order_pct,
                malformed_pct: self.malformed_pct,
                hot_key_pct: self.hot_key_pct,
                guests_pct: self.guests_pct,
            },
        }
    }

    /// Runs the simulation against a database, or through a collector with the users of a database.
    pub(crate) async fn drive(
        &self,
        pg_url: &str,
        cancel: &CancellationToken,
        progress: &watch::Sender<Progress>,
    ) -> anyhow::Result<Report> {
        let mut store = Store::connect(pg_url).await?;
        let users = store.users().await?;
        let clock = self.start.map_or_else(Clock::wall, Clock::starting_at);
        let rates = self.rates.load()?;
        if let Some(to) = &self.to {
            let key = std::env::var(KEY_VARIABLE)
                .with_context(|| format!("{KEY_VARIABLE} does not hold the API key for {to}"))?;
            let mut collector = Remote::connect(to, &key).await?;
            return run_through(&self.config(), rates, &mut collector, &users, cancel, progress)
                .await
                .context("the simulation ended early");
        }
        simulate(&self.config(), rates, &mut store, &users, &clock, cancel, progress)
            .await
            .context("the simulation ended early")
    }
}

pub(crate) async fn run(args: SimulateArgs) -> anyhow::Result<ExitCode> {
    let pg_url = connect::pg_url()?;
    let cancel = interrupt::token()?;
    let (sender, mut receiver) = watch::channel(Progress::default());
    let printer = tokio::spawn(async move {
        let mut every = tokio::time::interval(Duration::from_secs(2));
        every.tick().await;
        let mut before = 0;
        loop {
            tokio::select! {
                changed = receiver.changed() => if changed.is_err() { return },
                _ = every.tick() => {
                    let now = *receiver.borrow();
                    eprintln!("  {}", line(&now, (now.sent - before) / 2));
                    before = now.sent;
                }
            }
        }
    });
    let report = args.drive(&pg_url, &cancel, &sender).await;
    drop(sender);
    // The printer ends with the channel.
    let _ = printer.await;
    let report = report?;
    if args.truth {
        println!("{}", serde_json::to_string_pretty(&report.truth)?);
    } else {
        println!("{}", summary(&report));
    }
    Ok(if report.is_accounted_for() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The simulator in one line.
pub(crate) fn line(progress: &Progress, per_second: u64) -> String {
    let mut text = format!("{} sent, {per_second}/s", progress.sent);
    if progress.repeated > 0 || progress.quarantined > 0 {
        text += &format!(", {} repeated, {} quarantined", progress.repeated, progress.quarantined);
    }
    if progress.behind > Duration::from_secs(1) {
        text += &format!(", {:.1} s behind its schedule", progress.behind.as_secs_f64());
    }
    text
}

/// What was sent and what became of it.
pub(crate) fn summary(report: &Report) -> String {
    let (committed, repeated) = (report.appended.committed, report.appended.repeated);
    let sign = if report.is_accounted_for() { "=" } else { "IS NOT" };
    format!(
        "{} sent {sign} {committed} committed + {repeated} repeated + {} quarantined, in {:.1} s",
        report.truth.sent,
        report.quarantined,
        report.elapsed.as_secs_f64()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_or_refused() {
        assert_eq!(parse_duration("90s"), Ok(Span::For(Duration::from_secs(90))));
        assert_eq!(parse_duration("2m"), Ok(Span::For(Duration::from_secs(120))));
        assert_eq!(parse_duration("forever"), Ok(Span::Forever));
        for bad in ["", "0s", "-5s", "3d", "x"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}
