//! The ledger's counts against a fold written in plain Rust: what the cube folded in, and what became of each
//! record.

use std::collections::BTreeMap;

use contracts::cube::{self, GROUPINGS};
use contracts::family::CUBE_FAMILY;
use contracts::lateness::{Lateness, judge};
use contracts::ledger::{self, CUBE_COUNTS, JUDGED_COUNTS, minute_us};
use contracts::{Event, Reason};
use jobs::plans::Owned;
use jobs::{checked, metrics};

use crate::refusals::bad_records;
use crate::support::{self, EXPECTED, JUDGE, Record};

const REVISION: i64 = 5;

fn is_on_time(event: &Event) -> bool {
    judge(event.occurred_at, event.ingested_at) == Lateness::OnTime
}

fn minute_of(at: chrono::DateTime<chrono::Utc>) -> i64 {
    minute_us(at.timestamp_micros())
}

#[tokio::test]
async fn the_cube_counts_what_it_folds_in_beside_its_tables() {
    let events = support::events(12, 3_000);
    let mut expected: BTreeMap<(i64, i64), i64> = BTreeMap::new();
    for event in events.iter().filter(|event| is_on_time(event)) {
        *expected.entry((minute_of(event.ingested_at), minute_of(event.occurred_at))).or_default() += 1;
    }
    let (with, without) = support::on_spark(move |session| {
        let records: Vec<Record> = events.iter().map(Record::of).collect();
        let stream = support::kafka_records(&session, &records);
        let on_time = checked::on_time(&checked::events(&stream, &EXPECTED, JUDGE));
        let with = metrics::windowed::cube_and_counts(&on_time, REVISION, Owned::default())
            .unwrap()
            .collect()
            .unwrap();
        (with, metrics::rows(&on_time, &CUBE_FAMILY, REVISION, Owned::default()).unwrap().collect().unwrap())
    })
    .await;
    let (counts, tables): (Vec<_>, Vec<_>) =
        with.iter().partition(|row| support::string(row, "route") == CUBE_COUNTS.name);
    assert_eq!(tables.len(), without.len());
    assert!(
        tables.iter().all(|row| GROUPINGS.iter().any(|known| known.table == support::string(row, "route")))
    );
    let found: BTreeMap<(i64, i64), i64> = counts
        .iter()
        .map(|row| {
            let (ingested, window) = (support::long(row, "ingested_minute"), support::long(row, "minute"));
            let events = support::long(row, "events");
            assert_eq!(support::long(row, "write_time"), cube::write_time(window, REVISION, events));
            ((ingested, window), events)
        })
        .collect();
    assert_eq!(found.len(), counts.len(), "a row per minute and window");
    assert_eq!(found, expected);
}

#[tokio::test]
async fn every_record_is_judged_once() {
    let bad = bad_records();
    let good = support::events(13, 3_000);
    let mut expected: BTreeMap<(i64, String), i64> = BTreeMap::new();
    for (offset, (reason, _)) in bad.iter().enumerate() {
        // The refused come first, so their offsets are these.
        *expected.entry((minute_of(support::record_time(offset)), reason.to_string())).or_default() += 1;
    }
    for (offset, event) in (bad.len()..).zip(&good) {
        let (at, outcome) = match judge(event.occurred_at, event.ingested_at) {
            Lateness::OnTime => (event.ingested_at, ledger::ON_TIME),
            Lateness::Late => (event.ingested_at, ledger::LATE),
            Lateness::Future => (support::record_time(offset), Reason::Future.as_str()),
        };
        *expected.entry((minute_of(at), outcome.to_owned())).or_default() += 1;
    }
    let total = i64::try_from(bad.len() + good.len()).unwrap();
    let rows = support::on_spark(move |session| {
        let mut records: Vec<Record> = bad.into_iter().map(|(_, record)| record).collect();
        records.extend(good.iter().map(Record::of));
        let stream = support::kafka_records(&session, &records);
        metrics::outcomes::counts(&stream, &EXPECTED, JUDGE, REVISION).unwrap().collect().unwrap()
    })
    .await;
    let mut found: BTreeMap<(i64, String), i64> = BTreeMap::new();
    for row in &rows {
        assert_eq!(support::string(row, "route"), JUDGED_COUNTS.name);
        let (minute, records) = (support::long(row, "minute"), support::long(row, "records"));
        assert_eq!(support::long(row, "write_time"), cube::write_time(minute, REVISION, records));
        found.insert((minute, support::string(row, "outcome")), records);
    }
    assert_eq!(found, expected);
    assert_eq!(found.values().sum::<i64>(), total);
    assert!(found.keys().any(|(_, outcome)| outcome == ledger::LATE), "late ones are among them");
}
