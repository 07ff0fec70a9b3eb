//! `storepulse job`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Subcommand};
use contracts::endpoints::Endpoints;
use contracts::reported::job::{HELD, RUNNING};
use jobs::control::Wish;
use jobs::lease::{self, Acquired, Hold, Patience};
use jobs::plans::{self, CUBE_QUERY, NewPlan};
use jobs::progress::JobProgress;
use jobs::supervisor::{self, JobConfig};
use jobs::{control, fingerprint, retention};
use tokio::sync::watch;

use crate::{connect, console, interrupt};

#[derive(Subcommand)]
pub(crate) enum JobCommand {
    /// Submit the plan and supervise it until Ctrl-C or `storepulse job stop`.
    Run(RunArgs),
    /// Show the state of the job. Exits 1 if no supervisor is active.
    Status(StatusArgs),
    /// Stop the job and end its supervisor. Waits until both have ended.
    Stop(StopArgs),
    /// End the queries, but keep the supervisor. `job resume`, `job restart`, `run-job` or the Control Center
    /// starts them again. Waits until they have ended.
    Hold(WishArgs),
    /// Resume a job on hold. Waits until it runs.
    Resume(WishArgs),
    /// Submit the queries again from their checkpoints. Waits until they run.
    Restart(WishArgs),
    /// Prepare the plan to start anew: at the topic's start, with the next revision and an empty checkpoint.
    Reset(ResetArgs),
}

#[derive(Args)]
pub(crate) struct RunArgs {
    /// The address of the Spark Connect server: sc://host:port/;key=value. Any Spark 3.5 cluster with our
    /// jars is suitable. Everybody on this machine can see the address in the list of processes. If it
    /// contains a secret, use --remote-file.
    #[arg(long, value_name = "URL")]
    remote: Option<String>,
    /// A file with the address of the Spark Connect server on one line. The default is the file that
    /// SPARK_REMOTE_FILE names.
    #[arg(long, value_name = "FILE", conflicts_with = "remote")]
    remote_file: Option<PathBuf>,
    /// The minimum interval between the starts of micro-batches, in ms.
    #[arg(long, default_value_t = 500)]
    trigger_ms: u64,
    /// The maximum number of records of a micro-batch. The actual number depends on how long earlier
    /// micro-batches took.
    #[arg(long, default_value_t = 200_000)]
    max_offsets_per_trigger: u64,
    /// How often the queries other than the cube's run a micro-batch. 100 keeps their usual intervals (7 to
    /// 23 s), and 200 doubles them. With less than 100, the tables of these queries are more current. With
    /// more than 100, the cube gets more of a small cluster.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    beside_pct: u32,
    /// If no task of an open micro-batch finishes for this many seconds, the job is submitted again. Until
    /// the first micro-batch ends, three times this value applies.
    #[arg(long, default_value_t = 60)]
    stall_after_s: u64,
    /// If another supervisor runs the job, wait until that one ends, and take over then.
    #[arg(long)]
    standby: bool,
}

#[derive(Args)]
pub(crate) struct StatusArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct ResetArgs {
    /// How many tasks the streams of the plan use. The number of cores of the cluster is best. The default
    /// keeps the present number, which is 2 at first.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1024))]
    shuffle_partitions: Option<u32>,
}

#[derive(Args)]
pub(crate) struct StopArgs {
    /// Seconds to wait until the job has stopped.
    #[arg(long, default_value_t = 60)]
    timeout_s: u64,
}

#[derive(Args)]
pub(crate) struct WishArgs {
    /// The reason, which other operators see.
    #[arg(long, default_value = "")]
    reason: String,
    /// Seconds to wait until the supervisor has followed the request.
    #[arg(long, default_value_t = 180)]
    timeout_s: u64,
}

pub(crate) async fn run(command: JobCommand) -> anyhow::Result<ExitCode> {
    let endpoints = match &command {
        JobCommand::Run(args) => connect::endpoints_at(args.remote.as_deref(), args.remote_file.as_deref())?,
        _ => connect::endpoints()?,
    };
    match command {
        JobCommand::Run(args) => supervise(endpoints, args).await,
        JobCommand::Status(args) => status(&endpoints, args.json).await,
        JobCommand::Stop(args) => stop(&endpoints, Duration::from_secs(args.timeout_s)).await,
        JobCommand::Hold(args) => wish(&endpoints, Wish::Hold, args).await,
        JobCommand::Resume(args) => wish(&endpoints, Wish::Resume, args).await,
        JobCommand::Restart(args) => wish(&endpoints, Wish::Restart, args).await,
        JobCommand::Reset(args) => reset(&endpoints, &args).await,
    }
}

