//! What a Connect server that was restarted says about a query it does not know, and what becomes of one
//! whose context ends.

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jobs::spark;
use spark_connect_rs::streaming::Trigger;
use stack::{Health, Isolated, Service, ServiceStatus, Signal, Silent};

const ANSWER: Duration = Duration::from_secs(30);
const DEADLINE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_server_knows_no_query_and_one_without_a_context_ends() {
    // Its own: others use the shared one.
    let stack = stack::isolated(&[Service::SparkConnect], Arc::new(Silent)).await.unwrap();
    let session = spark::connect(&stack.variable("SPARK_REMOTE").unwrap().unwrap()).await.unwrap();
    let query = spark::call("start a query", ANSWER, move || {
        session
            .read_stream()
            .format("rate")
            .load(None)
            .write_stream()
            .format("noop")
            .output_mode("append")
            .trigger(Trigger::ProcessingTime("1 second".to_owned()))
            .start("")
    })
    .await
    .unwrap();
    let asked = query.clone();
    assert!(spark::call("ask", ANSWER, move || asked.is_active()).await.unwrap());

    // Nobody asks while it is away: the next answer is that of a server that is well and has never heard of
    // the query.
    stack.signal(Service::SparkConnect, Signal::SIGKILL).unwrap();
    stack.start(Service::SparkConnect, Arc::new(Silent)).await.unwrap();
    let began = Instant::now();
    loop {
        let asked = query.clone();
        let answer = spark::call("ask", ANSWER, move || asked.is_active()).await;
        let error = answer.expect_err("a query that the server does not know is no query that ended");
        let text = format!("{error:?}");
        // The first questions may still go out on the dead connection.
        if text.contains("not found") {
            break;
        }
        assert!(began.elapsed() < DEADLINE, "{text}");
    }
    ends_with_its_context(&stack).await;
}

/// The master drops an application after ten executors that failed in a row: here the worker has no room for
/// their folders.
async fn ends_with_its_context(stack: &Isolated) {
    let server = stack.process(Service::SparkConnect).unwrap();
    for folder in fs::read_dir(stack.home().join("data/spark-worker")).unwrap() {
        let folder = folder.unwrap().path();
        fs::remove_dir_all(&folder).unwrap();
        fs::write(&folder, "in the way").unwrap();
    }
    for executor in stack.executors().unwrap() {
        let killed = Command::new("kill").args(["-9", &executor.pid.to_string()]).status().unwrap();
        assert!(killed.success());
    }
    assert!(server.wait_gone(DEADLINE), "the server lives on without a context");
    let status = |all: Vec<ServiceStatus>| all.into_iter().find(|one| one.name == "spark-connect").unwrap();
    let ended = status(stack.status().await.unwrap());
    assert_eq!(ended.health, Health::Stopped);
    assert!(ended.problem.unwrap().contains("`stack up` starts it again"));
    stack.start(Service::SparkConnect, Arc::new(Silent)).await.unwrap();
    assert_eq!(status(stack.status().await.unwrap()).health, Health::Healthy);
}
