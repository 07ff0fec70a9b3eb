//! Benchmarks: each measures a part of Storepulse and, in the same run, a limit or a peer, and prints the
//! ratio.
//!
//! Nothing here asserts a time; the figures that were measured, and on what, stand in docs/performance.md.

mod accounting;
mod attacking;
mod chain;
mod collecting;
mod filling;
mod ingestion;
mod latency;
mod libpq;
mod marked_order;
mod planning;
mod processes;
mod pyspark;
mod recovery;
mod relaying;
mod report;
mod scratch;
mod sinking;
mod starting;
mod tagged;
mod watching;

use std::process::ExitCode;
use std::sync::Arc;

use crate::scratch::Interrupted;
use clap::{Parser, Subcommand};
use contracts::endpoints::Endpoints;
use stack::{PlainText, Stack};

/// Measures parts of Storepulse against a limit or a peer, in the same run.
#[derive(Parser)]
#[command(name = "bench", about)]
struct Bench {
    #[command(subcommand)]
    what: Option<What>,
    /// Runs of each side, or warm starts; the median is printed, with the smallest and the largest.
    #[arg(long, global = true, default_value_t = 3)]
    runs: usize,
    /// Events a run, for the sink rows; 1,000,000 for ingestion and sink, 500,000 for the relay, 400,000 for
    /// the collector and 2,000,000 for the plan where nothing is given.
    #[arg(long, global = true)]
    events: Option<u64>,
}

#[derive(Subcommand, Clone)]
enum What {
    /// Simulating and copying into the keyed table, against psql's binary \copy of the same rows.
    Ingestion,
    /// The relay draining a backlog into Kafka exactly once, against pg_recvlogical; its memory and latency.
    Relay,
    /// The collector over gRPC and HTTP, acknowledging what is committed, against the store alone.
    Collector,
    /// The collector beside a key that tries whatever it can: what an honest sender notices, and memory.
    /// Takes six minutes.
    Attack(attacking::Options),
    /// From a tagged order's time to its row in Cassandra, at several rates. Takes ten minutes.
    Latency(latency::Options),
    /// The Control Center beside a line at 500 events/s: what it takes, and how soon an order is shown.
    Console(watching::Options),
    /// The job's plan over a full topic, in batch: scan, decoding and judging, cube, six queries, Cassandra;
    /// against PySpark.
    Plan(planning::Options),
    /// Upserts of rows through the sink, against the scylla driver and the connector's own append.
    Sink,
    /// The highest rate of events that relay and job hold, against PySpark, and what twice that rate does to
    /// them. Takes an hour.
    Chain(chain::Options),
    /// From kill -9 of Spark's executor, worker or Connect server until a fresh order can be read again, on a
    /// stack of its own. Takes a quarter of an hour.
    Recovery(recovery::Options),
    /// From the start of `storepulse run-job`, with every service stopped, to the first verified row; and the
    /// memory of all services under load. On a stack of its own. Takes a quarter of an hour.
    Start(starting::Options),
    #[command(name = relaying::PROCESS, hide = true)]
    RelayProcess,
}

/// Empties the table of events between two turns, which nobody publishes here.
const EMPTY: &str = "do $$ declare guarded regclass; begin \
     for guarded in select 'raw.events'::regclass union all select inhrelid from pg_inherits where inhparent = 'raw.events'::regclass loop \
     execute format('alter table %s disable trigger refuse_truncate', guarded); end loop; \
     truncate raw.events; \
     for guarded in select 'raw.events'::regclass union all select inhrelid from pg_inherits where inhparent = 'raw.events'::regclass loop \
     execute format('alter table %s enable trigger refuse_truncate', guarded); end loop; end $$";

const INGESTED_EVENTS: u64 = 1_000_000;
const RELAYED_EVENTS: u64 = 500_000;
const COLLECTED_EVENTS: u64 = 400_000;
const PLANNED_EVENTS: u64 = 2_000_000;
const SUNK_ROWS: u64 = 1_000_000;

/// Exit code after Ctrl-C: 128 + SIGINT.
const INTERRUPTED: u8 = 130;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let (args, mut asked) = (Bench::parse(), false);
    let mut run = Box::pin(run(args));
    loop {
        tokio::select! {
            done = &mut run => {
                return match done {
                    Err(error) if error.is::<Interrupted>() => Ok(stopped()),
                    done => done.map(|()| ExitCode::SUCCESS),
                };
            }
            signal = scratch::interrupted() => {
                signal?;
                if scratch::answers_signals() && !std::mem::replace(&mut asked, true) {
                    eprintln!("stopping; repeat the signal to stop at once");
                } else {
                    // What runs is dropped, which ends the processes and the stack that it had started.
                    return Ok(stopped());
                }
            }
        }
    }
}

fn stopped() -> ExitCode {
    eprintln!("stopped");
    ExitCode::from(INTERRUPTED)
}

async fn run(args: Bench) -> anyhow::Result<()> {
    let relayed = args.events.unwrap_or(RELAYED_EVENTS);
    match args.what.unwrap_or(What::Ingestion) {
        What::Ingestion => {
            ingestion::run(&warm().await?, args.events.unwrap_or(INGESTED_EVENTS), args.runs).await
        }
        What::Relay => relaying::run(&warm().await?, relayed, args.runs).await,
        What::Collector => collecting::run(args.events.unwrap_or(COLLECTED_EVENTS), args.runs).await,
        What::Attack(options) => attacking::run(options).await,
        What::Console(options) => watching::run(&warm().await?, options).await,
        What::Latency(options) => latency::run(&warm().await?, options).await,
        What::Plan(options) => {
            let events = args.events.unwrap_or(PLANNED_EVENTS);
            planning::run(&warm().await?, events, args.runs, options).await
        }
        What::Sink => sinking::run(&warm().await?, args.events.unwrap_or(SUNK_ROWS), args.runs).await,
        What::Chain(options) => chain::run(&warm().await?, options).await,
        What::Recovery(options) => recovery::run(options).await,
        What::Start(options) => starting::run(options, args.runs).await,
        What::RelayProcess => relaying::process(relayed).await,
    }
}

/// The warm stack, and where its services are.
struct Warm {
    stack: Stack,
    endpoints: Endpoints,
}

async fn warm() -> anyhow::Result<Warm> {
    let stack = stack::shared(Arc::new(PlainText)).await?;
    Ok(Warm { endpoints: Endpoints::from_variables(&stack.env()?)?, stack })
}

/// Smallest, median and largest of some figures.
fn spread(figures: &mut [f64]) -> (f64, f64, f64) {
    figures.sort_by(f64::total_cmp);
    (figures[0], figures[figures.len() / 2], figures[figures.len() - 1])
}

/// The value below which so many of a hundred lie.
fn percentile(values: &mut [f64], of_hundred: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let index = (values.len() * of_hundred / 100).min(values.len().saturating_sub(1));
    values.get(index).copied().unwrap_or(f64::NAN)
}
