//! The cube against a fold written in plain Rust.

use std::collections::BTreeMap;

use contracts::Event;
use contracts::cube::{self, DISTINCT_RSD, GROUPINGS, NONE};
use contracts::event::Amount;
use contracts::family::CUBE_FAMILY;
use contracts::lateness::{Lateness, judge};
use contracts::measure::{Measure, MeasureKind, Total};
use contracts::record::Column;
use contracts::vocabulary::EventName;
use jobs::plans::Owned;
use jobs::{checked, metrics};

use crate::support::{self, EXPECTED, JUDGE, Record};

/// Table, minute (µs) and dimension values.
type Key = (String, i64, Vec<String>);

/// A field of an event as a dimension of a table.
fn dimension(event: &serde_json::Value, column: Column) -> String {
    match &event[column.name()] {
        serde_json::Value::Null => NONE.to_owned(),
        serde_json::Value::String(text) => text.clone(),
        other => panic!("{column} is {other}, which is no dimension"),
    }
}

fn oracle(events: &[Event]) -> BTreeMap<Key, Vec<&Event>> {
    let mut rows: BTreeMap<Key, Vec<&Event>> = BTreeMap::new();
    for event in events.iter().filter(|e| judge(e.occurred_at, e.ingested_at) == Lateness::OnTime) {
        let minute = event.occurred_at.timestamp_micros().div_euclid(cube::WINDOW_US) * cube::WINDOW_US;
        let fields = serde_json::to_value(event).unwrap();
        for grouping in GROUPINGS {
            let values: Vec<String> =
                grouping.dimensions.iter().map(|column| dimension(&fields, *column)).collect();
            if grouping.only_items && event.item_id.is_none() {
                continue;
            }
            rows.entry((grouping.table.to_owned(), minute, values)).or_default().push(event);
        }
    }
    rows
}

#[tokio::test]
async fn the_cube_is_what_the_oracle_says() {
    const REVISION: i64 = 3;
    let events = support::events(11, 6_000);
    let expected = oracle(&events);
    let given = events.clone();
    let rows = support::on_spark(move |session| {
        let records: Vec<Record> = given.iter().map(Record::of).collect();
        let stream = support::kafka_records(&session, &records);
        let on_time = checked::on_time(&checked::events(&stream, &EXPECTED, JUDGE));
        metrics::rows(&on_time, &CUBE_FAMILY, REVISION, Owned::default()).unwrap().collect().unwrap()
    })
    .await;

    assert_eq!(rows.len(), expected.len(), "one row a table, window and group");
    for row in &rows {
        let table = support::string(row, "route");
        let grouping = cube::grouping(&table).unwrap();
        let minute = support::long(row, "minute");
        let values: Vec<String> =
            grouping.dimensions.iter().map(|column| support::string(row, column.name())).collect();
        let key = (table.clone(), minute, values);
        let want = expected.get(&key).unwrap_or_else(|| panic!("{key:?} is too many"));
        for measure in grouping.measures {
            let Measure::Of(aggregate) = *measure else { panic!("the cube has no {measure:?}") };
            let name = measure.column().name();
            let context = format!("{key:?} {name}");
            match (measure.kind(), aggregate.over(want)) {
                (MeasureKind::Distinct, Total::Count(exact)) => {
                    let exact = exact as f64;
                    let off = (support::long(row, name) as f64 - exact).abs();
                    assert!(off <= f64::max(3.0, 5.0 * DISTINCT_RSD * exact), "{context}: {off} off {exact}");
                }
                (_, Total::Count(count)) => assert_eq!(support::long(row, name), count, "{context}"),
                (_, Total::Hundredths(sum)) => {
                    assert_eq!(support::hundredths(row, name), sum, "{context}");
                }
                (_, Total::Instant(at)) => {
                    let at_us = at.unwrap().timestamp_micros();
                    assert_eq!(support::long(row, name), at_us, "{context}");
                }
            }
        }
        let events = i64::try_from(want.len()).unwrap();
        assert_eq!(support::long(row, "write_time"), cube::write_time(minute, REVISION, events));
        let start = chrono::DateTime::from_timestamp_micros(minute).unwrap();
        assert_eq!(support::long(row, "hour"), i64::from(chrono::Timelike::hour(&start)));
    }
}

#[tokio::test]
async fn what_a_product_without_a_category_sold_is_in_the_tables_of_products() {
    let events = [
        purchase("lamp", Some("lamps"), 300),
        purchase("lamp", None, 500),
        purchase("bulb", None, 70),
        Event { item_id: None, item_name: None, ..purchase("lamp", Some("lamps"), 9_000) },
        Event { item_id: None, item_name: None, ..purchase("lamp", None, 20_000) },
    ];
    let rows = support::on_spark(move |session| {
        let records: Vec<Record> = events.iter().map(Record::of).collect();
        let on_time = checked::events(&support::kafka_records(&session, &records), &EXPECTED, JUDGE);
        metrics::rows(&on_time, &CUBE_FAMILY, 1, Owned::default()).unwrap().collect().unwrap()
    })
    .await;
    let of = |table: &str, column: &str| {
        let rows = rows.iter().filter(|row| support::string(row, "route") == table);
        rows.map(|row| (support::string(row, column), support::hundredths(row, "gross")))
            .collect::<BTreeMap<_, _>>()
    };
    let named = |sums: [(&str, i128); 2]| BTreeMap::from(sums.map(|(name, sum)| (name.to_owned(), sum)));
    assert_eq!(of("sales_by_category", "category"), named([("lamps", 300), (NONE, 570)]));
    assert_eq!(of("sales_by_product", "item_id"), named([("lamp", 800), ("bulb", 70)]));
}

fn purchase(item: &str, category: Option<&str>, cents: i64) -> Event {
    let at = support::start();
    Event {
        event_name: EventName::Purchase,
        item_id: Some(item.parse().unwrap()),
        item_name: Some(item.parse().unwrap()),
        category: category.map(|name| name.parse().unwrap()),
        amount_base: Some(Amount::from_unscaled(cents).unwrap()),
        ..Event::sample(at)
    }
}
