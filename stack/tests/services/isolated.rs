//! Starting, crashing and stopping services of one's own.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use stack::{Event, Health, Ports, Service, Signal, Silent, StackError};

fn silent() -> Arc<Silent> {
    Arc::new(Silent)
}

async fn query(url: &str, sql: &str) -> Vec<String> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let messages = client.simple_query(sql).await.unwrap();
    let value = |message: &tokio_postgres::SimpleQueryMessage| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    };
    messages.iter().filter_map(value).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_survives_a_crash_and_leaves_nothing() {
    let stack = stack::isolated(&[Service::Postgres], silent()).await.unwrap();
    let url = stack.variable("PG_URL").unwrap().unwrap();
    let home = stack.home().to_owned();
    assert_eq!(query(&url, "show wal_level").await, ["logical"]);
    assert_eq!(query(&url, "show synchronous_commit").await, ["on"]);
    query(&url, "create table kept as select 42 as answer").await;

    let status = stack.status().await.unwrap();
    assert_eq!(status.len(), 1);
    assert_eq!(status[0].health, Health::Healthy);
    assert!(status[0].memory_bytes > 10 * 1024 * 1024, "{status:?}");
    serde_json::to_string(&status).unwrap();

    let first = stack.process(Service::Postgres).unwrap();
    stack.signal(Service::Postgres, Signal::SIGKILL).unwrap();
    assert!(!first.is_alive());
    let crashed = &stack.status().await.unwrap()[0];
    assert_eq!(crashed.health, Health::Stopped);
    assert!(crashed.problem.as_ref().unwrap().contains("ended by itself"));

    stack.start(Service::Postgres, silent()).await.unwrap();
    assert_eq!(query(&url, "select answer from kept").await, ["42"]);

    stack.pause(Service::Postgres).unwrap();
    assert_eq!(stack.status().await.unwrap()[0].health, Health::Paused);
    stack.resume(Service::Postgres).unwrap();
    stack.wait_healthy(Service::Postgres, Duration::from_secs(10)).await.unwrap();

    let second = stack.process(Service::Postgres).unwrap();
    let tree = second.tree();
    assert!(tree.len() > 1);
    stack.down(silent()).await.unwrap();
    assert!(tree.iter().all(|process| !process.is_alive()));
    let not_running = stack.process(Service::Postgres).unwrap_err();
    assert!(matches!(not_running, StackError::NotRunning { service: Service::Postgres }));

    // What was kept survives a stop in good order as well.
    stack.up(silent()).await.unwrap();
    assert_eq!(query(&url, "select answer from kept").await, ["42"]);
    let third = stack.process(Service::Postgres).unwrap();
    drop(stack);
    assert!(!third.is_alive());
    assert!(!home.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_comes_back_after_a_crash_although_zookeeper_still_knows_it() {
    let stack = stack::isolated(&[Service::Kafka], silent()).await.unwrap();
    assert_eq!(stack.services().collect::<Vec<_>>(), [Service::Zookeeper, Service::Kafka]);
    stack.signal(Service::Kafka, Signal::SIGKILL).unwrap();
    stack.start(Service::Kafka, silent()).await.unwrap();
    let kafka = stack.process(Service::Kafka).unwrap();
    let zookeeper = stack.process(Service::Zookeeper).unwrap();
    drop(stack);
    assert!(!kafka.is_alive() && !zookeeper.is_alive());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_stops_the_start_before_it_begins() {
    let stack = stack::isolated(&[Service::Zookeeper], silent()).await.unwrap();
    stack.down(silent()).await.unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, stack.ports().zookeeper)).unwrap();
    let error = stack.up(silent()).await.unwrap_err();
    assert!(matches!(error, StackError::PortTaken { service: Service::Zookeeper, .. }), "{error}");
    drop(listener);
    stack.up(silent()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_fails_stops_what_it_started_and_shows_the_log() {
    let stack = stack::isolated(&[Service::Postgres, Service::Zookeeper], silent()).await.unwrap();
    stack.down(silent()).await.unwrap();
    // A cluster that claims another version is refused by the server itself.
    std::fs::write(stack.home().join("data/postgres/PG_VERSION"), "7\n").unwrap();
    let error = stack.up(silent()).await.unwrap_err();
    let StackError::Died { service: Service::Postgres, log_tail, .. } = &error else { panic!("{error}") };
    assert!(log_tail.contains("not compatible"), "{log_tail}");
    for status in stack.status().await.unwrap() {
        assert_eq!(status.health, Health::Stopped, "{status:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_start_leaves_nothing() {
    let stack = stack::isolated(&[Service::Zookeeper], silent()).await.unwrap();
    stack.down(silent()).await.unwrap();
    let (sender, started) = tokio::sync::oneshot::channel();
    let sender = Mutex::new(Some(sender));
    let progress = Arc::new(move |event: Event| {
        if let Event::Starting(_) = event {
            sender.lock().unwrap().take().unwrap().send(()).unwrap();
        }
    });
    // As a Ctrl-C does: the future is dropped while it waits for health.
    let process = tokio::select! {
        biased;
        result = stack.up(progress) => panic!("up before it was abandoned: {result:?}"),
        process = async {
            started.await.unwrap();
            stack::until("a process", Duration::from_secs(10), async || stack.process(Service::Zookeeper)).await
        } => process,
    };
    assert!(!process.is_alive());
    assert_eq!(stack.status().await.unwrap()[0].health, Health::Stopped);
    let error = stack.process(Service::Zookeeper).unwrap_err();
    assert!(matches!(error, StackError::NotRunning { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_apart_ends_with_its_owner_and_leaves_what_it_links_to() {
    let stack = stack::apart(std::env::current_exe().unwrap()).unwrap();
    let checkout = stack.checkout().to_owned();
    assert!(stack.home().starts_with(&checkout), "{}", stack.home().display());
    assert_ne!(stack.ports().zookeeper, Ports::MAIN.zookeeper);
    let linked = checkout.join("services/versions.toml").canonicalize().unwrap();
    stack.start(Service::Zookeeper, silent()).await.unwrap();
    let zookeeper = stack.process(Service::Zookeeper).unwrap();
    drop(stack);
    assert!(!zookeeper.is_alive());
    assert!(!checkout.exists());
    assert!(linked.is_file());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_stack_can_be_read_by_another_account() {
    let stack = stack::isolated(&[Service::Postgres, Service::Kafka], silent()).await.unwrap();
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: only root can look as another account");
        return;
    }
    // Folders on the way may be passed through and not listed, so that each is asked for by its name.
    let of = ["", "state.json", "conf/postgres", "conf/postgres/pg_hba.conf", "conf/kafka/server.properties"];
    let more =
        ["data/postgres", "data/postgres/PG_VERSION", "data/kafka", "data/zookeeper", "log", "log/kafka.log"];
    for name in of.into_iter().chain(more) {
        let path = stack.home().join(name);
        assert!(path.exists(), "{}", path.display());
        let mut look = std::process::Command::new("setpriv");
        look.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "test", "-r"]).arg(&path);
        assert_eq!(look.status().unwrap().code(), Some(1), "nobody can read {}", path.display());
    }
    let kafka = std::fs::read_dir(stack.home().join("data/kafka")).unwrap();
    for entry in kafka.flatten() {
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", entry.path().display());
    }
}
