mod again;
mod deleted;
mod late;
mod places;
mod refused;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use contracts::Event;
use contracts::event::Amount;
use contracts::money::Rates;
use contracts::validation::accept;
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::source::draft;
use crate::store::held::Moves;
use crate::store::other_events::{OtherEvent, OtherKind};
use crate::store::shop_order::{LineRefund, ShopRefund, ShopSums, UnreadLine};

/// A line as it is told: units, and hundredths that they cost.
type Line = (i32, i64);

fn at(minutes: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_772_366_400, 0).unwrap() + TimeDelta::minutes(minutes)
}

fn judged(fields: Value, minutes: i64) -> Accepted {
    let mut event = json!({ "occurred_at": at(minutes), "user_id": "ann", "order_id": "o-1" });
    let Value::Object(fields) = fields else { panic!("{fields}") };
    event.as_object_mut().unwrap().extend(fields);
    let draft = draft::read(event.to_string().as_bytes()).unwrap();
    accept(draft, "collector/shop", at(minutes), &Rates::none("EUR".parse().unwrap())).unwrap()
}

fn purchase(key: usize, (units, hundredths): Line, place: [usize; 2]) -> Accepted {
    let fields = json!({
        "event_name": "purchase", "item_id": format!("item-{key}"), "item_name": "x", "category": "x",
        "quantity": units.max(1), "amount": Decimal::new(hundredths, 2).to_string(), "currency": "EUR",
        "order_line": place[0], "order_lines": place[1],
    });
    judged(fields, 0)
}

/// A state of an order: by key each line that it has then, and refunds of sums.
fn told(minutes: i64, lines: &[Option<Line>], refunds: &[(u32, i64)]) -> ShopOrder {
    let there: Vec<(usize, Line)> =
        lines.iter().enumerate().filter_map(|(key, line)| Some((key, (*line)?))).collect();
    let line = |(place, (key, line)): (usize, &(usize, Line))| ShopLine {
        key: key.to_string(),
        quantity: line.0,
        amount: Decimal::new(line.1, 2).into(),
        by_units: false,
        purchase: purchase(*key, *line, [place + 1, there.len()]),
    };
    ShopOrder {
        order_id: "o-1".to_owned(),
        created_at: Some(at(0)),
        as_of: at(minutes),
        rank: 0,
        is_void: false,
        lines: there.iter().enumerate().map(line).collect(),
        unread: Vec::new(),
        line_refunds: Vec::new(),
        unread_refunds: Vec::new(),
        sums: ShopSums { told: refunds.iter().map(|refund| sum(*refund)).collect(), ..ShopSums::default() },
        refund: Box::new(judged(json!({ "event_name": "refund", "shared_id": "refund/o-1" }), minutes)),
        otherwise: Box::new(OtherEvent {
            id: "x".to_owned(),
            dialect: "woocommerce",
            kind: OtherKind::Other,
            name: "order.updated".to_owned(),
            occurred_at: at(minutes),
            user_id: None,
            anonymous_id: None,
            tells: None,
            payload: Vec::new(),
        }),
    }
}

/// A refund of a sum.
fn sum((id, hundredths): (u32, i64)) -> ShopRefund {
    ShopRefund { id: id.to_string(), total: Decimal::new(hundredths, 2).into(), is_rest: false }
}

/// A store without PostgreSQL: what is booked, once by its id, and the state.
#[derive(Default)]
struct Books {
    order: Order,
    known: Known,
    booked: BTreeMap<Uuid, Event>,
    refused: Vec<contracts::Reason>,
    unread: Vec<SetAside>,
    unsold: Vec<Unsold>,
}

impl Books {
    /// A purchase that a page tells under the shared id of the order's first line. Returns its identity.
    fn comes_in(&mut self, purchase: Accepted) -> Uuid {
        let event_id = ids::rekeyed(at(0), ids::SHARED, &ids::order_line("o-1", 1));
        let event = Event { event_id, ..purchase.event };
        self.order.sell(1, event.clone());
        let identity = ids::identity(&event_id);
        self.booked.insert(identity, event);
        identity
    }

    /// The same out of quarantine.
    fn is_replayed(&mut self, purchase: Accepted) -> Uuid {
        self.known.records.replayed.insert(ids::rekeyed(at(0), ids::SHARED, &ids::order_line("o-1", 1)));
        self.comes_in(purchase)
    }

