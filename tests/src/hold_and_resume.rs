//! The job held and let go on by whoever wants it so, while its supervisor stays.

use jobs::control;
use jobs::plans::CUBE_QUERY;

use crate::long_tests;
use crate::support::{on_shared_stack, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_held_stands_still_keeps_its_supervisor_and_goes_on() {
    if !long_tests() {
        eprintln!(
            "SKIPPED: holding the job from a terminal, which starts it three times; `make test-all` does"
        );
        return;
    }
    on_shared_stack(async |line| {
        // Nobody supervises it yet: the first who does keeps to it.
        let told = line.run("job hold --reason upgrade").await.succeeded();
        assert!(told.out.contains("follows this request"), "{told}");
        let job = line.start("job run");
        until("the job is held", async || match control::latest(&line.pg, CUBE_QUERY).await.unwrap() {
            Some(run) if run.state == "held" => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
        let status = line.run("job status").await.succeeded();
        assert!(status.out.contains("held by") && status.out.contains("upgrade"), "{status}");
        let refused = line.run("job run").await.failed();
        assert!(refused.err.contains("is being run by"), "the lease is held meanwhile: {refused}");

        let told = line.run("job resume").await.succeeded();
        assert_eq!(told.out.trim(), "running");
        let told = line.run("job restart --reason again").await.succeeded();
        assert_eq!(told.out.trim(), "running");
        let told = line.run("job hold").await.succeeded();
        assert_eq!(told.out.trim(), "held");
        let queries =
            line.pg.query_one("select count(*) from ops.job_query where state = 'running'", &[]).await;
        assert_eq!(queries.unwrap().get::<_, i64>(0), 0);
        // `job stop` ends the process, held or not.
        line.run("job stop").await.succeeded();
        job.ended().await.succeeded();
    })
    .await;
}
