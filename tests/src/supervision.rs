//! Two supervisors for one job: whatever happens to the one that has the lease, its query goes on once.

use std::time::Duration;

use jobs::lease::{self, EXPIRY};
use jobs::plans::CUBE_QUERY;
use nix::sys::signal::Signal;

use crate::support::{Line, Process, Sent, on_shared_stack, until};

/// Goes on until the test has seen what it waits for.
const SIMULATION: &str = "simulate --rate 200 --duration forever --repeated-pct 1";
/// The job has read this much, and as much again: it is at work.
const AT_WORK: i64 = 400;

/// Starts a supervisor that stands by, and returns once it does.
async fn standby(line: &Line) -> Process {
    let mut standby = line.start("job run --standby");
    until("it stands by", async || {
        let output = standby.output().unwrap_or_else(|ended| panic!("{ended}"));
        if output.contains("standby") { Ok(()) } else { Err(output) }
    })
    .await;
    standby
}

/// Waits until the job is run by a process and reads on; returns its fencing number.
async fn taken_over(line: &Line, by: &Process) -> i64 {
    let holder = contracts::process_name::of(by.id());
    until("the job is taken over", async || {
        let seen = lease::current(&line.pg, CUBE_QUERY).await.unwrap().unwrap();
        let run = jobs::control::latest(&line.pg, CUBE_QUERY).await.unwrap().unwrap();
        let read = run.progress.as_ref().map_or(0, |progress| progress.input_rows);
        if seen.lease.holder == holder && run.holder == holder && run.state == "running" && read >= AT_WORK {
            Ok(seen.lease.fencing)
        } else {
            Err(format!("{seen:?} {run:?}"))
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_standby_takes_over_from_a_killed_and_from_a_frozen_supervisor() {
    on_shared_stack(async |line| {
        let relay = line.relay().await;
        let first = line.job().await;
        let simulation = line.start(SIMULATION);
        line.until_read(AT_WORK).await;
        let one = taken_over(line, &first).await;

        let second = standby(line).await;
        first.kill_9().await;
        let two = taken_over(line, &second).await;
        assert_eq!(two, one + 1);
        assert_eq!(line.progress().await.restarts, 0, "the query left behind troubled the new one");
        let told = second.printed();
        assert!(told.contains("stopped what a supervisor before left running"), "{told}");

        let third = standby(line).await;
        second.signal(Signal::SIGSTOP);
        let three = taken_over(line, &third).await;
        assert_eq!(three, two + 1);
        let restarts = line.progress().await.restarts;
        second.signal(Signal::SIGCONT);
        let ended = second.ended().await.failed();
        let named = format!("was taken over by pid {}", third.id());
        assert!(ended.err.contains(&named), "{named}: {ended}");

        // No flapping: who came back has left the other's query alone.
        let read = line.progress().await.input_rows;
        let progress = line.until_read(read + AT_WORK).await;
        assert_eq!(progress.restarts, restarts, "{progress:?}");
        assert_eq!(restarts, 0, "{progress:?}");
        assert_eq!(taken_over(line, &third).await, three);

        let sent = Sent::of(simulation.stop().await);
        line.assert_verified(sent).await;
        third.stop().await.succeeded();
        relay.stop().await.succeeded();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_the_job_stops_who_stands_by_for_it() {
    on_shared_stack(async |line| {
        let job = line.job().await;
        let standby = standby(line).await;
        line.run("job stop").await.succeeded();
        job.ended().await.succeeded();
        standby.ended().await.succeeded();

        // Without --standby, a holder that was killed is waited out, one that lives is not.
        let job = line.job().await;
        job.kill_9().await;
        let began = std::time::Instant::now();
        let job = line.job().await;
        assert!(began.elapsed() > EXPIRY - Duration::from_secs(4), "{:?}", began.elapsed());
        line.run("job run").await.failed();
        line.run("job stop").await.succeeded();
        job.ended().await.succeeded();
    })
    .await;
}
