//! Whatever dies in mid-stream and is started again: each event still counts once.

use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;

use contracts::{RelayPosition, wire};
use jobs::plans::CUBE_QUERY;
use jobs::{control, progress::JobProgress};
use nix::sys::signal::Signal;
use rdkafka::Message;
use stack::{Service, Silent};
use tokio_postgres::types::PgLsn;

use crate::support::{
    Line, Process, Sent, isolated_stack, on_services, on_shared_stack, records, until, until_says,
};

/// Goes on until the test has seen what it waits for.
const SIMULATION: &str = "simulate --rate 250 --duration forever --repeated-pct 1";
/// The job has read this much when something dies, and as much again after: all of the line is at work.
const IN_MID_STREAM: i64 = 600;

/// Lets the line work on after a crash, ends the simulation and verifies all of it.
async fn assert_nothing_lost(line: &Line, simulation: Process) {
    let read = line.progress().await.input_rows;
    let progress = line.until_read(read + IN_MID_STREAM).await;
    assert_eq!(progress.rows_dropped_by_watermark, 0, "{progress:?}");
    let sent = Sent::of(simulation.stop().await);
    line.assert_verified(sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_killed_in_mid_stream() {
    on_shared_stack(async |line| {
        let relay = line.relay().await;
        let job = line.job().await;
        let simulation = line.start(SIMULATION);
        line.until_read(IN_MID_STREAM).await;
        relay.kill_9().await;
        let relay = line.relay().await;
        assert_nothing_lost(line, simulation).await;
        job.stop().await.succeeded();
        relay.stop().await.succeeded();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_killed_between_a_commit_in_kafka_and_its_confirmation() {
    on_shared_stack(async |line| {
        let job = line.job().await;
        let failpoint = [(relay::failpoint::VARIABLE, "relay-after-kafka-commit:40")];
        let relay = line.start_with("relay run", &failpoint);
        let simulation = line.start(SIMULATION);
        let died = relay.ended().await;
        assert_eq!(died.status.signal(), Some(Signal::SIGABRT as i32), "{died}");
        let (position, confirmed) = (position(line).await, confirmed(line).await);
        assert!(position > confirmed, "in kafka {position}, confirmed {confirmed}");

        let relay = line.relay().await;
        assert_nothing_lost(line, simulation).await;
        job.stop().await.succeeded();
        relay.stop().await.succeeded();
    })
    .await;
}

/// Where the last transaction in Kafka ends.
async fn position(line: &Line) -> PgLsn {
    let records = records(&line.endpoints, &line.endpoints.namespace.positions_topic()).await;
    let (_, body) = wire::split(records.last().unwrap().payload().unwrap()).unwrap();
    RelayPosition::read_avro(body).unwrap().lsn.into()
}

/// What PostgreSQL was told.
async fn confirmed(line: &Line) -> PgLsn {
    let slot = line.endpoints.namespace.slot();
    let select = "select confirmed_flush_lsn from pg_replication_slots where slot_name = $1";
    line.pg.query_one(select, &[&slot]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_killed_in_mid_stream() {
    on_shared_stack(async |line| {
        let relay = line.relay().await;
        let job = line.job().await;
        let simulation = line.start(SIMULATION);
        line.until_read(IN_MID_STREAM).await;
        // Its query lives on in the server; the next submission replaces it.
        job.kill_9().await;
        let job = line.job().await;
        assert_nothing_lost(line, simulation).await;
        let progress = line.progress().await;
        assert_eq!(progress.restarts, 0, "the replaced query troubled the new one: {progress:?}");
        job.stop().await.succeeded();
        relay.stop().await.succeeded();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_away_at_the_start_and_a_spark_connect_server_killed_in_mid_stream() {
    if !crate::long_tests() {
        return;
    }
    // A stack of its own: others use the shared one.
    let (_turn, stack) = isolated_stack().await;
    on_services(&stack, async |line| {
        stack.signal(Service::SchemaRegistry, Signal::SIGKILL).unwrap();
        let (mut relay, mut job) = (line.start("relay run"), line.start("job run"));
        for process in [&mut relay, &mut job] {
            until_says(process, "waiting: the schema registry").await;
        }
        stack.start(Service::SchemaRegistry, Arc::new(Silent)).await.unwrap();
        until_says(&mut relay, "streaming").await;
        line.until_running(&mut job).await;

        let simulation = line.start(SIMULATION);
        line.until_read(IN_MID_STREAM).await;
        stack.signal(Service::SparkConnect, Signal::SIGKILL).unwrap();
        until("the supervisor sees the fault", async || restarted(line, "restarting").await).await;
        stack.start(Service::SparkConnect, Arc::new(Silent)).await.unwrap();
        until("the supervisor submits the plan again", async || restarted(line, "running").await).await;
        assert!(job.is_running());
        assert_nothing_lost(line, simulation).await;
        job.stop().await.succeeded();
        relay.stop().await.succeeded();
    })
    .await;
}

/// The job in a state, after a fault.
async fn restarted(line: &Line, state: &str) -> Result<JobProgress, String> {
    let run = control::latest(&line.pg, CUBE_QUERY).await.unwrap().unwrap();
    match run.progress {
        Some(progress) if run.state == state && progress.restarts > 0 => Ok(progress),
        progress => Err(format!("{}: {progress:?}", run.state)),
    }
}
