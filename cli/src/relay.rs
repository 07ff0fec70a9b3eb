//! `storepulse relay`.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Subcommand};
use contracts::endpoints::Endpoints;
use contracts::reported;
use relay::guard::{self, SlotHealth};
use relay::quarantine::{QuarantineConfig, QuarantineProgress};
use relay::status::RelayStatus;
use relay::{RelayConfig, RelayProgress, RelayState};
use tokio::sync::watch;
use tokio_postgres::types::PgLsn;

use crate::{connect, interrupt};

#[derive(Subcommand)]
pub(crate) enum RelayCommand {
    /// Run the relay until Ctrl-C. A second relay stands by and takes over when the first one ends.
    Run,
    /// Show the state of the relay and its slot. Exits 1 if no relay is streaming.
    #[command(after_help = "\
Examples:
  storepulse relay status
  storepulse relay status --json | jq .slot.safe_bytes")]
    Status(StatusArgs),
}

#[derive(Args)]
pub(crate) struct StatusArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// How long Kafka may be silent before it is worth a word.
const UNACKNOWLEDGED: Duration = Duration::from_secs(2);

pub(crate) async fn run(command: RelayCommand) -> anyhow::Result<ExitCode> {
    let endpoints = connect::endpoints()?;
    match command {
        RelayCommand::Run => relay(&endpoints).await,
        RelayCommand::Status(args) => status(&endpoints, args.json).await,
    }
}

