//! The `storepulse` command: a thin front on the crates.

#[macro_use]
mod say;

mod alerts;
mod collect;
mod connect;
mod console;
mod container;
mod doctor;
mod erase;
mod ingest;
mod installed;
mod interrupt;
mod job;
mod ledger;
mod metrics;
mod quarantine;
mod rates;
mod rebuild;
mod reconcile;
mod relay;
mod retention;
mod run_job;
mod schemas;
mod setup;
mod simulate;
mod stack;
mod standing_clock;
mod users;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

const EXAMPLES: &str = "\
Examples:
  storepulse stack up                     start every service on this machine
  eval \"$(storepulse stack env)\"          let other clients find them
  storepulse setup                        create topics, schemas, tables and slot; safe to repeat
  storepulse users --count 2000           fetch users into PostgreSQL
  storepulse ingest replay old.csv --mapping shop.toml
                                          load past events from a file
  storepulse relay run                    carry rows from PostgreSQL to Kafka, exactly once
  storepulse job run                      submit the Spark plan and supervise it
  storepulse simulate --rate 500 --duration 60s
                                          send simulated events
  storepulse collect --keys keys          accept real events over gRPC and HTTP
  storepulse console                      serve the Control Center
  storepulse alerts list                  show the alerts that fire, and what to do
  storepulse metrics                      serve the metrics for Prometheus
  storepulse doctor                       follow one event through every stage
  storepulse verify                       compare Cassandra with PostgreSQL, row by row
  storepulse ledger                       show what became of every record, stage by stage
  storepulse quarantine list --summary    count quarantined records by source and reason
  storepulse reconcile                    correct closed windows, late records included
  storepulse retention --keep-days 90     remove older data everywhere
  storepulse erase USER_ID                remove a person, everywhere
  storepulse run-job                      run the whole pipeline with a live view";

/// Real-time user analytics for an online shop.
#[derive(Parser)]
#[command(name = "storepulse", version, about = "Real-time user analytics for an online shop", after_help = EXAMPLES)]
struct Cli {
    /// What to log to standard error: error, warn, info, debug, or a filter such as `relay=debug`.
    #[arg(
        long,
        global = true,
        env = "STOREPULSE_LOG",
        default_value = "warn,rdkafka=off,librdkafka=error",
        value_name = "FILTER"
    )]
    log: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start, stop and inspect the services on this machine.
    #[command(subcommand)]
    Stack(stack::StackCommand),
    /// Create topics, schemas, tables, publications and the replication slot. It is safe to repeat.
    Setup(setup::SetupArgs),
    /// Fetch users from randomuser.me, or simulated users, into PostgreSQL.
    Users(users::UsersArgs),
    /// Load users or past events into PostgreSQL.
    #[command(subcommand)]
    Ingest(ingest::IngestCommand),
    /// Store simulated events in PostgreSQL.
    Simulate(simulate::SimulateArgs),
    /// Accept real events over gRPC and HTTP and store them in PostgreSQL, until Ctrl-C.
    Collect(collect::CollectArgs),
    /// Run the relay from PostgreSQL to Kafka, or show its state.
    #[command(subcommand)]
    Relay(relay::RelayCommand),
    /// Run, inspect, hold and stop the Spark job.
    #[command(subcommand)]
    Job(job::JobCommand),
    /// Serve the metrics of every stage on /metrics, for Prometheus, until Ctrl-C.
    Metrics(metrics::MetricsArgs),
    /// Serve the Control Center until Ctrl-C, or manage who may sign in.
    Console(console::ConsoleArgs),
    /// List, silence and test alerts, or send a notice to their targets.
    #[command(subcommand)]
    Alerts(alerts::AlertsCommand),
    /// Send one event through the live system and follow it to its row, or name the stage where it stopped.
    Doctor(doctor::DoctorArgs),
    /// Compare every row in Cassandra with SQL over PostgreSQL.
    Verify(verify::VerifyArgs),
    /// Print what became of every record, by stage and minute. Exits 1 if the counts do not balance.
    Ledger(ledger::LedgerArgs),
    /// List quarantined records, show one, or replay them.
    #[command(subcommand)]
    Quarantine(quarantine::QuarantineCommand),
    /// Check a schema against a subject of the registry, or register it.
    #[command(subcommand)]
    Schemas(schemas::SchemasCommand),
    /// Correct closed windows, late records included. It is safe to repeat.
    Reconcile(reconcile::ReconcileArgs),
    /// Compute every figure again from PostgreSQL, while events continue to arrive.
    Rebuild(rebuild::RebuildArgs),
    /// Remove data that is older than a number of days, everywhere. Older events are then refused.
    Retention(retention::RetentionArgs),
    /// Remove a person everywhere and for ever. The counts stay as they are.
    Erase(erase::EraseArgs),
    /// Run the whole pipeline: users, simulator, relay, job and verification.
    RunJob(run_job::RunJobArgs),
    /// Print the completion script for a shell.
    Completions(installed::CompletionsArgs),
    /// Write a manual page for each command.
    Man(installed::ManArgs),
}

fn main() -> ExitCode {
    say::guard_panics();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    let filter = match EnvFilter::try_new(&cli.log) {
        Ok(filter) => filter,
        Err(error) => {
            eprintln!("error: --log {:?} is no filter: {error}", cli.log);
            return ExitCode::from(64);
        }
    };
    // Without colours: their escapes could not be told from those of a sender's text.
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(say::Log).with_ansi(false).init();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: could not start the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(async {
        match cli.command {
            Command::Stack(command) => stack::run(command).await,
            Command::Setup(args) => setup::run(args).await,
            Command::Users(args) => users::run(args).await,
            Command::Ingest(command) => ingest::run(command).await,
            Command::Simulate(args) => simulate::run(args).await,
            Command::Collect(args) => collect::run(args).await,
            Command::Relay(command) => relay::run(command).await,
            Command::Job(command) => job::run(command).await,
            Command::Metrics(args) => metrics::run(args).await,
            Command::Console(args) => console::run(args).await,
            Command::Alerts(command) => alerts::run(command).await,
            Command::Doctor(args) => doctor::run(args).await,
            Command::Verify(args) => verify::run(args).await,
            Command::Ledger(args) => ledger::run(args).await,
            Command::Quarantine(command) => quarantine::run(command).await,
            Command::Schemas(command) => schemas::run(command).await,
            Command::Reconcile(args) => reconcile::run(args).await,
            Command::Rebuild(args) => rebuild::run(args).await,
            Command::Retention(args) => retention::run(args).await,
            Command::Erase(args) => erase::run(args).await,
            Command::RunJob(args) => run_job::run(args).await,
            Command::Completions(args) => installed::completions(&args),
            Command::Man(args) => installed::man(&args),
        }
    });
    // A blocking call to a service that hangs must not hold up the exit.
    runtime.shutdown_background();
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Says what is wrong with the words of the command, which may hold an address with its password; help goes
/// where it was asked for.
fn refuse(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        eprintln!("{}", error.render().to_string().trim_end());
    } else {
        // A closed pipe is no reason to complain.
        let _ = error.print();
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1))
}
