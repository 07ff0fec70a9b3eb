//! The whole line at rising rates: the highest rate that it holds, and what twice that rate does to it.
//!
//! Simulator, relay and job run as processes in a namespace of their own, the job with all queries beside the
//! cube. A rate is held where the cube reads as fast as events come in: what is offered and not read yet,
//! wherever it waits, does not grow.

mod step;

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use contracts::endpoints::Endpoints;
use jobs::control;
use jobs::plans::CUBE_QUERY;
use jobs::progress::JobProgress;
use tokio_postgres::Client;

use self::step::{Sample, Step};
use crate::processes::Commands;
use crate::report::Report;

/// How long what a step left unread may take.
const READ: Duration = Duration::from_secs(1_200);
/// Between two looks at the job.
const LOOK: Duration = Duration::from_secs(1);
/// The share of the best rate that twice that rate must leave.
const LEFT: f64 = 0.8;

/// What is measured, and for how long.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// Events a second, one rate after another, until one is not held.
    #[arg(long, value_delimiter = ',', default_value = "5000,10000,15000,20000,25000")]
    rates: Vec<u32>,
    /// Seconds at the lowest rate before that; Spark's first minutes are slower than all later ones.
    #[arg(long, default_value_t = 120)]
    warm: u64,
    /// Seconds at each rate.
    #[arg(long, default_value_t = 120)]
    step: u64,
    /// Seconds for which the highest of them has to be held once more; a lower one follows where it is not.
    /// 0 leaves that out.
    #[arg(long, default_value_t = 600)]
    hold: u64,
    /// Seconds at twice the rate that was held.
    #[arg(long, default_value_t = 180)]
    double: u64,
}

pub(crate) async fn run(services: &Endpoints, options: Options) -> anyhow::Result<()> {
    ensure!(!options.rates.is_empty() && options.rates.is_sorted(), "--rates must rise");
    ensure!(options.step >= 10 && options.double >= 10, "--step and --double must be 10 s at least");
    let body = async |endpoints: Endpoints| Box::pin(measure(&endpoints, &options)).await;
    provision::in_scratch_namespace(services, body).await?
}

async fn measure(endpoints: &Endpoints, options: &Options) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let commands = Commands { endpoints, folder: folder.path() };
    let [relay, job] = commands.line().await?;
    let postgres = provision::connect(&endpoints.pg_url).await?;
    let mut line =
        Line { commands: &commands, postgres, committed: 0, steps: 0, report: Report::new("chain") };
    if options.warm > 0 {
        line.step(options.rates[0], options.warm).await?;
    }
    let best = line.highest(options).await?;
    match best {
        Some(best) => {
            let step = line.told("twice that rate", best * 2, options.double).await?;
            let share = step.read_per_s / f64::from(best);
            line.report.once("read at twice the rate held, of that rate", share, "", &format!(">= {LEFT}"));
            line.report.once("restarts meanwhile", f64::from(step.restarts), "", "0");
        }
        None => println!("not even {}/s is held", options.rates[0]),
    }
    line.report.once("highest rate held", f64::from(best.unwrap_or(0)), "events/s", "");
    job.stop().await?;
    relay.stop().await?;
    line.report.end()
}

/// Relay and job at work.
struct Line<'a> {
    commands: &'a Commands<'a>,
    postgres: Client,
    /// Events of all steps.
    committed: i64,
    steps: u32,
    report: Report,
}

