//! What a Connect server that was restarted says about a query it does not know.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jobs::spark;
use spark_connect_rs::streaming::Trigger;
use stack::{Service, Signal, Silent};

const ANSWER: Duration = Duration::from_secs(30);
const DEADLINE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_server_knows_no_query_and_that_is_an_error() {
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

    // Nobody asks while it is away: the next answer is that of a server that is well and has never heard of the query.
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
            return;
        }
        assert!(began.elapsed() < DEADLINE, "{text}");
    }
}
