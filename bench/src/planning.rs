//! What the job's plan costs: a topic scanned, decoded and judged, folded into the cube, and written. All of
//! it runs as batches over one topic, in turns, so that the share of each step can be told.
//!
//! Rows go to Spark's `noop` sink, which computes every column and keeps none. The peer does the same
//! groupings as they are usually written in PySpark, in a Spark of its own (`bench/peer/plan.py`).

mod peer;

use anyhow::ensure;
use clap::Args;
use contracts::cube::GROUPINGS;
use contracts::endpoints::Endpoints;
use contracts::measure::MEASURE;
use jobs::measured::{Measured, Part};
use jobs::spark::SHUFFLE_PARTITIONS;

use self::peer::Peer;
use crate::Warm;
use crate::filling::fill;
use crate::report::Report;
use crate::scratch::in_scratch_namespace;

/// What is timed, and what is printed of it.
const PARTS: [(Part, &str); 5] = [
    (Part::Scan, "kafka scanned"),
    (Part::Judged, "scanned, decoded and judged"),
    (Part::Cube, "the cube's plan"),
    (Part::Groupings, "its groupings as queries of their own"),
    (Part::Written, "the cube into cassandra by our sink"),
];

/// What is measured.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// Leaves the peer out, which installs PySpark the first time.
    #[arg(long)]
    alone: bool,
}

pub(crate) async fn run(warm: &Warm, events: u64, runs: usize, options: Options) -> anyhow::Result<()> {
    ensure!(runs > 0 && events > 0, "at least one run of one event is needed");
    let report = Report::new("plan", warm.stack.services())?;
    let body = async |endpoints: Endpoints| {
        Box::pin(measure(&endpoints, events, runs, !options.alone, report)).await
    };
    in_scratch_namespace(&warm.endpoints, body).await
}

async fn measure(
    endpoints: &Endpoints,
    events: u64,
    runs: usize,
    with_peer: bool,
    mut report: Report,
) -> anyhow::Result<()> {
    let assigned = fill(endpoints, events).await?;
    let measured = Measured::connect(endpoints, &assigned).await?;
    let mut peer = if with_peer { Some(Peer::start(endpoints, &assigned).await?) } else { None };
    let mut peer_seconds = Vec::new();
    println!("{events} events in the topic, {runs} runs; a run before them is not counted");
    let mut seconds: [Vec<f64>; PARTS.len()] = Default::default();
    for run in 0..=runs {
        for ((part, _), seconds) in PARTS.iter().zip(&mut seconds) {
            let took = measured.time(*part).await?.as_secs_f64();
            // Spark compiles in the first one.
            if run > 0 {
                seconds.push(took);
            }
        }
        if let Some(peer) = &mut peer {
            let took = peer.turn().await?;
            if run > 0 {
                peer_seconds.push(took);
            }
        }
    }
    if let Some(peer) = peer {
        peer.stop().await?;
    }
    all_is_counted(endpoints, events).await?;

    let limits = ["", "", "", "", ">= 60,000"];
    for (((_, what), seconds), limit) in PARTS.iter().zip(&seconds).zip(limits) {
        let mut rates: Vec<f64> = seconds.iter().map(|seconds| events as f64 / seconds).collect();
        report.runs_within(what, "events/s", &mut rates, limit);
    }
    if with_peer {
        let mut rates: Vec<f64> = peer_seconds.iter().map(|seconds| events as f64 / seconds).collect();
        report.runs("pyspark, a groupBy for each grouping", "events/s", &mut rates);
    }
    let [scan, judged, cube, groupings, _] = seconds.map(|mut seconds| crate::spread(&mut seconds).1);
    report.once("ratio of the cube's plan to the scan", scan / cube, "", ">= 0.45");
    report.once(
        &format!("ratio of the cube's plan to {} queries", GROUPINGS.len()),
        groupings / cube,
        "",
        "",
    );
    if with_peer {
        let ratio = crate::spread(&mut peer_seconds).1 / cube;
        report.once("ratio of the cube's plan to pyspark", ratio, "", "");
    }
    let busy_us = (judged - scan) * f64::from(SHUFFLE_PARTITIONS) * 1e6;
    report.once("decoding and judging, on each core", busy_us / events as f64, "us/record", "<= 3");
    report.end()
}

/// What wrote last has counted every event.
pub(crate) async fn all_is_counted(endpoints: &Endpoints, events: u64) -> anyhow::Result<()> {
    let session = provision::connect_cassandra(&endpoints.cassandra_contact_points).await?;
    let table = GROUPINGS[0].table;
    let sum = format!("select sum({}) from {}.{table}", MEASURE.events, endpoints.namespace.keyspace());
    let (counted,) = session.query_unpaged(sum, ()).await?.into_rows_result()?.single_row::<(i64,)>()?;
    ensure!(u64::try_from(counted) == Ok(events), "{table} has {counted} of {events} events");
    Ok(())
}
