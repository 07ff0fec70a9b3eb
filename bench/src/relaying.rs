//! The relay, exactly once into Kafka, against `pg_recvlogical`, which only receives: the same backlog, in
//! the same run. Then the relay's memory, and its latency when events come at a rate.
//!
//! The relay is a process of its own, this program once more, so that its memory is its own; it times itself
//! from its first row to its last committed record and reports on standard output.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use contracts::endpoints::Endpoints;
use contracts::{Namespace, User};
use ingest::clock::Clock;
use ingest::source::simulator::{
    Dial, Limit, Pace, Progress, Rhythm, RunConfig, measure_throughput, run as simulate,
};
use ingest::store::Store;
use relay::{RelayConfig, RelayProgress, RelayState};
use stack::{Service, Stack};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::watch;
use tokio_postgres::Client;
use tokio_postgres::types::PgLsn;
use tokio_util::sync::CancellationToken;

use crate::accounting::{Account, Taken, medians};
use crate::processes::memory_mib;
use crate::report::Report;
use crate::scratch::in_scratch_namespace;
use crate::{Warm, libpq};

/// The subcommand under which this program is the relay.
pub(crate) const PROCESS: &str = "relay-process";
/// Events a second while latency is taken.
const RATE: f64 = 1_000.0;
/// How long latency is taken; the relay reports on the last 10 to 20 s.
const LATENCY_OVER: Duration = Duration::from_secs(20);
/// The services that a relay works with.
const SERVICES: [Service; 4] =
    [Service::Postgres, Service::Zookeeper, Service::Kafka, Service::SchemaRegistry];
/// How long one drain may take.
const DEADLINE: Duration = Duration::from_secs(300);

/// What one run came to.
struct Measured {
    /// Events a second of the relay.
    ours: f64,
    /// Rows a second of the peer.
    peer: f64,
    /// The relay's largest resident memory, in MiB.
    memory_mib: f64,
    /// From PostgreSQL's commit to Kafka's, in ms.
    p50_ms: f64,
    p99_ms: f64,
    /// What the relay's drain took of the machine.
    taken: Vec<Taken>,
}

pub(crate) async fn run(warm: &Warm, events: u64, runs: usize) -> anyhow::Result<()> {
    ensure!(runs > 0 && events > 0, "at least one run of one event is needed");
    let users = crate::ingestion::users()?;
    let mut all = Vec::with_capacity(runs);
    for run in 0..runs {
        let body = async |endpoints: Endpoints| {
            Box::pin(measure(&warm.stack, &endpoints, &users, events, run)).await
        };
        all.push(in_scratch_namespace(&warm.endpoints, body).await?);
    }
    let mut report = Report::new("relay", SERVICES)?;
    println!("a backlog of {events} events in commits of 10,000, {runs} runs");
    let figures = |of: fn(&Measured) -> f64| all.iter().map(of).collect::<Vec<_>>();
    let ours = report.runs("relay into kafka, exactly once", "events/s", &mut figures(|run| run.ours));
    let peer = report.runs("pg_recvlogical into /dev/null", "rows/s", &mut figures(|run| run.peer));
    report.once("ratio", ours / peer, "", "");
    report.runs("relay's largest resident memory", "MiB", &mut figures(|run| run.memory_mib));
    report.runs("latency at 1,000 events/s, p50", "ms", &mut figures(|run| run.p50_ms));
    report.runs("latency at 1,000 events/s, p99", "ms", &mut figures(|run| run.p99_ms));
    report.parts("draining the backlog", medians(all.iter().map(|run| run.taken.as_slice())));
    report.end()
}

async fn measure(
    stack: &Stack,
    endpoints: &Endpoints,
    users: &[User],
    events: u64,
    run: usize,
) -> anyhow::Result<Measured> {
    provision::apply(endpoints).await?;
    let client = provision::connect(&endpoints.pg_url).await?;
    let slot = format!("{}_peer", endpoints.namespace);
    client
        .execute("select pg_create_logical_replication_slot($1, 'pgoutput')", &[&slot])
        .await
        .context("the peer's slot cannot be created")?;
    let measured = measure_with_slot(stack, endpoints, &client, &slot, users, events, run).await;
    // A slot left behind would keep the server's log for ever.
    client.execute("select pg_drop_replication_slot($1)", &[&slot]).await.context("drop the peer's slot")?;
    measured
}

