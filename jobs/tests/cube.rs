//! The cube against a fold written in plain Rust.

use std::collections::{BTreeMap, HashSet};

use contracts::Event;
use contracts::cube::{self, DISTINCT_RSD, GROUPINGS, MeasureKind, NONE};
use contracts::family::CUBE_FAMILY;
use contracts::lateness::{Lateness, judge};
use contracts::vocabulary::EventName;
use jobs::plans::Owned;
use jobs::{checked, metrics};
use uuid::Uuid;

use crate::support::{self, EXPECTED, Record};

#[derive(Default, Clone)]
struct Expectation {
    events: i64,
    session_starts: i64,
    sessions: HashSet<Uuid>,
    users: HashSet<Uuid>,
    item_views: i64,
    cart_adds: i64,
    checkouts: i64,
    orders: i64,
    order_lines: i64,
    units: i64,
    gross: i128,
    refunds: i128,
    last_occurred_at: i64,
}

impl Expectation {
    fn fold(&mut self, event: &Event) {
        self.events += 1;
        self.sessions.insert(event.session_id);
        self.users.insert(event.user_id);
        self.last_occurred_at = self.last_occurred_at.max(event.occurred_at.timestamp_micros());
        match event.event_name {
            EventName::SessionStart => self.session_starts += 1,
            EventName::ViewItem => self.item_views += 1,
            EventName::AddToCart => self.cart_adds += 1,
            EventName::BeginCheckout => self.checkouts += 1,
            EventName::Purchase => {
                self.order_lines += 1;
                self.orders += i64::from(event.order_line == Some(1));
                self.units += i64::from(event.quantity.unwrap());
                self.gross += i128::from(event.amount_base.unwrap().unscaled());
            }
            EventName::Refund => self.refunds += i128::from(event.amount_base.unwrap().unscaled()),
            EventName::ViewItemList | EventName::RemoveFromCart | EventName::AddPaymentInfo => {}
        }
    }
}

/// Table, minute (µs) and dimension values.
type Key = (String, i64, Vec<String>);

fn dimensions(table: &str, event: &Event) -> Vec<String> {
    let or_none = |text: Option<String>| text.unwrap_or_else(|| NONE.into());
    match table {
        "activity_by_minute" => vec![],
        "activity_by_country" => vec![event.country.to_string()],
        "demographics_by_minute" => vec![event.gender.to_string(), event.age_band.to_string()],
        "sales_by_product" => vec![
            or_none(event.item_id.as_ref().map(ToString::to_string)),
            or_none(event.item_name.as_ref().map(ToString::to_string)),
        ],
        "sales_by_category" => vec![or_none(event.category.as_ref().map(ToString::to_string))],
        "engagement_by_channel" => vec![event.channel.to_string(), event.device.to_string()],
        other => panic!("the oracle does not know {other}"),
    }
}

fn oracle(events: &[Event]) -> BTreeMap<Key, Expectation> {
    let mut rows: BTreeMap<Key, Expectation> = BTreeMap::new();
    for event in events.iter().filter(|e| judge(e.occurred_at, e.ingested_at) == Lateness::OnTime) {
        let minute = event.occurred_at.timestamp_micros().div_euclid(cube::WINDOW_US) * cube::WINDOW_US;
        for grouping in GROUPINGS {
            let values = dimensions(grouping.table, event);
            if grouping.only_items && values[0] == NONE {
                continue;
            }
            rows.entry((grouping.table.to_owned(), minute, values)).or_default().fold(event);
        }
    }
    rows
}

#[tokio::test]
async fn the_cube_is_what_the_oracle_says() {
    const REVISION: i64 = 3;
    let events = support::events(11, 6_000);
    let expected = oracle(&events);
    let rows = support::on_spark(move |session| {
        let records: Vec<Record> = events.iter().map(Record::of).collect();
        let stream = support::kafka_records(&session, &records);
        let on_time = checked::on_time(&checked::events(&stream, &EXPECTED));
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
            let name = measure.column.name();
            let context = format!("{key:?} {name}");
            match (measure.kind, name) {
                (MeasureKind::Count, _) => {
                    assert_eq!(support::long(row, name), count(want, name), "{context}");
                }
                (MeasureKind::Money, _) => {
                    assert_eq!(support::hundredths(row, name), money(want, name), "{context}");
                }
                (MeasureKind::Text | MeasureKind::Flag, _) => panic!("the cube has no {name}"),
                (MeasureKind::Instant, _) => {
                    assert_eq!(support::long(row, name), want.last_occurred_at, "{context}");
                }
                (MeasureKind::Distinct, _) => {
                    let exact = if name == "users" { want.users.len() } else { want.sessions.len() } as f64;
                    let off = (support::long(row, name) as f64 - exact).abs();
                    assert!(off <= f64::max(3.0, 5.0 * DISTINCT_RSD * exact), "{context}: {off} off {exact}");
                }
            }
        }
        assert_eq!(support::long(row, "write_time"), cube::write_time(minute, REVISION, want.events));
        let start = chrono::DateTime::from_timestamp_micros(minute).unwrap();
        assert_eq!(support::long(row, "hour"), i64::from(chrono::Timelike::hour(&start)));
    }
}

fn count(want: &Expectation, name: &str) -> i64 {
    match name {
        "events" => want.events,
        "session_starts" => want.session_starts,
        "item_views" => want.item_views,
        "cart_adds" => want.cart_adds,
        "checkouts" => want.checkouts,
        "orders" => want.orders,
        "order_lines" => want.order_lines,
        "units" => want.units,
        other => panic!("the oracle does not count {other}"),
    }
}

fn money(want: &Expectation, name: &str) -> i128 {
    match name {
        "gross" => want.gross,
        "refunds" => want.refunds,
        "net" => want.gross - want.refunds,
        other => panic!("the oracle does not sum {other}"),
    }
}
