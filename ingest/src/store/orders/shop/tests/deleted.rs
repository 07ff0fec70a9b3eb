//! Refunds that are deleted in the shop, and refunds of lines after those of sums.

use super::*;

/// A state that lists all of its refunds.
fn listed(minutes: i64, lines: &[Option<Line>], refunds: &[(u32, i64)]) -> ShopOrder {
    let mut order = told(minutes, lines, refunds);
    order.sums.listed = Some(order.as_of);
    order
}

fn left(books: &Books) -> i64 {
    books.left().values().sum()
}

const LINES: [Option<Line>; 2] = [Some((1, 600)), Some((1, 1_900))];

#[test]
fn a_refund_that_is_deleted_is_sold_again_once() {
    let mut books = Books::default();
    books.take(&listed(0, &LINES, &[]));
    books.take(&listed(1, &LINES, &[(1, 500)]));
    assert_eq!(books.left(), BTreeMap::from([("item-0".to_owned(), 480), ("item-1".to_owned(), 1_520)]));
    // A list that may be short deletes nothing, and neither does an older one.
    assert_eq!(books.take(&told(2, &LINES, &[])), 0);
    assert_eq!(books.take(&listed(0, &LINES, &[])), 0);
    let deleted = listed(3, &LINES, &[]);
    assert_eq!((books.take(&deleted), books.take(&deleted)), (2, 0));
    let all = BTreeMap::from([("item-0".to_owned(), 600), ("item-1".to_owned(), 1_900)]);
    assert_eq!(books.left(), all);
    // Told late it stays deleted, and another one counts.
    assert_eq!(books.take(&listed(1, &LINES, &[(1, 500)])), 0);
    assert_eq!(books.take(&listed(4, &LINES, &[(2, 2_500)])), 4);
    assert_eq!(books.left(), BTreeMap::new());
    assert_eq!(books.take(&listed(5, &LINES, &[])), 4);
    assert_eq!(books.left(), all);
    // Whatever is sold again goes where the order comes to nothing.
    books.take(&ShopOrder { is_void: true, ..listed(6, &[Some((0, 0)), Some((0, 0))], &[]) });
    assert_eq!(books.left(), BTreeMap::new());
}

#[test]
fn what_is_gone_of_an_order_is_not_sold_again_where_its_refund_is_deleted() {
    for is_void in [false, true] {
        let mut books = Books::default();
        books.take(&listed(1, &LINES, &[(1, 500)]));
        let without = if is_void { [Some((0, 0)), Some((0, 0))] } else { [None, LINES[1]] };
        books.take(&ShopOrder { is_void, ..listed(2, &without, &[(1, 500)]) });
        assert_eq!(left(&books), if is_void { 0 } else { 1_520 });
        books.take(&ShopOrder { is_void, ..listed(3, &without, &[]) });
        assert_eq!(left(&books), if is_void { 0 } else { 1_900 });
        // It comes again, and all of it counts.
        books.take(&listed(4, &LINES, &[]));
        assert_eq!(left(&books), 2_500);
    }
}

#[test]
fn a_refund_of_lines_that_is_deleted_is_sold_again_too() {
    let mut books = Books::default();
    let mut order = listed(1, &LINES, &[]);
    order.line_refunds = vec![LineRefund { of: Some("7".to_owned()), ..of_line(7, 0, 600) }];
    order.sums.lined = vec!["7".to_owned()];
    assert_eq!(books.take(&order), 3);
    assert_eq!(left(&books), 1_900);
    assert_eq!(books.take(&listed(2, &LINES, &[])), 1);
    assert_eq!(books.take(&order), 0);
    assert_eq!(books.left(), BTreeMap::from([("item-0".to_owned(), 600), ("item-1".to_owned(), 1_900)]));
}

#[test]
fn a_refund_of_a_line_goes_beyond_it_by_what_sums_took_and_no_further() {
    let mut order = told(1, &LINES, &[(1, 500)]);
    let mut books = Books::default();
    books.take(&order);
    assert_eq!((left(&books), books.order.left_of(1).1), (2_000, 480));
    order.line_refunds = vec![of_line(1, 0, 600)];
    assert_eq!((books.take(&order), books.take(&order)), (2, 0));
    assert_eq!((left(&books), books.order.left_of(1).1), (1_400, 0));
    assert!(books.refused.is_empty());
    // That was all of the line: nothing more of it goes back.
    order.line_refunds.push(of_line(2, 0, 1));
    assert_eq!(books.take(&order), 0);
    assert_eq!(books.refused, [contracts::Reason::OverRefunded]);
}

proptest! {
    #[test]
    fn the_newest_list_of_refunds_counts_in_whatever_order_lists_are_told(
        spans in prop::collection::vec((0..6usize, 0..6usize, 1..400i64), 0..6),
        order in prop::collection::vec(0..6usize, 0..16),
    ) {
        let state = |at: usize| {
            let is_there = |(_, (from, until, _)): &(u32, &(usize, usize, i64))| (*from..=*until).contains(&at);
            let refunds = (0..).zip(&spans).filter(is_there);
            let refunds: Vec<(u32, i64)> = refunds.map(|(id, (.., hundredths))| (id, *hundredths)).collect();
            listed(i64::try_from(at).unwrap(), &LINES, &refunds)
        };
        let mut books = Books::default();
        for at in order {
            books.take(&state(at));
            prop_assert_eq!(books.take(&state(at)), 0, "a repeat books nothing");
        }
        let newest = state(6);
        books.take(&newest);
        prop_assert_eq!(books.take(&newest), 0);
        prop_assert_eq!(books.left(), BTreeMap::from([("item-0".to_owned(), 600), ("item-1".to_owned(), 1_900)]));
        prop_assert_eq!(&books.refused, &Vec::new());
    }
}
