//! The lease on a real PostgreSQL.

use std::sync::Arc;
use std::time::{Duration, Instant};

use contracts::endpoints::{Endpoints, variable};
use contracts::migrations::MIGRATIONS;
use jobs::control;
use jobs::lease::{self, Acquired, EXPIRY, Hold, Lost, Patience, RENEW_EVERY};
use stack::{Service, Signal, Silent};
use tokio_util::sync::CancellationToken;

const JOB: &str = "cube";
const DEADLINE: Duration = Duration::from_secs(30);

/// A database of its own with our tables, on the shared PostgreSQL.
async fn in_database(test: impl AsyncFnOnce(&str)) {
    let stack = stack::shared(Arc::new(Silent)).await.unwrap();
    let services = Endpoints::from_variables(&stack.env().unwrap()).unwrap();
    let body = async |endpoints: Endpoints| {
        migrate(&endpoints.pg_url).await;
        test(&endpoints.pg_url).await;
    };
    provision::in_scratch_namespace(&services, body).await.unwrap();
}

async fn migrate(pg_url: &str) {
    let client = control::connect(pg_url).await.unwrap();
    for migration in MIGRATIONS {
        client.batch_execute(migration.sql).await.unwrap();
    }
}

async fn ask(pg_url: &str, patience: Patience) -> Acquired {
    lease::acquire(pg_url, JOB, patience, &CancellationToken::new(), |_| {}).await.unwrap()
}

async fn take(pg_url: &str) -> Hold {
    match ask(pg_url, Patience::UntilRenewed).await {
        Acquired::Held(hold) => hold,
        other => panic!("{other:?}"),
    }
}

async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, what).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_that_renews_keeps_others_out_until_it_lets_go() {
    in_database(async |pg_url| {
        let first = take(pg_url).await;
        assert_eq!(first.fencing(), 1);
        let began = Instant::now();
        let Acquired::Busy(lease) = ask(pg_url, Patience::UntilRenewed).await else { panic!() };
        assert_eq!((lease.holder, lease.fencing), (contracts::process_name::this(), 1));
        assert!(began.elapsed() < RENEW_EVERY * 2, "{:?}", began.elapsed());

        let cancel = CancellationToken::new();
        let (url, cancelled) = (pg_url.to_owned(), cancel.clone());
        let gives_up =
            tokio::spawn(
                async move { lease::acquire(&url, JOB, Patience::StandBy, &cancelled, |_| {}).await },
            );
        let url = pg_url.to_owned();
        let stands_by = tokio::spawn(async move { ask(&url, Patience::StandBy).await });
        cancel.cancel();
        assert!(matches!(in_time(gives_up).await.unwrap().unwrap(), Acquired::Cancelled));
        // Longer than the expiry: a lease that is renewed does not expire.
        assert!(tokio::time::timeout(EXPIRY + RENEW_EVERY, first.lost()).await.is_err());
        assert!(first.is_valid() && !stands_by.is_finished());
        first.release().await;
        let Acquired::Held(second) = in_time(stands_by).await.unwrap() else { panic!() };
        assert_eq!(second.fencing(), 2);
        second.release().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_holder_is_waited_out_and_learns_it() {
    in_database(async |pg_url| {
        // Its own runtime, so that it can fall silent while its number is kept.
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let url = pg_url.to_owned();
        let silent = runtime.spawn(async move { take(&url).await }).await.unwrap();
        let began = Instant::now();
        runtime.shutdown_background();
        let second = in_time(take(pg_url)).await;
        let waited = began.elapsed();
        assert!(waited > EXPIRY - RENEW_EVERY && waited < EXPIRY + RENEW_EVERY, "{waited:?}");
        assert!(!silent.is_valid());
        assert_eq!(second.fencing(), silent.fencing() + 1);
        assert!(second.is_valid());

        // Another holder's number in the row: whoever sees it has lost.
        let client = control::connect(pg_url).await.unwrap();
        client
            .execute("update ops.job_lease set holder = 'another', fencing = fencing + 1", &[])
            .await
            .unwrap();
        let lost = Lost { holder: "another".into(), fencing: 3 };
        assert_eq!(in_time(second.confirm()).await, Err(lost.clone()));
        assert_eq!(in_time(second.lost()).await, lost);
        second.release().await;
        let seen = lease::current(&client, JOB).await.unwrap().unwrap();
        assert!(seen.is_held(), "it released what is not its own: {seen:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_postgresql_nothing_is_confirmed_until_it_is_back() {
    let stack = stack::isolated(&[Service::Postgres], Arc::new(Silent)).await.unwrap();
    let pg_url = stack.variable(variable::PG_URL).unwrap().unwrap();
    migrate(&pg_url).await;
    let hold = take(&pg_url).await;
    in_time(hold.confirm()).await.unwrap();

    stack.signal(Service::Postgres, Signal::SIGKILL).unwrap();
    assert!(tokio::time::timeout(RENEW_EVERY, hold.confirm()).await.is_err());
    stack.start(Service::Postgres, Arc::new(Silent)).await.unwrap();
    in_time(hold.confirm()).await.unwrap();
    assert_eq!(hold.fencing(), 1);
    assert!(hold.is_valid());
    hold.release().await;
    let next = take(&pg_url).await;
    assert_eq!(next.fencing(), 2);
    next.release().await;
}