    /// Books a state; how much was new.
    fn take(&mut self, told: &ShopOrder) -> usize {
        let before = self.booked.len();
        let Booked { booked, refused, unread, unsold, state } = book(told, &self.known, &mut self.order);
        self.refused.extend(refused.into_iter().map(|(_, rejection)| rejection.reason));
        self.unread.extend(unread);
        self.unsold.extend(unsold);
        if let Some(state) = state {
            self.known.move_on(&told.order_id, state, &mut Moves::default());
        }
        for accepted in booked {
            self.booked.entry(ids::identity(&accepted.event.event_id)).or_insert(accepted.event);
        }
        self.booked.len() - before
    }

    /// Hundredths that are sold less those paid back, by product.
    fn left(&self) -> BTreeMap<String, i64> {
        let mut left = BTreeMap::new();
        for event in self.booked.values() {
            let amount = event.amount_base.map_or(0, Amount::unscaled);
            let is_sale = event.event_name == contracts::vocabulary::EventName::Purchase;
            *left.entry(event.item_id.as_deref().unwrap().to_owned()).or_insert(0) +=
                if is_sale { amount } else { -amount };
        }
        left.retain(|_, left| *left != 0);
        left
    }
}

/// A line that was refused, at its place among those that are told.
fn unread(key: &str, place: i32) -> UnreadLine {
    let payload = json!({ "shared_id": "x", "order_line": place, "order_lines": 2, "item_id": key });
    let aside = SetAside {
        source: "collector/shop".to_owned(),
        coordinates: key.to_owned(),
        reason: contracts::Reason::InvalidField,
        detail: String::new(),
        payload: payload.to_string().into_bytes(),
        user_id: None,
        quarantined_at: at(0),
    };
    UnreadLine { key: Some(key.to_owned()), place, sold: None, aside: Some(aside) }
}

/// A refund of a line of which all products are the same.
fn of_line(id: usize, key: usize, hundredths: i64) -> LineRefund {
    let fields = json!({
        "event_name": "refund", "shared_id": format!("refund/o-1/line-{id}"), "item_id": "item-0", "item_name": "x",
        "category": "x", "quantity": 1, "amount": Decimal::new(hundredths, 2).to_string(), "currency": "EUR",
        "order_line": 1, "order_lines": 1,
    });
    LineRefund { key: Some(key.to_string()), of: None, refund: judged(fields, 1) }
}

fn state() -> impl Strategy<Value = Vec<Option<Line>>> {
    let line =
        prop_oneof![1 => Just(None), 1 => Just(Some((0, 0))), 5 => (1..5i32, 0..5_000i64).prop_map(Some)];
    prop::collection::vec(line, 4)
}

proptest! {
    #[test]
    fn the_newest_state_is_booked_in_whatever_order_it_is_told(
        states in prop::collection::vec(state(), 1..6),
        order in prop::collection::vec(0..6usize, 0..16),
    ) {
        let states: Vec<ShopOrder> = (0..).zip(&states).map(|(minutes, lines)| told(minutes, lines, &[])).collect();
        let mut books = Books::default();
        for which in order.iter().filter(|which| **which < states.len()) {
            books.take(&states[*which]);
            prop_assert_eq!(books.take(&states[*which]), 0, "a repeat books nothing");
        }
        let newest = states.last().unwrap();
        books.take(newest);
        for state in &states {
            prop_assert_eq!(books.take(state), 0, "what is older books nothing");
        }
        let mut wanted = BTreeMap::new();
        for line in newest.lines.iter().filter(|line| !line.amount.to_decimal().is_zero()) {
            let hundredths = line.amount.to_decimal() * Decimal::ONE_HUNDRED;
            wanted.insert(format!("item-{}", line.key), i64::try_from(hundredths).unwrap());
        }
        prop_assert_eq!(books.left(), wanted);
        for event in books.booked.values() {
            prop_assert!(event.quantity.unwrap() >= 1 && event.order_line <= event.order_lines);
        }
    }

    #[test]
    fn sums_that_come_back_are_no_more_than_what_is_left_and_count_once(
        lines in prop::collection::vec((1..4i32, 0..5_000i64).prop_map(Some), 4),
        refunds in prop::collection::vec(1..9_000i64, 1..5),
        order in prop::collection::vec(0..5usize, 1..12),
    ) {
        let refunds: Vec<(u32, i64)> = (0..).zip(refunds).collect();
        let states: Vec<ShopOrder> =
            (0..=refunds.len()).map(|count| told(i64::try_from(count).unwrap(), &lines, &refunds[..count])).collect();
        let mut books = Books::default();
        for which in order.iter().chain([&refunds.len()]).filter(|which| **which < states.len()) {
            books.take(&states[*which]);
            prop_assert_eq!(books.take(&states[*which]), 0);
            prop_assert!(books.left().values().all(|left| *left > 0));
        }
        let sold: i64 = lines.iter().flatten().map(|line| line.1).sum();
        let back: i64 = refunds.iter().map(|refund| refund.1).sum();
        prop_assert_eq!(books.left().values().sum::<i64>(), (sold - back).max(0));
    }
}

