//! What is sold late, and what is told of orders of which something was forgotten or never noted.

use super::*;
use crate::store::shop_order::UnreadRefund;

fn total(books: &Books) -> i64 {
    books.left().values().sum()
}

const BOTH: [Option<Line>; 2] = [Some((1, 6_000)), Some((1, 4_000))];

/// An order of two lines, of which the second is refused.
fn with_second_refused(minutes: i64, refunds: &[(u32, i64)]) -> ShopOrder {
    let mut order = told(minutes, &BOTH, refunds);
    let ShopLine { quantity, amount, .. } = order.lines.remove(1);
    order.unread.push(UnreadLine { sold: Some((quantity, amount)), ..unread("1", 2) });
    order
}

#[test]
fn a_sum_that_comes_before_a_refused_line_is_sold_comes_off_it_then() {
    for is_replayed in [true, false] {
        for sum in [5_000, 6_000, 6_001, 7_500, 10_000, 20_000] {
            let (mut books, refunds) = (Books::default(), [(1, sum)]);
            let refused = with_second_refused(1, &refunds);
            books.take(&refused);
            assert_eq!(total(&books), (6_000 - sum).max(0));
            // It is judged again, or its shop tells it so that it can be read.
            let again = if is_replayed { refused } else { told(2, &BOTH, &refunds) };
            if is_replayed {
                books.replay(1);
            }
            let left = (10_000 - sum).max(0);
            for is_repeat in [false, true] {
                let new = books.take(&again);
                assert!(!is_repeat || new == 0);
                assert_eq!(total(&books), left, "{sum}, {is_replayed}");
            }
            // What was more than all of it was for something else, and not for what is added.
            books.take(&told(3, &[BOTH[0], BOTH[1], Some((1, 700))], &refunds));
            assert_eq!(total(&books), left + 700);
            books.take(&ShopOrder { is_void: true, ..told(4, &[Some((0, 0)); 3], &refunds) });
            assert_eq!(total(&books), 0);
            books.take(&told(5, &[BOTH[0], BOTH[1], Some((1, 700))], &refunds));
            assert_eq!(total(&books), left + 700);
        }
    }
}

#[test]
fn a_sum_comes_off_a_line_without_an_id_too_once_that_is_replayed() {
    let mut books = Books::default();
    let mut order = with_second_refused(1, &[(1, 10_000)]);
    order.unread[0].key = None;
    books.take(&order);
    let event_id = ids::rekeyed(at(0), ids::SHARED, &ids::order_line("o-1", 2));
    let event = Event { event_id, ..purchase(1, (1, 4_000), [2, 2]).event };
    books.order.sell(2, event.clone());
    books.booked.insert(ids::identity(&event_id), event);
    assert_eq!((books.take(&order), total(&books)), (1, 0));
    assert_eq!(books.take(&order), 0);
}

/// An erasure deletes the record by which it is known that a line was replayed.
#[test]
fn a_line_whose_record_was_erased_is_known_by_its_product() {
    for (edited, left) in
        [(Some((1, 500)), 500), (Some((3, 1_500)), 1_500), (Some((2, 1_000)), 1_000), (None, 0)]
    {
        for is_sold in [true, false] {
            let mut books = Books::default();
            let mut first = told(1, &[Some((2, 1_000)), Some((1, 70))], &[]);
            first.lines.remove(0);
            first.unread.push(unread("0", 1));
            books.take(&first);
            if is_sold {
                books.comes_in(purchase(0, (2, 1_000), [1, 2]));
            }
            books.known.records.forgotten.insert("0".to_owned());
            let edited = told(2, &[edited, Some((1, 70))], &[]);
            books.take(&edited);
            assert_eq!(total(&books), left + 70, "{edited:?}, {is_sold}");
            assert_eq!(books.take(&edited), 0);
        }
    }
}

