//! `storepulse relay`.

use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;
use contracts::endpoints::Endpoints;
use provision::Provisioned;
use relay::config::Assigned;
use relay::quarantine::{QuarantineConfig, QuarantineProgress};
use relay::{RelayConfig, RelayProgress, RelayState};
use tokio::sync::watch;

use crate::{connect, interrupt};

#[derive(Subcommand)]
pub(crate) enum RelayCommand {
    /// Relay until Ctrl-C; a second one stands by and takes over when the first goes.
    Run,
}

/// The relay of what the set-up made.
pub(crate) fn config(endpoints: &Endpoints, provisioned: &Provisioned) -> RelayConfig {
    let assigned = Assigned {
        generation: provisioned.generation,
        generation_id: provisioned.generation_id,
        event_schema_id: provisioned.event_schema_id,
        user_schema_id: provisioned.user_schema_id,
        position_schema_id: provisioned.position_schema_id,
        ledger_schema_id: provisioned.ledger_schema_id,
    };
    RelayConfig::new(endpoints, assigned)
}

pub(crate) async fn run(RelayCommand::Run: RelayCommand) -> anyhow::Result<ExitCode> {
    let endpoints = connect::endpoints()?;
    let provisioned = provision::load(&endpoints).await?;
    let cancel = interrupt::token()?;
    let (sender, mut receiver) = watch::channel(RelayProgress::default());
    let printer = tokio::spawn(async move {
        let mut every = tokio::time::interval(Duration::from_secs(5));
        let mut state = None;
        let mut before = 0;
        loop {
            tokio::select! {
                changed = receiver.changed() => {
                    if changed.is_err() { return }
                    let now = receiver.borrow_and_update().state.clone();
                    if state.as_ref() != Some(&now) {
                        println!("{}", state_text(&now));
                        state = Some(now);
                    }
                }
                _ = every.tick() => {
                    let now = receiver.borrow().clone();
                    if now.state == RelayState::Streaming {
                        println!("{}", line(&now, (now.events_out - before) / 5));
                    }
                    before = now.events_out;
                }
            }
        }
    });
    let quarantine = QuarantineConfig::new(&endpoints, provisioned.refusal_schema_id);
    let (quarantine_sender, _) = watch::channel(QuarantineProgress::default());
    // Whichever ends first ends both: neither is of use alone.
    let result = tokio::try_join!(
        relay::run(config(&endpoints, &provisioned), cancel.clone(), sender),
        relay::quarantine::run(quarantine, cancel, quarantine_sender),
    );
    // The printer ends with the channel.
    let _ = printer.await;
    result?;
    Ok(ExitCode::SUCCESS)
}

fn state_text(state: &RelayState) -> String {
    match state {
        RelayState::Standby => "standby: another relay is at work, this one takes over when it goes".into(),
        RelayState::Starting => "starting".into(),
        RelayState::Streaming => "streaming".into(),
        RelayState::Reconnecting { why } => format!("reconnecting: {why}"),
        RelayState::Stopped => "stopped".into(),
    }
}

/// The relay in one line.
pub(crate) fn line(progress: &RelayProgress, per_second: u64) -> String {
    let mut text = match &progress.state {
        RelayState::Streaming => format!(
            "{} events and {} users out, {per_second}/s, latency p50 {:.0} ms p99 {:.0} ms, {} KiB of log behind",
            progress.events_out,
            progress.users_out,
            progress.latency.p50_ms,
            progress.latency.p99_ms,
            progress.lag_bytes / 1024
        ),
        other => state_text(other),
    };
    if progress.rows_quarantined > 0 {
        text += &format!(", {} rows quarantined", progress.rows_quarantined);
    }
    if progress.restarts > 0 {
        text += &format!(", {} restarts", progress.restarts);
    }
    text
}
