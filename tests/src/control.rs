//! The job seen and stopped from other terminals, and plans that must not start.

use crate::support::{Ended, on_shared_stack};

#[tokio::test(flavor = "multi_thread")]
async fn one_job_at_a_time_seen_and_stopped_from_elsewhere() {
    on_shared_stack(async |line| {
        let status = line.run("job status").await.failed();
        assert!(status.out.contains("has never run"), "{status}");

        let job = line.job().await;
        let holder = contracts::process_name::of(job.id());
        let refused = line.run("job run").await.failed();
        assert!(refused.err.contains(&format!("is being run by {holder}")), "{refused}");
        let status = line.run("job status").await.succeeded();
        assert!(status.out.contains(&format!("running by {holder}")), "{status}");
        let json = line.run("job status --json").await.succeeded();
        assert!(json.out.contains("\"state\": \"running\""), "{json}");

        line.run("job stop").await.succeeded();
        job.ended().await.succeeded();
        let status = line.run("job status").await.failed();
        assert!(status.out.contains(&format!("stopped by {holder}")), "{status}");

        line.pg.execute("update ops.job_plan set fingerprint = 'another' || fingerprint", &[]).await.unwrap();
        let refused = line.run("job run").await.failed();
        assert_names_the_way_out(&refused);
        let status = line.run("job status").await.failed();
        assert!(status.out.contains(&format!("stopped by {holder}")), "a refused start left a run: {status}");

        line.run("job reset").await.succeeded();
        let job = line.job().await;
        job.stop().await.succeeded();
    })
    .await;
}

fn assert_names_the_way_out(refused: &Ended) {
    for words in ["belongs to another plan", "storepulse job reset"] {
        assert!(refused.err.contains(words), "{words}: {refused}");
    }
}
