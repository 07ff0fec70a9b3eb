//! Case 8: Cassandra goes away, comes back slow, finds its disk full, and is well again.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use contracts::cube::GROUPINGS;
use scylla::value::{CqlValue, Row};
use stack::{Isolated, Service, Signal, Silent};

use super::{IN_MID_STREAM, in_state, until_flowing};
use crate::support::{Line, Sent, isolated_stack, on_services, until};

/// How long it is away at least.
const AWAY: Duration = Duration::from_secs(300);

/// How long it is slow after that.
const SLOW_FOR: Duration = Duration::from_secs(60);

/// Slow: it answers nobody for a while, a little for a moment, and so on.
const SLOW: (Duration, Duration) = (Duration::from_millis(1_500), Duration::from_millis(300));

/// The watchdog's patience in this test.
const STALL_AFTER_S: u64 = 20;

#[tokio::test(flavor = "multi_thread")]
async fn cassandra_away_slow_with_a_full_disk_and_back() {
    if !crate::long_tests() {
        return;
    }
    let (_turn, stack) = isolated_stack().await;
    let test = async |line: &Line| {
        let relay = line.relay().await;
        let mut job = line.job_with(&format!("--stall-after-s {STALL_AFTER_S}")).await;
        let simulation = line.start("simulate --rate 250 --duration forever --repeated-pct 1");
        line.until_read(IN_MID_STREAM).await;

        let gone = Instant::now();
        stack.signal(Service::Cassandra, Signal::SIGKILL).unwrap();
        let seen = until("the watchdog sees it", async || in_state(line, "restarting", 0).await).await;
        assert!(
            seen.detail.contains("no task of a micro-batch ended") || seen.detail.contains("cassandra"),
            "{seen:?}"
        );
        // The outage itself, longer than the watchdog's patience.
        tokio::time::sleep(AWAY.saturating_sub(gone.elapsed())).await;
        // Not hung: it goes on trying and says so.
        assert!(job.is_running());
        let status = line.run("job status").await;
        assert!(!status.out.contains("lost"), "{status}");
        back(&stack).await;
        until_flowing(line).await;

        let slow_until = Instant::now() + SLOW_FOR;
        while Instant::now() < slow_until {
            // What is tested is how it is slow: by these times.
            stack.pause(Service::Cassandra).unwrap();
            tokio::time::sleep(SLOW.0).await;
            stack.resume(Service::Cassandra).unwrap();
            tokio::time::sleep(SLOW.1).await;
        }
        until_flowing(line).await;

        let faults = line.progress().await.restarts;
        fill_the_disk(&stack, line).await;
        until("the watchdog sees it", async || in_state(line, "restarting", faults).await).await;
        stack.signal(Service::Cassandra, Signal::SIGKILL).unwrap();
        back(&stack).await;
        until_flowing(line).await;

        assert!(job.is_running());
        let sent = Sent::of(simulation.stop().await);
        line.assert_verified(sent).await;
        assert_no_row_is_torn(line).await;
        job.stop().await.succeeded();
        relay.stop().await.succeeded();
    };
    Box::pin(on_services(&stack, test)).await;
}

async fn back(stack: &Isolated) {
    Box::pin(stack.start(Service::Cassandra, Arc::new(Silent))).await.unwrap();
}

/// Every write of Cassandra fails from here on, as on a disk without room: no file of its may grow beyond a
/// byte.
async fn fill_the_disk(stack: &Isolated, line: &Line) {
    let session = provision::connect_cassandra(&line.endpoints.cassandra_contact_points).await.unwrap();
    let pid = stack.process(Service::Cassandra).unwrap().pid.to_string();
    let limited = Command::new("prlimit").args(["--pid", &pid, "--fsize=1"]).status().unwrap();
    assert!(limited.success());
    // A change of the schema is written to disk at once.
    let keyspace = line.endpoints.namespace.keyspace();
    let create = format!("create table {keyspace}.no_room (id int primary key)");
    let refused = session.query_unpaged(create, ()).await;
    assert!(refused.is_err(), "cassandra wrote although it could not");
}

/// All figures of a row come from one write.
async fn assert_no_row_is_torn(line: &Line) {
    let session = provision::connect_cassandra(&line.endpoints.cassandra_contact_points).await.unwrap();
    let mut rows_seen = 0;
    for grouping in GROUPINGS {
        let times: Vec<String> =
            grouping.measures.iter().map(|measure| format!("writetime({})", measure.column())).collect();
        let keyspace = line.endpoints.namespace.keyspace();
        let select = format!("select {} from {keyspace}.{}", times.join(", "), grouping.table);
        let found = session.query_unpaged(select, ()).await.unwrap().into_rows_result().unwrap();
        for row in found.rows::<Row>().unwrap() {
            let times = row.unwrap().columns;
            let first = &times[0];
            assert!(matches!(first, Some(CqlValue::BigInt(_))), "{}: {times:?}", grouping.table);
            assert!(times.iter().all(|time| time == first), "{} is torn: {times:?}", grouping.table);
            rows_seen += 1;
        }
    }
    assert!(rows_seen > 0);
}