#[test]
fn a_line_that_a_page_told_keeps_its_place_and_is_paid_back_where_the_order_comes_to_nothing() {
    let mut books = Books::default();
    let of_page = purchase(0, (1, 310), [1, 1]).event;
    books.order.sell(1, of_page.clone());
    books.booked.insert(ids::identity(&of_page.event_id), of_page);
    // It is not paid yet, then it is, then it is cancelled.
    assert_eq!(books.take(&told(1, &[Some((0, 0))], &[])), 0);
    assert_eq!(books.take(&told(2, &[Some((1, 310))], &[])), 0);
    assert_eq!(books.left(), BTreeMap::from([("item-0".to_owned(), 310)]));
    let cancelled = ShopOrder { is_void: true, ..told(3, &[Some((0, 0))], &[]) };
    assert_eq!(books.take(&cancelled), 1);
    assert_eq!(books.left(), BTreeMap::new());
    // And then it is paid after all.
    assert_eq!(books.take(&told(4, &[Some((1, 310))], &[])), 1);
    assert_eq!(books.left(), BTreeMap::from([("item-0".to_owned(), 310)]));
}

#[test]
fn a_line_that_is_replayed_or_told_again_counts_once() {
    let mut books = Books::default();
    // The first line could not be read, and stands in quarantine under the id of its place.
    let mut first = told(1, &[Some((1, 310)), Some((2, 500))], &[]);
    first.lines.remove(0);
    first.unread.push(unread("0", 1));
    assert_eq!(books.take(&first), 1);
    let shared = books.is_replayed(purchase(0, (1, 310), [1, 2]));
    // Told again it is the same line.
    assert_eq!(books.take(&told(2, &[Some((1, 310)), Some((2, 500))], &[])), 0);
    let wanted = BTreeMap::from([("item-0".to_owned(), 310), ("item-1".to_owned(), 500)]);
    assert_eq!(books.left(), wanted);
    // And so it is where it is told again before it is replayed.
    let mut books = Books::default();
    books.take(&first);
    assert_eq!(books.take(&told(2, &[Some((1, 310)), Some((2, 500))], &[])), 1);
    assert!(books.booked.contains_key(&shared));
    assert_eq!(books.left(), wanted);
}

#[test]
fn a_page_that_told_more_lines_has_them_for_itself_and_loses_them_where_the_order_comes_to_nothing() {
    let mut books = Books::default();
    for (key, line) in (0..).zip(1..=3) {
        let event = purchase(key, (1, 100), [key + 1, 3]).event;
        let event_id = ids::rekeyed(at(0), ids::SHARED, &ids::order_line("o-1", line));
        let event = Event { event_id, ..event };
        books.order.sell(line, event.clone());
        books.booked.insert(ids::identity(&event_id), event);
    }
    assert_eq!(books.take(&told(1, &[Some((1, 100)), Some((1, 100))], &[])), 0);
    // What is added is no line of the page's.
    let added = told(2, &[Some((1, 100)), Some((1, 100)), None, Some((1, 700))], &[]);
    assert_eq!(books.take(&added), 1);
    assert_eq!(books.left().get("item-3"), Some(&700));
    let cancelled = ShopOrder { is_void: true, ..told(3, &[Some((0, 0)), Some((0, 0))], &[]) };
    books.take(&cancelled);
    assert_eq!(books.left(), BTreeMap::new());
}

#[test]
fn an_order_that_a_page_told_and_that_failed_first_counts_where_it_is_paid_at_last() {
    let mut books = Books::default();
    assert_eq!(books.take(&told(1, &[Some((0, 0))], &[])), 0);
    books.comes_in(purchase(0, (1, 310), [1, 1]));
    let failed = ShopOrder { is_void: true, ..told(2, &[Some((0, 0))], &[]) };
    assert_eq!(books.take(&failed), 1);
    assert_eq!(books.take(&told(3, &[Some((1, 310))], &[])), 1);
    assert_eq!(books.left(), BTreeMap::from([("item-0".to_owned(), 310)]));
}

