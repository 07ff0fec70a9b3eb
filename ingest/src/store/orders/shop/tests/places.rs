//! The places of lines: what has none left, and how few are given.

use super::*;

fn of(hundredths: i64) -> BTreeMap<String, i64> {
    BTreeMap::from([("item-0".to_owned(), hundredths)])
}

#[test]
fn what_has_no_place_left_is_refused_by_name_and_never_taken_for_sold() {
    let mut books = Books::default();
    books.take(&told(1, &[Some((1, 100))], &[]));
    books.known.state.next = MAX_ORDER_LINES;
    // The last place, and then none.
    assert_eq!(books.take(&told(2, &[Some((2, 200))], &[])), 1);
    for minutes in [3, 4] {
        assert_eq!(books.take(&told(minutes, &[Some((3, 310)), Some((1, 70))], &[])), 0);
    }
    assert_eq!(books.left(), of(200));
    let refused: BTreeMap<String, String> = books
        .unsold
        .iter()
        .map(|unsold| unsold.aside(None))
        .map(|aside| {
            (aside.coordinates, format!("{} {}", aside.reason, String::from_utf8(aside.payload).unwrap()))
        })
        .collect();
    assert_eq!(refused.len(), 2, "once for each line: {refused:?}");
    for (item, amount) in [("item-0", "1.10"), ("item-1", "0.70")] {
        let is_of =
            |text: &&String| text.contains(item) && text.contains(&format!("\"amount\":\"{amount}\""));
        assert!(
            refused.values().any(|text| text.starts_with("invalid_field") && is_of(&text)),
            "{refused:?}"
        );
        assert!(
            refused.values().all(|text| draft::read(text.split_once(' ').unwrap().1.as_bytes()).is_err())
        );
    }
    // What was not sold is not paid back either, and the rest is.
    assert_eq!(books.take(&told(5, &[Some((2, 200))], &[])), 0);
    assert_eq!(books.left(), of(200));
    books.take(&told(6, &[Some((1, 100))], &[]));
    assert_eq!(books.left(), of(100));
    assert_eq!(books.known.state.next, MAX_ORDER_LINES + 1, "no place is counted that there is not");
}

#[test]
fn more_money_than_is_kept_of_a_line_is_refused_by_name() {
    let mut books = Books::default();
    books.take(&told(1, &[Some((1, 100))], &[]));
    // A thousand units cost so much that the price of one is kept, and the one that is more does not.
    let mut grown = told(2, &[Some((1_000, 10_000_000_000_000))], &[]);
    grown.lines[0].quantity = 2;
    assert_eq!(books.take(&grown), 0);
    let reasons: Vec<_> = books.unsold.iter().map(|unsold| unsold.rejection.reason).collect();
    assert_eq!((books.left(), reasons), (of(100), vec![contracts::Reason::AmountOverflow]));
    // However often it is told, it takes no place from what can be sold.
    for minutes in 3..10 {
        books.take(&ShopOrder { as_of: at(minutes), ..grown.clone() });
    }
    assert_eq!(books.known.state.next, 2);
}

/// A refused line of which nothing is sold: of an order that is not paid, or taken off it.
#[test]
fn a_refused_line_of_which_nothing_is_sold_keeps_its_place_and_is_not_set_aside() {
    let of_none = |minutes| {
        let mut order = told(minutes, &[Some((0, 0)), Some((0, 0))], &[]);
        order.lines.remove(0);
        order.unread.push(UnreadLine { aside: None, ..unread("0", 1) });
        order
    };
    let paid = |minutes| told(minutes, &[Some((1, 310)), Some((2, 500))], &[]);
    let mut books = Books::default();
    books.take(&of_none(1));
    books.take(&paid(2));
    let places: Vec<Option<i32>> = books.booked.values().map(|event| event.order_line).collect();
    assert_eq!((books.left().values().sum::<i64>(), places.len()), (810, 2));
    assert!(places.contains(&Some(1)) && places.contains(&Some(2)));
    // What was sold of it goes back where nothing of it is sold any more.
    books.take(&of_none(3));
    assert_eq!(books.left(), BTreeMap::new());
    assert!(books.unread.is_empty());
}

/// What a page told counts as it is, whether the shop's line was refused first or not.
#[test]
fn what_a_page_told_at_the_place_of_a_refused_line_was_not_replayed() {
    let mut books = Books::default();
    let mut first = told(1, &[Some((1, 310)), Some((2, 500))], &[]);
    first.lines.remove(0);
    first.unread.push(unread("0", 1));
    books.take(&first);
    books.comes_in(purchase(0, (1, 300), [1, 2]));
    assert_eq!(books.take(&told(2, &[Some((1, 310)), Some((2, 500))], &[])), 0);
    assert_eq!(books.left().get("item-0"), Some(&300));
}

