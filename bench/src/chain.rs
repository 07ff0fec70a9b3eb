//! The whole line at rising rates: the highest rate that it holds, what twice that rate does to it, and the
//! highest rate that the usual design holds on the same machine.
//!
//! A rate is held where what counts reads as fast as events come in: what is offered and not read yet,
//! wherever it waits, does not grow. The peer is in `bench/peer`: a Python producer, and a PySpark job with a
//! query and a `foreachBatch` for each grouping of the cube. It runs once the line has ended.

mod line;
mod peer;
mod step;

use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use contracts::endpoints::Endpoints;
use stack::Checkout;

use self::line::Line;
use self::peer::Peer;
use self::step::Step;
use crate::Warm;
use crate::planning::all_is_counted;
use crate::processes::Commands;
use crate::report::Report;
use crate::scratch::in_scratch_namespace;

/// How long what a step left unread may take.
const READ: Duration = Duration::from_secs(1_200);
/// Between two looks at what counts.
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
    /// Seconds for which the highest of them has to be held once more; a lower one follows where it is not. 0
    /// leaves that out.
    #[arg(long, default_value_t = 600)]
    hold: u64,
    /// Seconds at twice the rate that was held.
    #[arg(long, default_value_t = 180)]
    double: u64,
    /// Leaves the peer out, which takes as long again and installs PySpark the first time.
    #[arg(long)]
    alone: bool,
}

pub(crate) async fn run(warm: &Warm, options: Options) -> anyhow::Result<()> {
    ensure!(!options.rates.is_empty() && options.rates.is_sorted(), "--rates must rise");
    ensure!(options.step >= 10 && options.double >= 10, "--step and --double must be 10 s at least");
    stack::check_room(Checkout::find()?.root(), room_mib(&options))?;
    let mut report = Report::new("chain", warm.stack.services())?;
    let body = async |endpoints: Endpoints| Box::pin(of_line(&endpoints, &options, &mut report)).await;
    let ours = in_scratch_namespace(&warm.endpoints, body).await?;
    let mut compared = Ok(());
    if !options.alone {
        let body = async |endpoints: Endpoints| Box::pin(of_peer(&endpoints, &options, &mut report)).await;
        match in_scratch_namespace(&warm.endpoints, body).await {
            Ok(peer) if peer > 0 => {
                report.once("ratio of the highest rates held", f64::from(ours) / f64::from(peer), "", "");
            }
            Ok(_) => {}
            Err(error) => compared = Err(error),
        }
    }
    // What the line came to is not lost with the peer.
    report.end()?;
    compared.context("the peer failed")
}

/// What all steps may leave in PostgreSQL, Kafka and Cassandra until the end, at 1 KiB an event.
fn room_mib(options: &Options) -> u64 {
    let highest = options.rates.last().copied().map_or(0, u64::from);
    let steps: u64 = options.rates.iter().map(|rate| u64::from(*rate) * options.step).sum();
    (steps + highest * (options.warm + options.hold + 2 * options.double)) / 1_024
}

/// The highest rate that the line holds; 0 where that is none.
async fn of_line(endpoints: &Endpoints, options: &Options, report: &mut Report) -> anyhow::Result<u32> {
    let folder = tempfile::tempdir()?;
    let commands = Commands { endpoints, folder: folder.path() };
    let [relay, job] = commands.line().await?;
    let mut line = Line::new(&commands).await?;
    let best = highest(&mut line, "line", options, report).await?;
    if best > 0 {
        let step = told(&mut line, "line, twice that rate", best * 2, options.double, report).await?;
        let share = step.read_per_s / f64::from(best);
        report.once("read at twice the rate held, of that rate", share, "", &format!(">= {LEFT}"));
        report.once("restarts meanwhile", f64::from(step.restarts), "", "0");
    }
    job.stop().await?;
    relay.stop().await?;
    Ok(best)
}

/// The same of the peer.
async fn of_peer(endpoints: &Endpoints, options: &Options, report: &mut Report) -> anyhow::Result<u32> {
    let folder = tempfile::tempdir()?;
    let mut peer = Peer::start(endpoints, folder.path()).await?;
    let best = highest(&mut peer, "peer", options, report).await?;
    all_is_counted(endpoints, peer.stop().await?).await?;
    Ok(best)
}

/// What rates are tried on.
trait Offered {
    /// Offers events at a rate for some seconds, looks at what is read meanwhile, and waits until all is.
    async fn step(&mut self, rate: u32, seconds: u64) -> anyhow::Result<Step>;
}

/// The highest rate that is held over a step, and then for longer; 0 where that is none.
async fn highest(
    offered: &mut impl Offered,
    who: &str,
    options: &Options,
    report: &mut Report,
) -> anyhow::Result<u32> {
    if options.warm > 0 {
        offered.step(options.rates[0], options.warm).await?;
    }
    let mut held = Vec::new();
    for rate in &options.rates {
        if !told(offered, who, *rate, options.step, report).await?.held(*rate) {
            break;
        }
        held.push(*rate);
    }
    let mut best = 0;
    while let Some(rate) = held.pop() {
        if options.hold == 0
            || told(offered, &format!("{who}, held on"), rate, options.hold, report).await?.held(rate)
        {
            best = rate;
            break;
        }
    }
    report.once(&format!("{who}: highest rate held"), f64::from(best), "events/s", "");
    Ok(best)
}

/// A step, and its figures.
async fn told(
    offered: &mut impl Offered,
    what: &str,
    rate: u32,
    seconds: u64,
    report: &mut Report,
) -> anyhow::Result<Step> {
    let step = offered.step(rate, seconds).await?;
    let what = format!("{what}, {rate}/s for {seconds} s");
    let figures = [
        ("offered", step.offered_per_s, "events/s"),
        ("read", step.read_per_s, "events/s"),
        ("unread grew by", step.grown_s(), "s of events"),
        ("most in kafka behind", step.most_behind as f64, "records"),
    ];
    for (figure, value, unit) in figures {
        report.once(&format!("{what}: {figure}"), value, unit, "");
    }
    if let Some(beside) = step.least_beside_per_s {
        report.once(&format!("{what}: read by the slowest beside"), beside, "events/s", "");
    }
    println!("{what}: {}", if step.held(rate) { "held" } else { "not held" });
    Ok(step)
}

/// How many events a simulator or producer says it has committed.
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
