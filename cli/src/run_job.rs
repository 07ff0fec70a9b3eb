//! `storepulse run-job`: the whole line at once, with one live view, drained and verified.

mod figures;
pub(crate) mod view;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use audit::{LedgerOptions, Options};
use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use contracts::endpoints::Endpoints;
use ingest::source::simulator::{Progress as Sent, Report};
use jobs::control::Wish;
use jobs::plans::CUBE_QUERY;
use jobs::progress::{JobProgress, JobState};
use jobs::supervisor::{self, JobConfig};
use relay::quarantine::{QuarantineConfig, QuarantineProgress};
use relay::{RelayConfig, RelayProgress, RelayState};
use stack::{Stack, StackConfig};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::rates::RatesArgs;
use crate::simulate::{self, SimulateArgs, Span};
use crate::users::{self, UsersArgs};
use crate::{connect, console, interrupt, job, ledger, verify};
use view::View;

#[derive(Args)]
pub(crate) struct RunJobArgs {
    /// The duration of the simulation, for example 60s or 5m, or `forever` for a run until Ctrl-C.
    #[arg(long, default_value = "60s", value_parser = simulate::parse_duration)]
    duration: Span,
    /// The number of events per second.
    #[arg(long, default_value_t = 500.0)]
    rate: f64,
    /// The seed of the simulation. The same seed gives the same events, except for their times.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The number of users.
    #[arg(long, default_value_t = 2_000)]
    users: u32,
    /// The source of users: api, simulated, or auto. The source auto tries the API for 3 s first.
    #[arg(long, default_value = "auto")]
    users_source: ingest::source::users::UsersSource,
    #[command(flatten)]
    rates: RatesArgs,
    /// Use the services that the environment names, instead of this machine's stack.
    #[arg(long)]
    no_stack: bool,
}

/// How long the job may take to run its first query; a cold Spark compiles for a while.
const JOB_START: Duration = Duration::from_secs(180);
/// What a rate is taken over.
const RATE_OVER: Duration = Duration::from_secs(2);

