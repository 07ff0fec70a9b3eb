//! The `storepulse` command: a thin front on the crates.

#[macro_use]
mod say;

mod alerts;
mod collect;
mod connect;
mod console;
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
mod users;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

const EXAMPLES: &str = "\
Examples:
  storepulse stack up                     start every service on this machine
  eval \"$(storepulse stack env)\"          let other clients find them
  storepulse setup                        create topics, schemas, tables, slot; may be run again
  storepulse users --count 2000           fetch users into PostgreSQL
  storepulse ingest replay old.csv --mapping shop.toml
  storepulse relay run                    PostgreSQL to Kafka, exactly once
  storepulse job run                      submit the Spark plan and watch over it
  storepulse simulate --rate 500 --duration 60s
  storepulse collect --keys keys          take real events over gRPC and HTTP
  storepulse console                      the page: the shop's figures and the line, live
  storepulse alerts list                  what fires, and what to do about it
  storepulse metrics                      the figures of every hop, for Prometheus
  storepulse doctor                       is everything alive? follow one event through all of it
  storepulse verify                       compare Cassandra with PostgreSQL, row by row
  storepulse ledger                       what became of every record, stage by stage
  storepulse quarantine list --summary    what did not pass, by source and reason
  storepulse reconcile                    repair closed windows with late records
  storepulse retention --keep-days 90     remove what is older, everywhere
  storepulse erase USER_ID                remove a person, everywhere
  storepulse run-job                      all of it, with one live view";

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
    /// Start, stop and look at the services on this machine.
    #[command(subcommand)]
    Stack(stack::StackCommand),
    /// Create what the services must hold: topics, schemas, tables, publications, slot. May be run again.
    Setup(setup::SetupArgs),
    /// Fetch users from randomuser.me, or simulated ones, into PostgreSQL.
    Users(users::UsersArgs),
    /// Users and past events into PostgreSQL.
    #[command(subcommand)]
    Ingest(ingest::IngestCommand),
    /// Send shoppers' events into PostgreSQL.
    Simulate(simulate::SimulateArgs),
    /// Take real events over gRPC and HTTP into PostgreSQL, until Ctrl-C.
    Collect(collect::CollectArgs),
    /// The relay from PostgreSQL to Kafka.
    #[command(subcommand)]
    Relay(relay::RelayCommand),
    /// The Spark job: run it, look at it, stop it.
    #[command(subcommand)]
    Job(job::JobCommand),
    /// Serve the figures of every hop on /metrics, for Prometheus, until Ctrl-C.
    Metrics(metrics::MetricsArgs),
    /// Serve the Control Center, the page of the shop's figures and of the line, until Ctrl-C.
    Console(console::ConsoleArgs),
    /// Alerts: what fires, who is told, what nobody wants to be told.
    #[command(subcommand)]
    Alerts(alerts::AlertsCommand),
    /// Send one event through the live system and follow it to its row, or name the hop where it stopped.
    Doctor(doctor::DoctorArgs),
    /// Compare every cube table in Cassandra with SQL over PostgreSQL.
    Verify(verify::VerifyArgs),
    /// Print what became of every record, stage by stage and minute by minute; fails where that does not balance.
    Ledger(ledger::LedgerArgs),
    /// What was set aside: look at it, judge it again.
    #[command(subcommand)]
    Quarantine(quarantine::QuarantineCommand),
    /// Judge a schema against a subject of the registry, or register it where the contract does not own that.
    #[command(subcommand)]
    Schemas(schemas::SchemasCommand),
    /// Put closed windows right, late records included; running it again changes nothing.
    Reconcile(reconcile::ReconcileArgs),
    /// Compute every figure again from PostgreSQL, while the shop goes on.
    Rebuild(rebuild::RebuildArgs),
    /// Remove what is older than so many days, everywhere, and let nothing that old in again.
    Retention(retention::RetentionArgs),
    /// Remove a person everywhere and for ever; what was counted stays.
    Erase(erase::EraseArgs),
    /// Users, simulator, relay, job and verification together.
    RunJob(run_job::RunJobArgs),
    /// Print what makes a shell complete the words of this command.
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

/// Says what is wrong with the words of the command, which may hold an address with its password; help goes where it was asked for.
fn refuse(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        eprintln!("{}", error.render().to_string().trim_end());
    } else {
        // A closed pipe is no reason to complain.
        let _ = error.print();
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1))
}