#[test]
fn what_stays_paid_back_has_no_more_units_than_can_be_counted() {
    let mut books = Books::default();
    books.take(&told(1, &[Some((2, 2_000))], &[(1, 2_000)]));
    books.known.state.lines.get_mut("0").unwrap().back = (i32::MAX, i64::MAX);
    books.take(&told(2, &[Some((0, 0))], &[(1, 2_000)]));
    assert_eq!(books.known.state.lines["0"].back, (i32::MAX, i64::MAX));
    assert_eq!(total(&books), 0);
}

/// An order all of whose lines are refused, as a commit left it that did not note whether they are.
#[test]
fn lines_of_which_it_is_not_noted_whether_they_are_refused_keep_their_places() {
    let mut books = Books::default();
    let refused = ShopOrder { unread: vec![unread("0", 1), unread("1", 2)], ..told(1, &[], &[]) };
    books.take(&refused);
    let mut stored = serde_json::to_value(&books.known.state).unwrap();
    for line in stored["lines"].as_object_mut().unwrap().values_mut() {
        let line = line.as_object_mut().unwrap();
        assert!(line.remove("aside").is_some(), "every state that is written now notes it");
        line.remove("kept");
    }
    books.known.state = serde_json::from_value(stored).unwrap();
    // The first one has gone, and the second one can be read: a replay of either would sell it at its place.
    books.take(&told(2, &[None, Some((1, 500))], &[]));
    let places: Vec<_> = books.booked.values().map(|event| event.order_line).collect();
    assert_eq!(places, [Some(2)]);
}

/// A place that no order has was dropped from the state, and there is none left.
#[test]
fn a_line_without_a_place_in_a_full_order_is_refused_by_name() {
    let mut books = Books::default();
    books.take(&told(1, &[Some((1, 100)), Some((0, 0))], &[]));
    books.known.state.next = MAX_ORDER_LINES + 1;
    books.known.state.lines.get_mut("1").unwrap().at.clear();
    assert_eq!(books.take(&told(2, &[Some((1, 100)), Some((1, 70))], &[])), 0);
    assert_eq!((total(&books), books.unsold.len()), (100, 1));
}

impl Books {
    /// What is kept of a refund that could not be read, once somebody has completed and replayed it.
    fn is_completed(&mut self, id: &str, hundredths: i64) {
        let fields = json!({
            "event_name": "refund", "shared_id": format!("refund/o-1/sum-{id}/1"), "item_id": "item-0",
            "item_name": "x", "category": "x", "quantity": 1, "currency": "EUR", "order_line": 1, "order_lines": 1,
            "amount": Decimal::new(hundredths, 2).to_string(),
        });
        let refund = judged(fields, 1).event;
        self.order.pay_back(refund.clone());
        self.booked.insert(ids::identity(&refund.event_id), refund);
    }
}

#[test]
fn a_refund_that_was_completed_and_replayed_counts_once_though_it_is_told_again() {
    let lines = [Some((1, 3_000)), Some((1, 3_000))];
    let with_lines = |minutes| {
        let mut order = told(minutes, &lines, &[]);
        order.sums.lined = vec!["1".to_owned()];
        order.line_refunds = vec![LineRefund { of: Some("1".to_owned()), ..of_line(7, 0, 1_000) }];
        order
    };
    let as_rest = |minutes| {
        let mut order = told(minutes, &lines, &[(1, 1_000)]);
        order.sums.told[0].is_rest = true;
        order
    };
    for way in
        [&with_lines as &dyn Fn(i64) -> ShopOrder, &as_rest, &|minutes| told(minutes, &lines, &[(1, 1_000)])]
    {
        let mut books = Books::default();
        let aside = unread("0", 1).aside.unwrap();
        let of_unread = UnreadRefund { of: Some("1".to_owned()), is_whole: true, aside };
        let mut first = told(1, &lines, &[]);
        first.unread_refunds = vec![of_unread.clone()];
        books.take(&first);
        books.is_completed("1", 1_000);
        assert_eq!((books.take(&way(2)), total(&books)), (0, 5_000));
        // And so it does in whatever way it is told then.
        assert_eq!(books.take(&with_lines(3)) + books.take(&told(4, &lines, &[(1, 1_000)])), 0);
        // It is of products, so that what shipping costs is another refund.
        let mut shipping = told(5, &lines, &[(1, 1_000), (2, 1_000)]);
        shipping.sums.told[1].is_rest = true;
        assert_eq!((books.take(&shipping), total(&books)), (0, 5_000));
    }
}