proptest! {
    #[test]
    fn every_line_that_is_told_has_one_place_and_no_other_has_it(
        states in prop::collection::vec(prop::collection::vec((0..6usize, any::<bool>()), 1..6), 1..8),
        as_told in prop::collection::vec(0..8usize, 0..16),
    ) {
        let states: Vec<ShopOrder> = (0..).zip(states).map(|(minutes, lines)| {
            let mut order = ShopOrder { lines: Vec::new(), ..told(minutes, &[], &[]) };
            let mut seen = BTreeSet::new();
            // One is always sold: before anything is, lines may be made anew.
            let lines = [(6, true)].into_iter().chain(lines);
            let lines: Vec<(usize, bool)> = lines.filter(|(key, _)| seen.insert(*key)).collect();
            for (place, (key, is_read)) in (1..).zip(&lines) {
                match is_read {
                    true => order.lines.push(ShopLine {
                        key: key.to_string(),
                        quantity: 1,
                        amount: Decimal::new(100, 2).into(),
                        by_units: false,
                        purchase: purchase(*key, (1, 100), [place, lines.len()]),
                    }),
                    false => order.unread.push(unread(&key.to_string(), i32::try_from(place).unwrap())),
                }
            }
            order
        }).collect();
        let mut books = Books::default();
        for which in as_told.iter().filter(|which| **which < states.len()) {
            books.take(&states[*which]);
        }
        // What stands in quarantine of a line, and what is sold of it first, has its place.
        let mut places: BTreeMap<i64, String> = BTreeMap::new();
        let mut first: BTreeMap<String, i64> = BTreeMap::new();
        for aside in &books.unread {
            let payload: Value = serde_json::from_slice(&aside.payload).unwrap();
            let (at, key) = (payload["order_line"].as_i64().unwrap(), aside.coordinates.clone());
            prop_assert_eq!(payload["shared_id"].as_str().unwrap(), ids::order_line("o-1", i32::try_from(at).unwrap()));
            prop_assert_eq!(places.entry(at).or_insert_with(|| key.clone()), &key);
            prop_assert_eq!(*first.entry(key).or_insert(at), at);
        }
        for event in books.booked.values() {
            let (at, key) = (i64::from(event.order_line.unwrap()), event.item_id.as_deref().unwrap()[5..].to_owned());
            prop_assert_eq!(places.entry(at).or_insert_with(|| key.clone()), &key, "{} is another's", at);
        }
    }

    #[test]
    fn refunds_of_lines_of_one_product_take_nothing_from_one_another(
        lines in prop::collection::vec(100..5_000i64, 2..5),
        refunds in prop::collection::vec((0..4usize, 1..100i64), 0..6),
        is_first in any::<bool>(),
    ) {
        let refunds: Vec<(usize, i64)> = refunds.into_iter().filter(|(key, _)| *key < lines.len()).collect();
        let taken = |key: usize| refunds.iter().filter(|refund| refund.0 == key).map(|refund| refund.1).sum::<i64>();
        prop_assume!((0..lines.len()).all(|key| taken(key) <= lines[key]));
        let there: Vec<Option<Line>> = lines.iter().map(|hundredths| Some((1, *hundredths))).collect();
        let mut order = told(1, &there, &[]);
        for line in &mut order.lines {
            line.purchase.event.item_id = Some("item-0".parse().unwrap());
        }
        order.line_refunds = (0..).zip(&refunds).map(|(id, (key, back))| of_line(id, *key, *back)).collect();
        let mut books = Books::default();
        if !is_first {
            books.take(&ShopOrder { line_refunds: Vec::new(), ..order.clone() });
            books.take(&ShopOrder { created_at: None, lines: Vec::new(), ..order.clone() });
        }
        books.take(&order);
        prop_assert_eq!(books.take(&order), 0);
        prop_assert_eq!(&books.refused, &Vec::new());
        for (line, at) in lines.iter().enumerate().zip(1..) {
            prop_assert_eq!(books.order.left_of(at).1, line.1 - taken(line.0));
        }
    }
}

#[test]
fn refunds_alone_of_an_order_that_nobody_told_wait_for_it() {
    let mut books = Books::default();
    let mut order = told(1, &[Some((1, 500)), Some((1, 700))], &[]);
    order.lines[1].purchase.event.item_id = Some("item-0".parse().unwrap());
    order.line_refunds.push(of_line(1, 1, 700));
    let alone = ShopOrder { created_at: None, lines: Vec::new(), ..order.clone() };
    assert_eq!(
        (books.take(&alone), books.refused.as_slice()),
        (0, [contracts::Reason::UnknownOrder].as_slice())
    );
    assert_eq!(books.take(&order), 3);
    assert_eq!(books.take(&alone), 0);
    assert_eq!((books.order.left_of(1).1, books.refused.len()), (500, 1));
}