pub(crate) async fn run(args: RunJobArgs) -> anyhow::Result<ExitCode> {
    let cancel = interrupt::token()?;
    let (endpoints, page) = services_up(args.no_stack, &cancel).await?;
    heading("set-up");
    let provisioned = provision::apply(&endpoints).await?;
    eprintln!(
        "  topics, schemas, tables and slot are there; topic generation {}",
        provisioned.assigned.generation
    );

    if let Some(page) = &page {
        eprintln!("  {}", console::invitation(page, &endpoints.pg_url).await);
    }

    heading("users");
    users::fetch(&endpoints, &UsersArgs::plain(args.users, args.users_source, args.seed)).await?;

    heading("relay and job");
    let client = jobs::control::connect(&endpoints.pg_url).await?;
    if let Some(who) = jobs::control::held_by(&client, CUBE_QUERY).await? {
        eprintln!("  the job was held by {who}; it resumes now");
        jobs::control::wish(&client, CUBE_QUERY, Wish::Resume, &console::accounts::own_name(), "run-job")
            .await?;
    }
    let mut line = Line::start(&endpoints, &provisioned);
    let outcome = drive(&args, &endpoints, &mut line, &cancel).await;
    line.stop().await;
    let passed = outcome?;
    if let Some(page) = page {
        println!("{}", console::invitation(&page, &endpoints.pg_url).await);
    }
    println!("the stack stays up: `make down` stops it");
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn heading(text: &str) {
    eprintln!("{text}");
}

/// The services, and the page of the Control Center where the stack serves one.
async fn services_up(
    no_stack: bool,
    cancel: &CancellationToken,
) -> anyhow::Result<(Endpoints, Option<String>)> {
    if no_stack {
        return Ok((Endpoints::from_env()?, None));
    }
    heading("stack");
    let stack = Stack::open(crate::stack::with_console(StackConfig::main())?)?;
    crate::stack::up(&stack, cancel).await?;
    Ok((connect::of_stack(&stack.env()?)?, stack.console_page()))
}

/// Relay, quarantine and job, running beside each other until stopped.
struct Line {
    cancel: CancellationToken,
    relay: watch::Receiver<RelayProgress>,
    job: watch::Receiver<JobProgress>,
    tasks: JoinSet<anyhow::Result<()>>,
}

impl Line {
    /// Returns when rows flow and the query runs.
    fn running(&self) -> impl Future<Output = anyhow::Result<()>> + use<> {
        let (mut relay, mut job) = (self.relay.clone(), self.job.clone());
        let both = async move {
            relay.wait_for(|relay| relay.state == RelayState::Streaming).await?;
            eprintln!("  relay streams");
            job.wait_for(|job| job.state == JobState::Running).await?;
            eprintln!("  job runs");
            anyhow::Ok(())
        };
        async { tokio::time::timeout(JOB_START, both).await.context("relay and job did not start in time")? }
    }

    fn start(endpoints: &Endpoints, provisioned: &provision::Provisioned) -> Self {
        let cancel = CancellationToken::new();
        let (relay_sender, relay) = watch::channel(RelayProgress::default());
        let (job_sender, job) = watch::channel(JobProgress::default());
        let mut tasks = JoinSet::new();
        let (quarantine_sender, quarantine) = watch::channel(QuarantineProgress::default());
        let relay_config = RelayConfig::new(endpoints, provisioned.assigned).with_quarantine(quarantine);
        let quarantine_config = QuarantineConfig::new(endpoints, provisioned.assigned.refusal_schema_id);
        let job_config = JobConfig::new(endpoints.clone());
        let stop = cancel.clone();
        tasks.spawn(async move { Ok(relay::run(relay_config, stop, relay_sender).await?) });
        let stop = cancel.clone();
        tasks.spawn(
            async move { Ok(relay::quarantine::run(quarantine_config, stop, quarantine_sender).await?) },
        );
        let stop = cancel.clone();
        tasks.spawn(async move { Ok(supervisor::run(&job_config, &stop, &job_sender).await?) });
        Self { cancel, relay, job, tasks }
    }

    /// The first failure of any part; never returns while all of them run.
    async fn failure(&mut self) -> anyhow::Error {
        match self.tasks.join_next().await {
            Some(Ok(Err(error))) => error,
            Some(Err(error)) => {
                anyhow::Error::new(error).context("a part of the pipeline panicked, which is a defect")
            }
            Some(Ok(Ok(()))) | None => {
                anyhow::anyhow!("a part of the pipeline ended by itself: did another process stop it?")
            }
        }
    }

    async fn stop(mut self) {
        self.cancel.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            if let Ok(Err(error)) = ended {
                eprintln!("  {error:#}");
            }
        }
    }
}

/// Simulates, drains, checks, prints, verifies. Returns whether all of it is as it should be.
async fn drive(
    args: &RunJobArgs,
    endpoints: &Endpoints,
    line: &mut Line,
    cancel: &CancellationToken,
) -> anyhow::Result<bool> {
    let running = line.running();
    tokio::select! {
        running = running => running?,
        failure = line.failure() => return Err(failure),
        () = cancel.cancelled() => anyhow::bail!("interrupted before anything was simulated"),
    }
    heading(&format!("simulating {} events/s, {}, seed {}", args.rate, args.duration, args.seed));
    let began = Utc::now();
    let report = simulate(args, endpoints, line, cancel).await?;
    println!("{}", simulate::summary(&report));

    heading("draining, closing visits and verifying");
    let checked = tokio::select! {
        checked = check(endpoints, began) => checked?,
        failure = line.failure() => return Err(failure),
    };
    let (verified, ledger) = checked;
    // A visit under way when the run began has its first minute before it.
    let span = (began - TimeDelta::minutes(1))..(Utc::now() + TimeDelta::minutes(2));
    let session = provision::connect_cassandra(&endpoints.cassandra_contact_points).await?;
    let figures = audit::figures::read(&session, &endpoints.namespace, span, figures::LEADING).await?;
    println!("\n{}", figures::draw(&figures));
    println!("{}", figures::tables(&verified));
    println!("{}", lag_line(&line.job.borrow()));
    println!("{verified}");
    println!("{ledger}");
    Ok(report.is_accounted_for() && verified.passed() && ledger.balances())
}

