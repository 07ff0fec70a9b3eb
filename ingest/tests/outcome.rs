//! Connections that die, at the worst moment too: counts stay exact.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use ingest::store::{Appended, EncodedRows, Fresh, Store, StoreError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Database, at, events, with_database};

/// Where the connection is cut, the first few times that a commit passes.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Cut {
    /// PostgreSQL has committed, its answer is lost.
    AfterCommit,
    /// The commit never reaches PostgreSQL.
    BeforeCommit,
}

/// A wire to PostgreSQL that is cut at commits. Returns a URL to the database through it.
pub(crate) async fn cut_wire(database: &Database, cut: Cut, times: usize) -> String {
    let (head, tail) = database.url.rsplit_once('@').unwrap();
    let (server, name) = tail.split_once('/').unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("{head}@{}/{name}", listener.local_addr().unwrap());
    let server = server.to_owned();
    let left = Arc::new(AtomicUsize::new(times));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let upstream = TcpStream::connect(&server).await.unwrap();
            tokio::spawn(carry(client, upstream, cut, Arc::clone(&left)));
        }
    });
    url
}

async fn carry(client: TcpStream, server: TcpStream, cut: Cut, left: Arc<AtomicUsize>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let answers =
        tokio::spawn(
            async move { tokio::io::copy(&mut from_server, &mut to_client).await.map(|_| from_server) },
        );
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
        let sent = &buffer[..read];
        // A simple query: its letter, its length, the text, a zero.
        let commits = sent.to_ascii_lowercase().ends_with(b"commit\0");
        let cuts =
            commits && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
        if cuts {
            answers.abort();
            if cut == Cut::AfterCommit {
                to_server.write_all(sent).await.unwrap();
                // PostgreSQL reads on until we hang up; by then it has committed.
                to_server.shutdown().await.unwrap();
            }
            return;
        }
        if to_server.write_all(sent).await.is_err() {
            return;
        }
    }
}

async fn appended_through(
    cut: Cut,
    batch: &[contracts::Event],
    database: &Database,
    times: usize,
) -> Appended {
    let url = cut_wire(database, cut, times).await;
    let mut store = Store::connect(&url).await.unwrap();
    store.append(batch).await.unwrap()
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_not_counted_as_a_repeat() {
    with_database(async |database| {
        let batch = events(500, at("2026-03-01T10:00:00Z"));
        let appended = appended_through(Cut::AfterCommit, &batch, database, 1).await;
        assert_eq!(appended, Appended { committed: 500, repeated: 0, refused: 0 });
        // The same on the path that counts repeats.
        let mut mixed = batch[..100].to_vec();
        mixed.extend(events(100, at("2026-03-01T11:00:00Z")));
        let appended = appended_through(Cut::AfterCommit, &mixed, database, 1).await;
        assert_eq!(appended, Appended { committed: 100, repeated: 100, refused: 0 });
        assert_eq!(database.count("select count(*) from raw.events").await, 600);
        assert_eq!(database.ledger().await, [700, 600, 100, 0]);
    })
    .await;
}

#[tokio::test]
async fn which_events_were_new_is_known_also_when_the_answer_is_lost() {
    with_database(async |database| {
        let encoded = |events: &[contracts::Event]| {
            let mut rows = EncodedRows::default();
            assert!(events.iter().all(|event| rows.push(event)));
            rows
        };
        let batch = events(30, at("2026-03-01T10:00:00Z"));
        for cut in [Cut::AfterCommit, Cut::BeforeCommit] {
            let url = cut_wire(database, cut, 1).await;
            let mut store = Store::connect(&url).await.unwrap();
            let first = store.append_rows_telling(encoded(&batch)).await.unwrap().fresh;
            match cut {
                Cut::AfterCommit => assert_eq!(first, Fresh::All),
                Cut::BeforeCommit => assert_eq!(first, Fresh::Only(HashSet::new())),
            }
            // One new, twice; and one of before.
            let new =
                events(1, at("2026-03-01T11:00:00Z") + TimeDelta::hours(i64::from(cut as u8))).remove(0);
            let url = cut_wire(database, cut, 1).await;
            let mut store = Store::connect(&url).await.unwrap();
            let mixed = encoded(&[new.clone(), batch[0].clone(), new.clone()]);
            let second = store.append_rows_telling(mixed).await.unwrap().fresh;
            assert_eq!(second, Fresh::Only(HashSet::from([new.event_id])));
        }
        assert_eq!(database.ledger().await, [66, 32, 34, 0]);
    })
    .await;
}

#[tokio::test]
async fn a_commit_that_never_arrived_is_sent_again() {
    with_database(async |database| {
        let batch = events(500, at("2026-03-01T10:00:00Z"));
        let appended = appended_through(Cut::BeforeCommit, &batch, database, 3).await;
        assert_eq!(appended, Appended { committed: 500, repeated: 0, refused: 0 });
        assert_eq!(database.count("select count(*) from raw.events").await, 500);
        assert_eq!(database.ledger().await, [500, 500, 0, 0]);
    })
    .await;
}

#[tokio::test]
async fn a_killed_backend_is_replaced() {
    with_database(async |database| {
        let mut store = database.store().await;
        store.append(&events(10, at("2026-03-01T10:00:00Z"))).await.unwrap();
        let kill = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                    where datname = current_database() and application_name = 'storepulse ingest'";
        assert_eq!(database.count(kill).await, 1);
        let appended = store.append(&events(10, at("2026-03-01T11:00:00Z"))).await.unwrap();
        assert_eq!(appended, Appended { committed: 10, repeated: 0, refused: 0 });
    })
    .await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_with_a_way_out() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = Store::connect(&format!("postgresql://storepulse@{nobody}/shop")).await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable { waited: Duration::ZERO, .. }), "{error:?}");
    assert!(error.to_string().contains("storepulse stack status"));
    assert!(matches!(Store::connect("no url").await, Err(StoreError::Url(_))));
}