async fn measure_with_slot(
    stack: &Stack,
    endpoints: &Endpoints,
    client: &Client,
    slot: &str,
    users: &[User],
    events: u64,
    run: usize,
) -> anyhow::Result<Measured> {
    let mut store = Store::connect(&endpoints.pg_url).await?;
    measure_throughput(&mut store, users, events, run as u64 + 1).await?;
    // Something behind the last row, so that whoever gets there has had all of them.
    let end = "select pg_logical_emit_message(false, 'bench', 'end')";
    let end: PgLsn = client.query_one(end, &[]).await?.get(0);
    // Turn by turn, so that neither always finds the log in memory.
    let mut peer = 0.0;
    if run.is_multiple_of(2) {
        peer = drain_peer(endpoints, slot, end, events).await?;
    }
    let mut relay = Relay::start(endpoints, events)?;
    let pid = relay.child.id().context("the relay has ended")?;
    let services = SERVICES.into_iter();
    let account = services.fold(Account::new(), |account, service| account.with_service(stack, service));
    let account = account.with("relay", pid);
    let [seconds] = relay.figures("drained").await?;
    let taken = account.taken(events as f64);
    let memory_mib = memory_mib(pid, "VmHWM")?;
    let paced = RunConfig {
        seed: run as u64 + 1_000,
        events_per_s: RATE,
        pace: Pace::OpenLoop { speed: 1.0 },
        limit: Limit::Time(LATENCY_OVER),
        rhythm: Rhythm::Flat,
        dial: Dial::default(),
    };
    let (progress, _) = watch::channel(Progress::default());
    let (clock, cancel) = (Clock::wall(), CancellationToken::new());
    let rates = ingest::rates::built_in();
    simulate(&paced, rates, &mut store, users, &clock, &cancel, &progress).await?;
    let [p50_ms, p99_ms] = relay.figures("latency").await?;
    relay.stop().await?;
    if run % 2 == 1 {
        peer = drain_peer(endpoints, slot, end, events).await?;
    }
    Ok(Measured { ours: events as f64 / seconds, peer, memory_mib, p50_ms, p99_ms, taken })
}

/// Rows a second that `pg_recvlogical` receives of the same rows, in binary as the relay does.
async fn drain_peer(endpoints: &Endpoints, slot: &str, end: PgLsn, events: u64) -> anyhow::Result<f64> {
    let namespace: &Namespace = &endpoints.namespace;
    let publications = [namespace.events_publication(), namespace.users_publication()].join(",");
    let mut command = Command::new("pg_recvlogical");
    libpq::connect_by(&mut command, &endpoints.pg_url)?;
    command
        .args(["--start", "--no-loop", "--file=/dev/null", "--slot", slot, "--endpos", &end.to_string()])
        .args(["--option=proto_version=1", "--option=binary=true"])
        .arg(format!("--option=publication_names={publications}"))
        .kill_on_drop(true);
    let began = Instant::now();
    let output = tokio::time::timeout(DEADLINE, command.output())
        .await
        .context("pg_recvlogical does not come to the backlog's end")?
        .context("pg_recvlogical cannot be run: install postgresql-client")?;
    ensure!(output.status.success(), "pg_recvlogical: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(events as f64 / began.elapsed().as_secs_f64())
}

/// The relay's process, and what it says.
struct Relay {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Relay {
    fn start(endpoints: &Endpoints, backlog: u64) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args([PROCESS, "--events", &backlog.to_string()])
            .envs(endpoints.variables())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let lines = BufReader::new(child.stdout.take().context("the relay has no output")?).lines();
        Ok(Self { child, lines })
    }

    /// The figures of the line that begins with a word.
    async fn figures<const N: usize>(&mut self, word: &str) -> anyhow::Result<[f64; N]> {
        let line = tokio::time::timeout(DEADLINE, self.lines.next_line())
            .await
            .with_context(|| format!("the relay has not {word} in time"))??
            .with_context(|| format!("the relay ended before it had {word}"))?;
        let mut words = line.split(' ');
        ensure!(words.next() == Some(word), "the relay said {line:?}");
        let figures: Vec<f64> = words.map(str::parse).collect::<Result<_, _>>()?;
        figures.try_into().map_err(|_| anyhow::anyhow!("the relay said {line:?}"))
    }

    /// Closes its input, at which it ends in good order.
    async fn stop(mut self) -> anyhow::Result<()> {
        drop(self.child.stdin.take());
        let status = tokio::time::timeout(DEADLINE, self.child.wait()).await??;
        ensure!(status.success(), "the relay ended with {status}");
        Ok(())
    }
}

/// This program as the relay: says how long a backlog took, and the latency of what comes after.
pub(crate) async fn process(backlog: u64) -> anyhow::Result<()> {
    let endpoints = Endpoints::from_env()?;
    let provisioned = provision::load(&endpoints).await?;
    let cancel = CancellationToken::new();
    let (sender, mut progress) = watch::channel(RelayProgress::default());
    let relay =
        tokio::spawn(relay::run(RelayConfig::new(&endpoints, provisioned.assigned), cancel.clone(), sender));
    let report = async {
        progress.wait_for(|relay| relay.state == RelayState::Streaming).await?;
        let began = Instant::now();
        progress.wait_for(|relay| relay.events_out >= backlog).await?;
        println!("drained {}", began.elapsed().as_secs_f64());
        let after = backlog + (RATE * LATENCY_OVER.as_secs_f64()) as u64;
        let latency = progress.wait_for(|relay| relay.events_out >= after).await?.latency;
        println!("latency {} {}", latency.p50_ms, latency.p99_ms);
        // Whoever started this closes its end.
        tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await??;
        anyhow::Ok(())
    };
    let reported = report.await;
    cancel.cancel();
    match relay.await? {
        Err(error) => bail!(error),
        Ok(()) => reported,
    }
}
