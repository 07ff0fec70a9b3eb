//! What comes in, what does not, and that nothing comes in twice.

use std::fs;

use contracts::admission::user_hash;
use contracts::{Event, Reason};
use history::{HistoryError, Outcome, check};
use ingest::clock::Clock;
use ingest::store::StoreError;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::files::{HEADER, csv_line, rows, write_csv, write_ndjson, write_parquet};
use crate::support::{MAPPING, NOW, Scene, at, replay_into, shop, with_id};

#[test]
fn every_format_gives_the_same_events() {
    let folder = tempfile::tempdir().unwrap();
    let rows = rows(500);
    let paths = ["a.csv", "b.ndjson", "c.parquet"].map(|name| folder.path().join(name));
    write_csv(&paths[0], &rows);
    write_ndjson(&paths[1], &rows);
    write_parquet(&paths[2], &rows);
    for mapping in [MAPPING.to_owned(), with_id()] {
        let events = paths.clone().map(|path| {
            let clock = Clock::starting_at(at(NOW));
            let checked =
                check(&path, &shop(&mapping), usize::MAX, &clock, &CancellationToken::new()).unwrap();
            assert_eq!((checked.rows, checked.accepted), (500, 500), "{:?}", checked.examples);
            let event = |(_, outcome)| match outcome {
                Outcome::Event(event) => *event,
                Outcome::Rejected { detail, .. } => panic!("{detail}"),
            };
            checked.first.into_iter().map(event).collect::<Vec<Event>>()
        });
        assert_eq!(events[0], events[1]);
        assert_eq!(events[0], events[2]);
        let order = &events[0][2];
        assert_eq!(order.occurred_at, at("2026-03-01T09:00:02.250Z"), "local time of Berlin");
        assert_eq!(order.amount_base.unwrap().to_string(), "59.76");
        assert_eq!((events[0][0].item_id.as_ref(), events[0][0].currency), (None, None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_come_in_once_whatever_they_are_called_and_written_in() {
    let scene = Scene::new().await;
    let rows = rows(1_000);
    let path = scene.path("old.csv");
    write_csv(&path, &rows);
    let first = scene.replay(&path, &with_id()).await.unwrap();
    assert_eq!((first.rows, first.accepted, first.repeated, first.rejected), (1_000, 950, 50, 0));
    assert_eq!(first.windows, Some(at("2026-03-01T09:00:00Z")..at("2026-03-01T09:17:00Z")));
    assert!(first.is_finished && first.finished_before.is_none());

    // The same bytes are passed over, under another name too.
    let copy = scene.path("copy.csv");
    fs::copy(&path, &copy).unwrap();
    let second = scene.replay(&copy, &with_id()).await.unwrap();
    assert!(second.finished_before.is_some());
    assert_eq!((second.name, second.accepted, second.windows), (first.name, 950, first.windows));
    // Asked to read them again, or given the same rows in other bytes, the key of raw.events decides.
    let cancel = CancellationToken::new();
    let again = replay_into(&scene.pg_url, &path, &with_id(), true, &cancel, &mut |_| {}).await.unwrap();
    assert_eq!((again.accepted, again.repeated), (0, 1_000));
    let (ndjson, parquet) = (scene.path("old.ndjson"), scene.path("old.parquet"));
    write_ndjson(&ndjson, &rows);
    write_parquet(&parquet, &rows);
    for path in [ndjson, parquet] {
        let same = scene.replay(&path, &with_id()).await.unwrap();
        assert_eq!((same.rows, same.accepted, same.repeated), (1_000, 0, 1_000));
    }
    assert_eq!(scene.events().await, 950);
    scene.assert_ledger_balances().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_to_the_minute_and_one_to_the_second_are_the_same_rows() {
    let scene = Scene::new().await;
    let rows = rows(60);
    let (minute, second) = (scene.path("minute.csv"), scene.path("second.csv"));
    let to_the_minute = |row| {
        let line = csv_line(row);
        let time = line.split(',').nth(2).unwrap();
        line.replace(time, &time[..16])
    };
    // One row of it does not pass by the first mapping.
    let mut lines: Vec<String> = rows[..20].iter().map(to_the_minute).collect();
    lines[2] = lines[2].replace("order,", "scroll,");
    fs::write(&minute, format!("{HEADER}\n{}\n", lines.join("\n"))).unwrap();
    write_csv(&second, &rows);
    let by_minute = with_id().replace("%H:%M:%S%.f", "%H:%M");
    let first = scene.replay(&minute, &by_minute).await.unwrap();
    assert_eq!((first.accepted, first.repeated, first.rejected), (18, 1, 1));
    let other = scene.replay(&second, &with_id()).await.unwrap();
    assert_eq!((other.rows, other.accepted, other.repeated, other.rejected), (60, 39, 21, 0));
    // The row that passes now is there already, by the other file; and it is told so.
    let better = by_minute.replace("order = \"purchase\"", "order = \"purchase\", scroll = \"purchase\"");
    let again = scene.replay(&minute, &better).await.unwrap();
    assert_eq!((again.accepted, again.repeated, again.rejected), (0, 20, 0));
    let settled = "select count(*) from raw.quarantine join raw.events on record_id = event_id where outcome = 'repeated'";
    assert_eq!(scene.count(settled).await, 1);
    assert_eq!(scene.events().await, 57);
    scene.assert_ledger_balances().await;
}

#[test]
fn a_check_counts_rows_of_one_id_with_other_times_as_repeats() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    let mut rows = rows(40);
    rows[19].at += chrono::TimeDelta::seconds(3);
    write_csv(&path, &rows);
    for (mapping, repeated) in [(with_id(), 2), (MAPPING.to_owned(), 0)] {
        let clock = Clock::starting_at(at(NOW));
        let checked = check(&path, &shop(&mapping), 1, &clock, &CancellationToken::new()).unwrap();
        assert_eq!((checked.accepted, checked.repeated), (40, repeated));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_ids_equal_rows_are_told_apart_and_overlapping_exports_are_not() {
    let scene = Scene::new().await;
    let all = rows(300);
    let (early, late) = (scene.path("early.csv"), scene.path("late.csv"));
    write_csv(&early, &all[..200]);
    write_csv(&late, &all[100..]);
    // Without the id there is nothing that tells a repeat from an equal row.
    let first = scene.replay(&early, MAPPING).await.unwrap();
    assert_eq!((first.accepted, first.repeated), (200, 0));
    let second = scene.replay(&late, MAPPING).await.unwrap();
    assert_eq!((second.accepted, second.repeated), (100, 100));

    // More columns would give other ids, and is refused; named content keeps them.
    let more = MAPPING.replace(
        "device = { value = \"desktop\" }",
        "device = { column = \"visit\", values = { 1 = \"mobile\" } }",
    );
    let refused = scene.replay(&early, &more).await.unwrap_err();
    assert!(matches!(refused, HistoryError::Store(StoreError::OtherIds { .. })), "{refused}");
    assert_eq!(scene.events().await, 300);
    scene.assert_ledger_balances().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_rejected_is_kept_with_file_and_line_until_it_passes() {
    let scene = Scene::new().await;
    let good = rows(4);
    let lines = [
        HEADER.to_owned(),
        csv_line(&good[1]),
        csv_line(&good[2]).replace("order,", "scroll,"),
        csv_line(&good[1]).replace("e-1", "e-5").replace("19.91", "19.9l"),
        "e-6,pageview".to_owned(),
        csv_line(&good[1])
            .replace("e-1", "e-7")
            .replace("01.03.2026", "29.03.2026")
            .replace("10:00", "02:30"),
        csv_line(&good[1]).replace("e-1", "e-8").replace("2026", "2027"),
        csv_line(&good[1]).replace("e-1", ""),
        csv_line(&good[2]).replace("e-2", "e-9").replace(",o-2", ","),
        "e-10,\"pageview".to_owned(),
    ];
    let path = scene.path("dirty.csv");
    fs::write(&path, lines.join("\n")).unwrap();
    let replayed = scene.replay(&path, &with_id()).await.unwrap();
    assert_eq!((replayed.rows, replayed.accepted, replayed.rejected), (9, 1, 8));
    assert_eq!(replayed.examples[&Reason::Future].line, 7);
    let name = &replayed.name;
    let stored = scene
        .pg
        .query("select coordinates, reason, payload, detail from raw.quarantine where source = 'file:acme' order by 1", &[])
        .await
        .unwrap();
    let stored: Vec<(String, String, Vec<u8>)> =
        stored.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    let reasons = [
        (3, "invalid_field"),
        (4, "invalid_field"),
        (5, "malformed"),
        (6, "invalid_field"),
        (7, "future"),
        (8, "missing_id"),
        (9, "missing_field"),
        (10, "malformed"),
    ];
    let mut expected: Vec<(String, String, Vec<u8>)> = reasons
        .iter()
        .map(|(line, reason)| {
            (format!("{name}:{line}"), (*reason).to_owned(), lines[line - 1].clone().into_bytes())
        })
        .collect();
    expected.sort();
    assert_eq!(stored, expected);
    assert!(name.starts_with("dirty.csv@"), "{name}");

    // Once more adds nothing; a better mapping lets one row in, and its row in quarantine says so.
    let cancel = CancellationToken::new();
    replay_into(&scene.pg_url, &path, &with_id(), true, &cancel, &mut |_| {}).await.unwrap();
    assert_eq!(scene.count("select count(*) from raw.quarantine").await, 8);
    let better = with_id().replace("order = \"purchase\"", "order = \"purchase\", scroll = \"purchase\"");
    let replayed = scene.replay(&path, &better).await.unwrap();
    assert_eq!((replayed.accepted, replayed.repeated, replayed.rejected), (1, 1, 7));
    let settled =
        "select coordinates, record_id = (select event_id from raw.events where event_name = 'purchase')
                   from raw.quarantine where outcome = 'accepted'";
    let settled = scene.pg.query(settled, &[]).await.unwrap();
    let settled: Vec<(String, bool)> = settled.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(settled, [(format!("{name}:3"), true)]);
    assert_eq!(scene.count("select count(*) from raw.quarantine").await, 8);
    assert_eq!(scene.events().await, 2);
    scene.assert_ledger_balances().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_from_before_the_retention_floor_and_of_an_erased_person_stay_out() {
    let scene = Scene::new().await;
    let path = scene.path("old.csv");
    write_csv(&path, &rows(300));
    let first = scene.replay(&path, &with_id()).await.unwrap();
    assert_eq!((first.accepted, first.repeated), (285, 15));
    // Everything goes, as retention and an erasure would have it, and the same file comes again.
    let erased = "select user_id from raw.events where occurred_at > $1 limit 1";
    let floor = at("2026-03-01T09:02:00Z");
    let user: Uuid = scene.pg.query_one(erased, &[&floor]).await.unwrap().get(0);
    let whose =
        "select count(*), count(*) filter (where user_id = $1) from raw.events where occurred_at >= $2";
    let counts = scene.pg.query_one(whose, &[&user, &floor]).await.unwrap();
    let (kept, persons): (i64, i64) = (counts.get(0), counts.get(1));
    let mut client = provision::connect(&scene.pg_url).await.unwrap();
    provision::retention::raise_floor(&mut client, floor).await.unwrap();
    let key = provision::erasure::key(&client).await.unwrap();
    provision::erasure::record(&mut client, &[user_hash(&key, &user)]).await.unwrap();
    client.execute("delete from raw.events", &[]).await.unwrap();

    let cancel = CancellationToken::new();
    let again = replay_into(&scene.pg_url, &path, &with_id(), true, &cancel, &mut |_| {}).await.unwrap();
    assert_eq!(i64::try_from(again.accepted).unwrap(), kept - persons);
    assert_eq!(again.accepted + again.repeated + again.rejected, 300);
    assert_eq!(
        scene.count("select count(*) from raw.events where occurred_at < '2026-03-01T09:02:00Z'").await,
        0
    );
    let row =
        scene.pg.query_one("select count(*) from raw.events where user_id = $1", &[&user]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 0);
    assert_eq!(scene.count("select count(*) from raw.quarantine where payload is not null").await, 0);
    let reasons =
        "select count(distinct reason) from raw.quarantine where reason in ('before_floor', 'erased')";
    assert_eq!(scene.count(reasons).await, 2);
}