async fn supervise(endpoints: Endpoints, args: RunArgs) -> anyhow::Result<ExitCode> {
    let config = JobConfig {
        trigger: Duration::from_millis(args.trigger_ms),
        beside_pct: args.beside_pct,
        max_offsets_per_trigger: args.max_offsets_per_trigger,
        stall_after: Duration::from_secs(args.stall_after_s),
        standby: args.standby,
        ..JobConfig::new(endpoints)
    };
    let cancel = interrupt::token()?;
    let (sender, mut receiver) = watch::channel(JobProgress::default());
    let printer = tokio::spawn(async move {
        let mut last = String::new();
        let mut next = tokio::time::Instant::now();
        while receiver.changed().await.is_ok() {
            let line = line(&receiver.borrow_and_update().clone());
            // A line when something other than the figures changed, and at least every 5 s.
            let headline = line.split("  ").next().unwrap_or_default().to_owned();
            if headline != last || tokio::time::Instant::now() >= next {
                println!("{line}");
                last = headline;
                next = tokio::time::Instant::now() + Duration::from_secs(5);
            }
        }
    });
    let result = supervisor::run(&config, &cancel, &sender).await;
    drop(sender);
    // The printer ends with the channel.
    let _ = printer.await;
    result?;
    Ok(ExitCode::SUCCESS)
}

/// The job in one line.
pub(crate) fn line(job: &JobProgress) -> String {
    let mut text = format!("{:<10}", job.state.as_str());
    if !job.detail.is_empty() {
        text += &format!("  {}", job.detail);
    }
    if let Some(batch) = job.batch_id {
        let seconds =
            |ms: Option<i64>| ms.map_or_else(|| "-".into(), |ms| format!("{:.1} s", ms as f64 / 1000.0));
        let clock = |at: Option<chrono::DateTime<chrono::Utc>>| {
            at.map_or_else(|| "-".into(), |at| at.format("%H:%M:%S").to_string())
        };
        text += &format!(
            "  batch {batch} in {} ms, {:.0} rows/s, {} rows read, watermark {}, lag p50 {} p99 {}, {} state rows",
            job.batch_ms,
            job.rows_per_s,
            job.input_rows,
            clock(job.watermark),
            seconds(job.lag_p50_ms),
            seconds(job.lag_p99_ms),
            job.state_rows,
        );
    }
    if job.rows_dropped_by_watermark > 0 {
        text += &format!("  FAULT: spark dropped {} rows as too late", job.rows_dropped_by_watermark);
    }
    if job.restarts > 0 {
        text += &format!("  {} restarts", job.restarts);
    }
    text
}