#[test]
fn a_refund_that_was_completed_counts_once_though_its_order_has_no_first_line() {
    let mut books = Books::default();
    let refused = |minutes, refunds: &[(u32, i64)]| {
        let mut order = told(minutes, &[Some((1, 3_000)), Some((1, 3_000))], refunds);
        order.lines.remove(0);
        order.unread.push(unread("0", 1));
        order
    };
    books.take(&refused(1, &[]));
    books.is_completed("1", 1_000);
    assert_eq!((books.take(&refused(2, &[(1, 1_000)])), total(&books)), (0, 2_000));
}

/// It was told first so that its sum could not be read, and is refused for another cause since.
#[test]
fn a_line_that_is_in_quarantine_twice_is_sold_once_and_as_it_is_told() {
    let of = |minutes, record: &str, sold: Option<Line>| {
        let mut order = told(minutes, &[Some((2, 1_000)), Some((1, 70))], &[]);
        order.lines.remove(0);
        let aside = SetAside { coordinates: record.to_owned(), ..unread("0", 1).aside.unwrap() };
        let sold = sold.map(|(units, hundredths)| (units, Decimal::new(hundredths, 2).into()));
        order.unread.push(UnreadLine { sold, aside: Some(aside), ..unread("0", 1) });
        order
    };
    let mut books = Books::default();
    books.take(&of(1, "0/unread", None));
    assert_eq!(books.known.told_of(("collector/shop", "0/unread"), 1), None);
    books.take(&of(2, "0", Some((2, 1_000))));
    for record in ["0/unread", "0"] {
        let told = books.known.told_of(("collector/shop", record), 1);
        assert_eq!(told, Some((2, Decimal::TEN)), "{record}");
    }
    books.replay(0);
    assert_eq!(total(&books), 1_070);
    assert_eq!(books.take(&told(3, &[Some((2, 1_000)), Some((1, 70))], &[])), 0);
}

proptest! {
    /// Whatever is refused, sold and paid back by sums meanwhile.
    #[test]
    fn an_order_is_worth_its_lines_less_its_sums_whenever_these_come_and_those_are_sold(
        lines in prop::collection::vec((1..3i32, 1..5_000i64).prop_map(Some), 3),
        steps in prop::collection::vec((
            prop::collection::vec(any::<bool>(), 3),
            prop::option::of(1..6_000i64),
            prop::collection::vec(0..3usize, 0..3),
        ), 1..8),
    ) {
        let (mut books, mut refunds) = (Books::default(), Vec::new());
        for (minutes, (are_refused, refund, replays)) in (1..).zip(&steps) {
            refunds.extend(refund.map(|refund| (u32::try_from(minutes).unwrap(), refund)));
            let mut order = told(minutes, &lines, &refunds);
            for line in std::mem::take(&mut order.lines) {
                if are_refused[line.key.parse::<usize>().unwrap()] {
                    let refused = unread(&line.key, line.purchase.event.order_line.unwrap());
                    order.unread.push(UnreadLine { sold: Some((line.quantity, line.amount)), ..refused });
                } else {
                    order.lines.push(line);
                }
            }
            books.take(&order);
            prop_assert_eq!(books.take(&order), 0);
            prop_assert!(books.left().values().all(|left| *left > 0));
            replays.iter().for_each(|key| books.replay(*key));
        }
        let last = told(99, &lines, &refunds);
        books.take(&last);
        prop_assert_eq!(books.take(&last), 0);
        let sold: i64 = lines.iter().flatten().map(|line| line.1).sum();
        let back: i64 = refunds.iter().map(|refund| refund.1).sum();
        prop_assert_eq!(total(&books), (sold - back).max(0));
    }
}