async fn relay(endpoints: &Endpoints) -> anyhow::Result<ExitCode> {
    let cancel = interrupt::token()?;
    let mut told = String::new();
    let loaded = provision::load_when_there(endpoints, &cancel, |outage| {
        let now = format!("waiting: {outage}");
        if now != told {
            println!("{now}");
            told = now;
        }
    });
    let Some(provisioned) = loaded.await? else { return Ok(ExitCode::SUCCESS) };
    let (sender, mut receiver) = watch::channel(RelayProgress::default());
    let printer = tokio::spawn(async move {
        let mut every = tokio::time::interval(Duration::from_secs(5));
        let mut told = String::new();
        let mut before = 0;
        loop {
            tokio::select! {
                changed = receiver.changed() => {
                    if changed.is_err() { return }
                    let now = headline(&receiver.borrow_and_update());
                    if now != told {
                        println!("{now}");
                        told = now;
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
    let quarantine = QuarantineConfig::new(endpoints, provisioned.assigned.refusal_schema_id);
    let (quarantine_sender, quarantine_progress) = watch::channel(QuarantineProgress::default());
    let config = RelayConfig::new(endpoints, provisioned.assigned).with_quarantine(quarantine_progress);
    // Whichever ends first ends both: neither is of use alone.
    let result = tokio::try_join!(
        relay::run(config, cancel.clone(), sender),
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

/// What the relay does, without figures, and what is wrong.
fn headline(progress: &RelayProgress) -> String {
    let mut text = state_text(&progress.state);
    if waits_for_kafka(progress).is_some() {
        text += ", but kafka acknowledges nothing: reconnecting unless it answers soon";
    }
    if let Some(warning) = &progress.warning {
        text += &format!("  WARNING {}", warning.kind());
    }
    text
}

/// For how long, where that is longer than it should take.
fn waits_for_kafka(progress: &RelayProgress) -> Option<Duration> {
    progress.unacknowledged().filter(|waited| *waited >= UNACKNOWLEDGED)
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
    if let Some(waited) = waits_for_kafka(progress) {
        text += &format!(", nothing acknowledged by kafka for {} s", waited.as_secs());
    }
    if progress.restarts > 0 {
        text += &format!(", {} restarts", progress.restarts);
    }
    if let Some(warning) = &progress.warning {
        text += &format!("  WARNING {warning}");
    }
    text
}

/// Why no relay streams, where none does.
pub(crate) async fn problem(endpoints: &Endpoints) -> anyhow::Result<Option<String>> {
    let client = provision::connect(&endpoints.pg_url).await?;
    let reported = relay::status::read(&client, &endpoints.namespace.slot()).await?;
    Ok(match reported {
        None => Some("no relay has ever run".to_owned()),
        Some(status) if status.streams() => None,
        Some(status) => Some(status_text(&status)),
    })
}

/// What a relay last reported, and the slot as it is now: the warning holds also where no relay is there to
/// give it.
async fn status(endpoints: &Endpoints, json: bool) -> anyhow::Result<ExitCode> {
    let client = provision::connect(&endpoints.pg_url).await?;
    let slot_name = endpoints.namespace.slot();
    let reported = relay::status::read(&client, &slot_name)
        .await
        .context("could not read ops.relay_status: run `storepulse setup`")?;
    let (slot, server_lsn) =
        guard::look(&client, &slot_name).await.context("could not look at the replication slot")?;
    let warning = slot.and_then(|slot| guard::judge(&slot, &guard::GuardLimits::default()));
    let streams = reported.as_ref().is_some_and(relay::status::RelayStatus::streams);
    if json {
        println!(
            "{}",
            serde_json::to_string_pretty(&status_json(reported.as_ref(), slot, server_lsn, warning))?
        );
    } else {
        match &reported {
            None => println!("no relay has ever run; start it with `storepulse relay run`"),
            Some(status) => println!("{}", status_text(status)),
        }
        match &slot {
            None => println!("slot {slot_name} does not exist: run `storepulse setup`"),
            Some(slot) => println!("{}", slot_text(&slot_name, slot)),
        }
        if let Some(warning) = &warning {
            println!("WARNING {warning}");
        }
    }
    Ok(if streams { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn status_text(status: &RelayStatus) -> String {
    let RelayStatus { holder, state, detail, events_out, users_out, restarts, silent_ms, .. } = status;
    let mut text = format!("{state} by {holder}");
    if !detail.is_empty() {
        text += &format!(": {detail}");
    }
    if let Some(lsn) = status.committed_lsn {
        let behind = u64::from(status.server_lsn).saturating_sub(u64::from(lsn));
        text += &format!("\nposition {lsn}, {} KiB of log behind", behind / 1024);
    }
    text += &format!("\n{events_out} events and {users_out} users out, {restarts} restarts");
    if let Some(waited_ms) = status.unacknowledged_ms {
        text += &format!("\nkafka had acknowledged nothing for {:.1} s", waited_ms as f64 / 1000.0);
    }
    if state != reported::relay::STOPPED && status.is_silent() {
        text += &format!("\nit has been silent for {} s: start `storepulse relay run`", silent_ms / 1000);
    }
    text
}

fn slot_text(name: &str, slot: &SlotHealth) -> String {
    let mib = |bytes: i64| format!("{} MiB", bytes / (1 << 20));
    let mut text = format!(
        "slot {name} is {}, log {}",
        if slot.active { "in use" } else { "not in use" },
        slot.wal_status.as_str()
    );
    if let Some(bytes) = slot.retained_bytes {
        text += &format!(", {} kept for it", mib(bytes.cast_signed()));
    }
    if let Some(bytes) = slot.safe_bytes {
        text += &format!(", {} more before it is in danger", mib(bytes));
    }
    text
}

fn status_json(
    status: Option<&RelayStatus>,
    slot: Option<SlotHealth>,
    server_lsn: u64,
    warning: Option<guard::Warning>,
) -> serde_json::Value {
    let relay = status.map(|status| {
        serde_json::json!({
            "holder": status.holder,
            "state": status.state,
            "streams": status.streams(),
            "detail": status.detail,
            "committed_lsn": status.committed_lsn.map(|lsn| lsn.to_string()),
            "unacknowledged_ms": status.unacknowledged_ms,
            "events_out": status.events_out,
            "users_out": status.users_out,
            "restarts": status.restarts,
            "started_at": status.started_at,
            "reported_at": status.reported_at,
            "silent_ms": status.silent_ms,
        })
    });
    let slot = slot.map(|slot| {
        serde_json::json!({
            "active": slot.active,
            "wal_status": slot.wal_status.as_str(),
            "retained_bytes": slot.retained_bytes,
            "safe_bytes": slot.safe_bytes,
            "keep_bytes": slot.keep_bytes,
        })
    });
    let warning =
        warning.map(|warning| serde_json::json!({ "kind": warning.kind(), "detail": warning.to_string() }));
    serde_json::json!({
        "relay": relay,
        "slot": slot,
        "server_lsn": PgLsn::from(server_lsn).to_string(),
        "warning": warning,
    })
}