/// A refused line has gone, and the one in its place is another product's when the first is replayed.
#[test]
fn what_is_replayed_of_a_line_that_is_told_no_more_goes_back() {
    let mut books = Books::default();
    books.take(&ShopOrder { unread: vec![unread("0", 1)], ..told(1, &[], &[]) });
    books.take(&told(2, &[None, None, Some((0, 0))], &[]));
    books.is_replayed(purchase(0, (1, 310), [1, 1]));
    books.take(&told(3, &[None, None, Some((1, 500))], &[]));
    assert_eq!(books.left(), BTreeMap::from([("item-2".to_owned(), 500)]));
}

/// The customer pays again with another basket: the page tells it, and the shop tells it with new ids.
#[test]
fn lines_that_are_made_anew_have_the_places_of_those_before_however_many_there_are() {
    let none = |minutes, keys: std::ops::Range<usize>, aside: bool| {
        let lines: Vec<Option<Line>> =
            (0..keys.end).map(|key| keys.contains(&key).then_some((0, 0))).collect();
        let mut order = told(minutes, &lines, &[]);
        if aside {
            order.lines.remove(0);
            order.unread.push(unread(&keys.start.to_string(), 1));
        }
        order
    };
    for (before, is_aside, is_known) in
        [(1, false, false), (2, false, true), (3, true, false), (4, false, false), (5, true, true)]
    {
        let of_page = |books: &mut Books| {
            for (key, line) in (10..13).zip(1..) {
                let event_id = ids::rekeyed(at(0), ids::SHARED, &ids::order_line("o-1", line));
                let event = Event { event_id, ..purchase(key, (1, 100), [1, 3]).event };
                books.order.sell(line, event.clone());
                books.booked.entry(ids::identity(&event_id)).or_insert(event);
            }
        };
        let mut books = Books::default();
        books.take(&none(1, 0..before, is_aside));
        books.take(&ShopOrder { is_void: true, ..none(2, 0..before, false) });
        if is_known {
            of_page(&mut books);
        }
        books.take(&none(3, 10..13, false));
        let mut paid = none(4, 10..13, false);
        for line in &mut paid.lines {
            (line.quantity, line.amount) = (1, Decimal::ONE.into());
        }
        books.take(&paid);
        of_page(&mut books);
        assert_eq!(books.left().values().sum::<i64>(), 300, "{before} lines before, {is_aside}, {is_known}");
        assert_eq!(books.take(&paid), 0);
    }
}

/// One line of an order that is not paid is taken off, and the page tells what is left.
#[test]
fn lines_of_which_nothing_is_sold_yet_have_the_places_that_they_are_told_at() {
    let mut books = Books::default();
    books.take(&told(1, &[Some((0, 0)), Some((0, 0)), Some((0, 0))], &[]));
    books.take(&told(2, &[None, Some((1, 310)), Some((2, 500))], &[]));
    books.comes_in(purchase(1, (1, 310), [1, 2]));
    assert_eq!(books.left().values().sum::<i64>(), 810);
}

#[test]
fn a_line_without_an_id_has_one_place_however_often_it_is_told() {
    let mut books = Books::default();
    let without_id = |minutes, place| {
        let line = UnreadLine { key: None, ..unread(&format!("at {place}"), place) };
        ShopOrder { unread: vec![line], ..told(minutes, &[Some((1, 100))], &[]) }
    };
    books.take(&without_id(0, 2));
    for minutes in 1..50 {
        books.take(&without_id(minutes, if minutes < 25 { 2 } else { 3 }));
    }
    assert_eq!(books.known.state.next, 4);
    let places: BTreeSet<(String, i64)> = books
        .unread
        .iter()
        .map(|aside| (aside.coordinates.clone(), serde_json::from_slice::<Value>(&aside.payload).unwrap()))
        .map(|(coordinates, payload)| (coordinates, payload["order_line"].as_i64().unwrap()))
        .collect();
    assert_eq!(places, BTreeSet::from([("at 2".to_owned(), 2), ("at 3".to_owned(), 3)]));
    // And so it is once the state was stored and read.
    let stored = serde_json::to_string(&books.known.state).unwrap();
    assert_eq!(serde_json::from_str::<State>(&stored).unwrap(), books.known.state);
}

/// What is sold again after its order was reopened is a sale of its own, as far as there is place.
#[test]
fn an_order_that_is_reopened_without_an_end_is_refused_by_name_at_last() {
    let mut books = Books::default();
    books.take(&told(0, &[Some((1, 100))], &[]));
    books.known.state.next = MAX_ORDER_LINES - 1;
    for minutes in 1..20 {
        books.take(&told(minutes, &[Some(if minutes % 2 == 0 { (1, 100) } else { (0, 0) })], &[]));
    }
    assert_eq!(books.left(), BTreeMap::new());
    assert_eq!((books.known.state.next, books.unsold.len()), (MAX_ORDER_LINES + 1, 7));
    assert!(books.known.state.lines["0"].at.len() == 3);
}