/// Verifies the tables, then draws up the ledger; nothing more comes, so its last minutes are judged too.
async fn check(
    endpoints: &Endpoints,
    began: DateTime<Utc>,
) -> anyhow::Result<(audit::Report, audit::LedgerReport)> {
    jobs::visits::close(endpoints, began, Utc::now()).await?;
    let verified = verify::check(endpoints, Options::default()).await?;
    let options = LedgerOptions { include_open: true, ..LedgerOptions::default() };
    Ok((verified, ledger::check(endpoints, options).await?))
}

/// Runs the simulator beside the line, drawing both.
async fn simulate(
    args: &RunJobArgs,
    endpoints: &Endpoints,
    line: &mut Line,
    cancel: &CancellationToken,
) -> anyhow::Result<Report> {
    let (sender, sent) = watch::channel(Sent::default());
    let settings = SimulateArgs::plain(args.rate, args.duration, args.seed, args.rates.clone());
    let simulation = settings.drive(&endpoints.pg_url, cancel, &sender);
    tokio::pin!(simulation);
    let mut view = View::new();
    let mut tick = tokio::time::interval(View::interval());
    let mut rates = Rates::default();
    loop {
        tokio::select! {
            report = &mut simulation => {
                view.finish(&rates.lines(*sent.borrow(), &line.relay.borrow(), &line.job.borrow()));
                return report;
            }
            failure = line.failure() => return Err(failure),
            _ = tick.tick() => {
                view.draw(&rates.lines(*sent.borrow(), &line.relay.borrow(), &line.job.borrow()));
            }
        }
    }
}

/// Turns running counts into counts a second.
#[derive(Default)]
struct Rates {
    at: Option<Instant>,
    sent: u64,
    relayed: u64,
    sent_per_s: u64,
    relayed_per_s: u64,
}

impl Rates {
    fn lines(&mut self, sent: Sent, relay: &RelayProgress, job: &JobProgress) -> Vec<String> {
        let elapsed = self.at.map(|at| at.elapsed());
        if elapsed.is_none_or(|elapsed| elapsed >= RATE_OVER) {
            let per_s = |now: u64, before: u64| {
                let seconds = elapsed.map_or(0.0, |elapsed| elapsed.as_secs_f64());
                if seconds > 0.0 { (now.saturating_sub(before) as f64 / seconds).round() as u64 } else { 0 }
            };
            self.sent_per_s = per_s(sent.sent, self.sent);
            self.relayed_per_s = per_s(relay.events_out, self.relayed);
            (self.at, self.sent, self.relayed) = (Some(Instant::now()), sent.sent, relay.events_out);
        }
        vec![
            format!("  simulator  {}", simulate::line(&sent, self.sent_per_s)),
            format!("  relay      {}", crate::relay::line(relay, self.relayed_per_s)),
            format!("  job        {}", job::line(job)),
        ]
    }
}

/// How far rows trailed their newest event over the whole run.
fn lag_line(job: &JobProgress) -> String {
    let seconds =
        |ms: Option<i64>| ms.map_or_else(|| "-".into(), |ms| format!("{:.2} s", ms as f64 / 1000.0));
    format!(
        "rows in cassandra trailed their newest event by p50 {}, p99 {}, over {} micro-batches and {} rows read",
        seconds(job.run_lag_p50_ms),
        seconds(job.run_lag_p99_ms),
        job.batches,
        job.input_rows
    )
}