async fn status(endpoints: &Endpoints, json: bool) -> anyhow::Result<ExitCode> {
    let client = control::connect(&endpoints.pg_url).await?;
    let latest = control::latest(&client, CUBE_QUERY).await?;
    let active = latest.as_ref().is_some_and(control::Run::active);
    let lease = lease::current(&client, CUBE_QUERY).await?.filter(lease::Seen::is_held);
    if json {
        println!("{}", serde_json::to_string_pretty(&latest)?);
    } else {
        match latest {
            None => println!("the job has never run; start it with `storepulse job run`"),
            Some(run) => {
                let since = run.started_at.format("%Y-%m-%d %H:%M:%S UTC");
                println!("{} by {}, since {since}", if run.lost { "lost" } else { &run.state }, run.holder);
                if run.lost {
                    println!(
                        "its supervisor has been silent since {}",
                        run.reported_at.format("%H:%M:%S UTC")
                    );
                }
                if let Some(lease::Seen { lease, now }) = &lease {
                    println!(
                        "lease {} of {}, renewed {:.1} s ago",
                        lease.fencing,
                        lease.holder,
                        (*now - lease.renewed_at).as_seconds_f64()
                    );
                }
                if let Some(progress) = &run.progress {
                    println!("{}", line(progress));
                }
            }
        }
    }
    Ok(if active { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Why the job does not run, where it does not. One that is being submitted again has a supervisor too, and
/// figures move only while it runs; one that is held is as somebody wants it.
pub(crate) async fn problem(endpoints: &Endpoints) -> anyhow::Result<Option<String>> {
    let client = control::connect(&endpoints.pg_url).await?;
    Ok(match control::latest(&client, CUBE_QUERY).await? {
        None => Some("the job has never run".to_owned()),
        Some(run) if run.lost => Some(format!("the supervisor {} is silent", run.holder)),
        Some(run) if matches!(run.state.as_str(), RUNNING | HELD) => None,
        Some(run) => Some(format!("the job is {}", run.state)),
    })
}

async fn stop(endpoints: &Endpoints, timeout: Duration) -> anyhow::Result<ExitCode> {
    let client = control::connect(&endpoints.pg_url).await?;
    if !control::latest(&client, CUBE_QUERY).await?.is_some_and(|run| run.active()) {
        println!("the job does not run");
        stop_remains(endpoints).await;
        return Ok(ExitCode::SUCCESS);
    }
    control::request_stop(&client, CUBE_QUERY).await?;
    let deadline = tokio::time::Instant::now() + timeout;
    let mut poll = tokio::time::interval(Duration::from_millis(250));
    loop {
        poll.tick().await;
        if !control::latest(&client, CUBE_QUERY).await?.is_some_and(|run| run.active()) {
            println!("stopped");
            return Ok(ExitCode::SUCCESS);
        }
        if tokio::time::Instant::now() > deadline {
            anyhow::bail!(
                "the job has not stopped within {} s: see `storepulse job status`",
                timeout.as_secs()
            );
        }
    }
}

/// Records what is wanted and waits until the supervisor has done it; where none is at work, the next one
/// does.
async fn wish(endpoints: &Endpoints, wish: Wish, args: WishArgs) -> anyhow::Result<ExitCode> {
    let client = control::connect(&endpoints.pg_url).await?;
    let before = control::latest(&client, CUBE_QUERY).await?.filter(control::Run::active);
    control::wish(&client, CUBE_QUERY, wish, &console::accounts::own_name(), &args.reason).await?;
    let Some(before) = before else {
        println!("no supervisor runs the job: the next `storepulse job run` follows this request");
        return Ok(ExitCode::SUCCESS);
    };
    // A job that runs has to be seen to stop before it counts as submitted again.
    let mut due = wish != Wish::Restart || before.state != RUNNING;
    let wanted = if wish == Wish::Hold { HELD } else { RUNNING };
    let deadline = tokio::time::Instant::now() + Duration::from_secs(args.timeout_s);
    let mut poll = tokio::time::interval(Duration::from_millis(250));
    loop {
        poll.tick().await;
        let run = control::latest(&client, CUBE_QUERY).await?.filter(control::Run::active);
        let run = run.context("its supervisor ended meanwhile: see `storepulse job status`")?;
        due |= run.state != RUNNING;
        if due && run.state == wanted {
            println!("{wanted}");
            return Ok(ExitCode::SUCCESS);
        }
        if tokio::time::Instant::now() > deadline {
            anyhow::bail!(
                "the job is {} and not {wanted} after {} s: see `storepulse job status`",
                run.state,
                args.timeout_s
            );
        }
    }
}

/// What a killed supervisor left running writes nothing wrong, so a server that does not answer is only told
/// of.
async fn stop_remains(endpoints: &Endpoints) {
    match supervisor::stop_remains(endpoints).await {
        Ok(0) => {}
        Ok(queries) => println!("stopped {queries} queries that a supervisor left running"),
        Err(error) => eprintln!("  whether a supervisor left queries running is not known: {error}"),
    }
}

async fn reset(endpoints: &Endpoints, args: &ResetArgs) -> anyhow::Result<ExitCode> {
    let cancel = interrupt::token()?;
    let mut told = false;
    let acquired = lease::acquire(&endpoints.pg_url, CUBE_QUERY, Patience::UntilRenewed, &cancel, |lease| {
        if !std::mem::replace(&mut told, true) {
            eprintln!("  {} has the job's lease: waiting to see whether it is alive", lease.holder);
        }
    })
    .await?;
    let hold = match acquired {
        Acquired::Held(hold) => hold,
        Acquired::Busy(lease) => {
            anyhow::bail!("the job is run by {}: stop it first with `storepulse job stop`", lease.holder)
        }
        Acquired::Cancelled => anyhow::bail!("interrupted; nothing was changed"),
    };
    let outcome = reset_under(&hold, endpoints, args).await;
    if outcome.is_ok() {
        stop_remains(endpoints).await;
    }
    hold.release().await;
    let revision = outcome?;
    println!("the next `storepulse job run` starts at revision {revision} from the topic's start");
    println!(
        "late records that `storepulse reconcile` had counted are out of the tables again: run it afterwards"
    );
    Ok(ExitCode::SUCCESS)
}

async fn reset_under(hold: &Hold, endpoints: &Endpoints, args: &ResetArgs) -> anyhow::Result<i64> {
    let mut client = control::connect(&endpoints.pg_url).await?;
    let provisioned = provision::load(endpoints).await?;
    let brokers = endpoints.kafka_brokers.clone();
    let topic = endpoints.namespace.events_topic(provisioned.assigned.generation);
    tokio::task::spawn_blocking(move || retention::check_complete(&brokers, &topic))
        .await
        .context("the check of the topic's retention was cut off")??;
    let generation = provisioned.assigned.generation;
    let before = plans::in_force(&client, CUBE_QUERY).await?;
    let shuffle_partitions = plans::shuffle_partitions(&before, args.shuffle_partitions);
    let fingerprint = fingerprint::cube(generation, shuffle_partitions);
    if let Err(lost) = hold.confirm().await {
        anyhow::bail!("{} took the job meanwhile; nothing was changed", lost.holder);
    }
    let new = NewPlan { query: CUBE_QUERY, fingerprint: &fingerprint, generation, shuffle_partitions };
    Ok(plans::renew(&mut client, endpoints, &new).await?)
}
