//! Case 5: the Connect server, or an executor, dies between two steps of the sink's commit.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use stack::{Isolated, Service, Signal, Silent};
use tests::chaos::arm;

use super::{IN_MID_STREAM, in_state, newest, plan, until_flowing};
use crate::support::{Line, Sent, isolated_stack, on_services, until};

/// How soon the supervisor must have submitted the plan again.
const SUBMITTED_AGAIN: Duration = Duration::from_secs(60);

/// Lets the Connect server die in a micro-batch: at a place of its own, or by `kill -9` while an executor is
/// held at one.
async fn connect_dies_at(stack: &Isolated, line: &Line, place: &str) {
    let before = (plan(line).await, line.progress().await);
    let server = stack.process(Service::SparkConnect).unwrap();
    let reached = arm(stack, place).unwrap();
    until(&format!("the sink reaches {place}"), async || {
        if reached.exists() { Ok(()) } else { Err("no micro-batch".to_owned()) }
    })
    .await;
    if place.ends_with(":hold") {
        stack.signal(Service::SparkConnect, Signal::SIGKILL).unwrap();
    }
    let died = Instant::now();
    assert!(server.wait_gone(Duration::from_secs(10)), "{place}");
    fs::remove_file(&reached).unwrap();
    let (planned, committed) = (newest(&before.0, "offsets"), newest(&before.0, "commits"));
    assert_eq!(planned, committed + 1, "{place}: no micro-batch was under way");

    Box::pin(stack.start(Service::SparkConnect, Arc::new(Silent))).await.unwrap();
    let faults = before.1.restarts;
    until("the supervisor submits the plan again", async || in_state(line, "running", faults).await).await;
    assert!(died.elapsed() < SUBMITTED_AGAIN, "{place}: {:?}", died.elapsed());
    assert_eq!(plan(line).await, before.0, "{place}");
    until_flowing(line).await;
}

/// Lets the executor die; Spark starts another by itself and runs its task again.
async fn executor_dies_at(stack: &Isolated, line: &Line, place: &str) {
    let before = stack.executors().unwrap();
    let reached = arm(stack, place).unwrap();
    until(&format!("an executor dies at {place}"), async || {
        if reached.exists() && before.iter().all(|executor| !executor.is_alive()) {
            Ok(())
        } else {
            Err(format!("{before:?}"))
        }
    })
    .await;
    fs::remove_file(&reached).unwrap();
    until_flowing(line).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connect_server_or_executor_killed_between_two_steps_of_the_sinks_commit() {
    if !crate::long_tests() {
        return;
    }
    let (_turn, stack) = isolated_stack().await;
    let test = async |line: &Line| {
        let relay = line.relay().await;
        let mut job = line.job().await;
        let simulation = line.start("simulate --rate 250 --duration forever --repeated-pct 1");
        line.until_read(IN_MID_STREAM).await;
        // Before the sink, in mid sink, before the commit log.
        for place in ["sink-before-tasks", "sink-between-tables:hold", "sink-after-driver-commit"] {
            Box::pin(connect_dies_at(&stack, line, place)).await;
        }
        executor_dies_at(&stack, line, "sink-between-tables").await;
        executor_dies_at(&stack, line, "sink-after-finish").await;
        assert!(job.is_running());
        let sent = Sent::of(simulation.stop().await);
        line.assert_verified(sent).await;
        job.stop().await.succeeded();
        relay.stop().await.succeeded();
    };
    Box::pin(on_services(&stack, test)).await;
}