impl Line<'_> {
    /// The highest rate that is held over a step, and then for longer.
    async fn highest(&mut self, options: &Options) -> anyhow::Result<Option<u32>> {
        let mut held = Vec::new();
        for rate in &options.rates {
            if !self.told("a step", *rate, options.step).await?.held(*rate) {
                break;
            }
            held.push(*rate);
        }
        while let Some(rate) = held.pop() {
            if options.hold == 0 || self.told("held on", rate, options.hold).await?.held(rate) {
                return Ok(Some(rate));
            }
        }
        Ok(None)
    }

    /// A step, and its figures.
    async fn told(&mut self, what: &str, rate: u32, seconds: u64) -> anyhow::Result<Step> {
        let step = self.step(rate, seconds).await?;
        let what = format!("{what}, {rate}/s for {seconds} s");
        let held = if step.held(rate) { "held" } else { "not held" };
        let figures = [
            ("offered", step.offered_per_s, "events/s"),
            ("read by the cube", step.read_per_s, "events/s"),
            ("unread grew by", step.grown_s(), "s of events"),
            ("in kafka behind the cube, most", step.most_behind as f64, "records"),
            ("read by the slowest query beside it", step.least_beside_per_s, "events/s"),
        ];
        for (figure, value, unit) in figures {
            self.report.once(&format!("{what}: {figure}"), value, unit, "");
        }
        println!("{what}: {held}");
        Ok(step)
    }

    /// Offers events at a rate, looks at the job meanwhile, and waits until all are read.
    async fn step(&mut self, rate: u32, seconds: u64) -> anyhow::Result<Step> {
        self.steps += 1;
        let words = format!("simulate --rate {rate} --duration {seconds}s --seed {}", self.steps);
        let commands = self.commands;
        let restarts = self.progress().await?.restarts;
        let began_at: chrono::DateTime<chrono::Utc> =
            self.postgres.query_one("select now()", &[]).await?.get(0);
        let began = Instant::now();
        let mut simulator = Box::pin(commands.run(&words));
        let mut looks = tokio::time::interval(LOOK);
        let mut samples = Vec::new();
        let printed = loop {
            tokio::select! {
                printed = &mut simulator => break printed?,
                _ = looks.tick() => {
                    let progress = self.progress().await?;
                    samples.push(Sample {
                        at_s: began.elapsed().as_secs_f64(),
                        read: progress.input_rows,
                        behind: progress.offsets_behind,
                    });
                }
            }
        };
        let took_s = began.elapsed().as_secs_f64();
        let committed = committed(&printed).with_context(|| format!("the simulator said {printed:?}"))?;
        let least_beside = self.least_beside(began_at).await?;
        self.committed += committed;
        self.read().await?;
        let restarts = self.progress().await?.restarts - restarts;
        let least_beside_per_s = least_beside as f64 / took_s;
        Ok(Step::of(&samples, committed as f64 / took_s, least_beside_per_s, restarts))
    }

    /// Records that the slowest of the queries beside the cube has read since then, of those that read events.
    async fn least_beside(&self, since: chrono::DateTime<chrono::Utc>) -> anyhow::Result<i64> {
        let least = "
            select coalesce(min(read), 0)::bigint from
                (select sum(rows_in) as read from ops.job_batch
                 where started_at >= $1 and query not in ('cube', 'registrations') group by query) as beside";
        Ok(self.postgres.query_one(least, &[&since]).await?.get(0))
    }

    /// Waits until the cube has read all that was offered.
    async fn read(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + READ;
        loop {
            let read = self.progress().await?.input_rows;
            if read >= self.committed {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{read} of {} events are read after {READ:?}", self.committed);
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What the job's supervisor last reported.
    async fn progress(&self) -> anyhow::Result<JobProgress> {
        let run = control::latest(&self.postgres, CUBE_QUERY).await?;
        Ok(run.and_then(|run| run.progress).unwrap_or_default())
    }
}

/// How many events a simulator says it has committed.
fn committed(printed: &str) -> Option<i64> {
    let (before, _) = printed.split_once(" committed")?;
    before.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_simulator_committed_is_read_from_its_last_line() {
        let line = "905 sent = 901 committed + 3 repeated + 1 quarantined, in 2.0 s\n";
        assert_eq!(committed(line), Some(901));
        assert_eq!(committed("stopped"), None);
    }
}
