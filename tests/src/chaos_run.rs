//! A short run of chaos, the same each time; `make test-all` runs the long one too.

use tests::chaos::{Plan, Report, Settings, run};
use tests::support::{isolated_stack, on_services};

/// Spark's master is killed.
const SHORT: (u64, usize) = (12, 1);
const LONG: (u64, usize) = (2, 25);

async fn run_of((seed, rounds): (u64, usize)) -> Report {
    let settings = Settings { plan: Plan::new(seed, rounds), rate: 250 };
    let (_turn, stack) = isolated_stack().await;
    let body = async |line: &tests::support::Line| {
        Box::pin(run(&settings, &stack, line, &|told| println!("{told}"))).await
    };
    Box::pin(on_services(&stack, body)).await.unwrap_or_else(|error| panic!("{}\n{error:#}", settings.plan))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_of_chaos_loses_nothing() {
    if !super::long_tests() {
        return;
    }
    let report = run_of(SHORT).await;
    assert!(report.passed(), "{report}\n{}", report.verdict);
    assert_eq!(report.recovered.len(), SHORT.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_five_rounds_of_chaos_lose_nothing() {
    if !super::long_tests() {
        return;
    }
    let report = run_of(LONG).await;
    assert!(report.passed(), "{report}\n{}", report.verdict);
}
