//! What is told again in another way: refunds, lines, and orders that go on after all.

use super::*;
use crate::store::shop_order::{Share, UnreadRefund};

fn with_sums(order: ShopOrder, sums: Vec<ShopRefund>) -> ShopOrder {
    ShopOrder { sums: ShopSums { told: sums, ..ShopSums::default() }, ..order }
}

/// A refund of what shipping costs.
fn rest(id: u32, hundredths: i64) -> ShopRefund {
    ShopRefund { is_rest: true, ..sum((id, hundredths)) }
}

fn total(books: &Books) -> i64 {
    books.left().values().sum()
}

#[test]
fn what_a_sum_is_for_is_decided_once() {
    let lines = [Some((1, 3_000))];
    let mut books = Books::default();
    books.take(&with_sums(told(1, &lines, &[]), vec![rest(1, 500)]));
    assert_eq!(total(&books), 3_000);
    // Shipping is edited, so that the sum is no longer what it costs, and another one is.
    let edited = with_sums(told(2, &lines, &[]), vec![sum((1, 500)), rest(2, 700)]);
    books.take(&edited);
    assert_eq!(total(&books), 2_300, "shipping was paid back by the first one");
    assert_eq!(books.take(&edited), 0);
    // And the other way round: what was for products stays so, and what comes then is for shipping.
    let mut books = Books::default();
    books.take(&told(1, &lines, &[(1, 500)]));
    books.take(&with_sums(told(2, &lines, &[]), vec![rest(1, 500)]));
    assert_eq!(total(&books), 2_500);
    books.take(&with_sums(told(3, &lines, &[]), vec![rest(1, 500), rest(2, 500)]));
    assert_eq!(total(&books), 2_500);
}

#[test]
fn what_an_older_telling_decides_is_kept_too() {
    let lines = [Some((1, 3_000))];
    let mut books = Books::default();
    books.take(&told(5, &lines, &[]));
    books.take(&with_sums(told(1, &lines, &[]), vec![rest(1, 500)]));
    books.take(&told(6, &lines, &[(1, 500)]));
    assert_eq!(total(&books), 3_000);
    assert_eq!(books.known.at, Some((at(6), 0)));
}

#[test]
fn the_tax_of_sums_is_that_of_the_order_as_each_was_told() {
    let lines = [Some((1, 3_000))];
    let share = |counted, with_tax| Share { counted, with_tax, places: 2 };
    let taxed = |minutes, refunds: &[(u32, i64)], share| {
        let mut order = told(minutes, &lines, refunds);
        order.sums.share = share;
        order
    };
    let mut books = Books::default();
    books.take(&taxed(1, &[(1, 1_200)], share(Decimal::new(30, 0), Decimal::new(36, 0))));
    assert_eq!(total(&books), 2_000);
    // The tax is taken off the order: what was paid back before stays.
    books.take(&taxed(2, &[(1, 1_200), (2, 1_000)], share(Decimal::new(30, 0), Decimal::new(30, 0))));
    assert_eq!(total(&books), 1_000);
}

#[test]
fn a_refund_that_is_told_as_a_sum_and_with_its_lines_counts_once() {
    let lines = [Some((1, 3_000))];
    let mut lined = told(2, &lines, &[]);
    lined.sums.lined = vec!["1".to_owned()];
    lined.line_refunds = vec![LineRefund { of: Some("1".to_owned()), ..of_line(7, 0, 1_000) }];
    let aside = unread("0", 1).aside.unwrap();
    lined.unread_refunds = vec![UnreadRefund { of: Some("1".to_owned()), is_whole: false, aside }];
    // First as a sum: its lines are a repeat, also those that are refused.
    let mut books = Books::default();
    books.take(&told(1, &lines, &[(1, 1_000)]));
    assert_eq!(books.take(&lined), 0);
    assert_eq!((total(&books), books.unread.len()), (2_000, 0));
    // First with its lines.
    let mut books = Books::default();
    books.take(&lined);
    assert_eq!((total(&books), books.unread.len()), (2_000, 1));
    assert_eq!(books.take(&told(3, &lines, &[(1, 1_000)])), 0);
    assert_eq!(total(&books), 2_000);
    // First as what shipping costs: nothing was counted, and its lines know better.
    let mut books = Books::default();
    books.take(&with_sums(told(1, &lines, &[]), vec![rest(1, 1_000)]));
    assert_eq!(total(&books), 3_000);
    books.take(&lined);
    assert_eq!(total(&books), 2_000);
    assert_eq!(books.take(&with_sums(told(3, &lines, &[]), vec![rest(1, 1_000)])), 0);
}

/// The same order, of which all lines have new ids.
fn anew(mut order: ShopOrder) -> ShopOrder {
    for line in &mut order.lines {
        line.key = format!("new-{}", line.key);
    }
    order
}

#[test]
fn lines_that_are_made_anew_before_anything_is_sold_have_the_places_of_those_before() {
    for is_told_before in [true, false] {
        let mut books = Books::default();
        let of_page = |books: &mut Books| {
            for key in 0..2 {
                let line = i32::try_from(key).unwrap() + 1;
                let event_id = ids::rekeyed(at(0), ids::SHARED, &ids::order_line("o-1", line));
                let event = Event { event_id, ..purchase(key, (1, 310), [key + 1, 2]).event };
                books.order.sell(line, event.clone());
                books.booked.entry(ids::identity(&event_id)).or_insert(event);
            }
        };
        books.take(&told(1, &[Some((0, 0)), Some((0, 0))], &[]));
        let failed = ShopOrder { is_void: true, ..told(2, &[Some((0, 0)), Some((0, 0))], &[]) };
        books.take(&failed);
        books.take(&anew(told(3, &[Some((0, 0)), Some((0, 0))], &[])));
        if is_told_before {
            of_page(&mut books);
        }
        books.take(&anew(told(4, &[Some((1, 310)), Some((1, 310))], &[])));
        of_page(&mut books);
        assert_eq!(total(&books), 620, "{is_told_before}");
        assert_eq!(books.take(&anew(told(4, &[Some((1, 310)), Some((1, 310))], &[]))), 0);
    }
}

#[test]
fn lines_that_are_made_anew_after_the_page_was_paid_back_are_others() {
    let mut books = Books::default();
    books.comes_in(purchase(0, (1, 310), [1, 1]));
    books.take(&ShopOrder { is_void: true, ..told(1, &[Some((0, 0))], &[]) });
    assert_eq!(total(&books), 0);
    books.take(&anew(told(2, &[Some((1, 310))], &[])));
    assert_eq!(total(&books), 310);
}

/// A line that was refused and is replayed, and then told with other units, or gone.
#[test]
fn a_line_that_is_replayed_and_then_edited_has_the_units_that_it_was_told_with_last() {
    for (edited, left) in
        [(Some((1, 500)), 500), (Some((3, 1_500)), 1_500), (Some((2, 1_000)), 1_000), (None, 0)]
    {
        let mut books = Books::default();
        let mut first = told(1, &[Some((2, 1_000)), Some((1, 70))], &[]);
        first.lines.remove(0);
        first.unread.push(unread("0", 1));
        books.take(&first);
        books.is_replayed(purchase(0, (2, 1_000), [1, 2]));
        let edited = told(2, &[edited, Some((1, 70))], &[]);
        books.take(&edited);
        assert_eq!(total(&books), left + 70, "{edited:?}");
        assert_eq!(books.take(&edited), 0);
    }
}

/// What is left of an order that is reopened is what was left before.
#[test]
fn a_refund_stays_when_its_order_is_cancelled_and_reopened() {
    let lines = [Some((2, 2_000)), Some((1, 1_000))];
    let none = [Some((0, 0)), Some((0, 0))];
    let mut books = Books::default();
    books.take(&told(1, &lines, &[(1, 500)]));
    assert_eq!(total(&books), 2_500);
    for round in [2, 4] {
        books.take(&ShopOrder { is_void: true, ..told(round, &none, &[(1, 500)]) });
        assert_eq!(total(&books), 0);
        books.take(&told(round + 1, &lines, &[(1, 500)]));
        assert_eq!(total(&books), 2_500);
    }
    // One that comes with the cancellation, when nothing is left, counts once the order is reopened.
    let refunds = [(1, 500), (2, 700)];
    books.take(&ShopOrder { is_void: true, ..told(6, &none, &refunds) });
    books.take(&told(7, &lines, &refunds));
    assert_eq!(total(&books), 1_800);
    // What is more than before is sold.
    books.take(&ShopOrder { is_void: true, ..told(8, &none, &refunds) });
    books.take(&told(9, &[Some((3, 3_000)), Some((1, 1_000))], &refunds));
    assert_eq!(total(&books), 2_800);
}

#[test]
fn an_order_that_was_paid_back_as_a_whole_and_reopened_is_worth_nothing() {
    let mut books = Books::default();
    books.take(&told(1, &[Some((2, 2_000))], &[(1, 2_000)]));
    books.take(&ShopOrder { is_void: true, ..told(2, &[Some((0, 0))], &[(1, 2_000)]) });
    books.take(&told(3, &[Some((2, 2_000))], &[(1, 2_000)]));
    assert_eq!(total(&books), 0);
}

/// A page told less than the shop does: that counts, and no refund took the rest.
#[test]
fn what_a_page_told_otherwise_is_no_refund() {
    let mut books = Books::default();
    books.comes_in(purchase(0, (1, 300), [1, 1]));
    books.take(&told(1, &[Some((1, 310))], &[]));
    assert_eq!(total(&books), 300);
    books.take(&ShopOrder { is_void: true, ..told(2, &[Some((0, 0))], &[]) });
    assert_eq!(total(&books), 0);
    books.take(&told(3, &[Some((1, 310))], &[]));
    assert_eq!(total(&books), 310);
}

#[test]
fn a_refund_of_a_line_whose_units_were_added_later_comes_off_that_line() {
    let of_one_product = |minutes, lines: &[Option<Line>]| {
        let mut order = told(minutes, lines, &[]);
        for line in &mut order.lines {
            line.purchase.event.item_id = Some("item-0".parse().unwrap());
        }
        order
    };
    let mut books = Books::default();
    books.take(&of_one_product(0, &[Some((1, 1_000)), Some((1, 1_000))]));
    // All of the second line goes, and then it is there again, at a third place.
    books.take(&of_one_product(1, &[Some((1, 1_000)), Some((0, 0))]));
    let mut grown = of_one_product(2, &[Some((1, 1_000)), Some((1, 1_000))]);
    grown.line_refunds.push(of_line(1, 1, 1_000));
    // The refund is told before that.
    books.take(&ShopOrder { created_at: None, lines: Vec::new(), ..grown.clone() });
    books.take(&grown);
    let left = [1, 2, 3].map(|at| books.order.left_of(at).1);
    assert_eq!(left, [1_000, 0, 0]);
    // So what is taken away of the first line is all of it.
    let mut gone = of_one_product(3, &[Some((0, 0)), Some((1, 1_000))]);
    gone.line_refunds = grown.line_refunds;
    books.take(&gone);
    assert_eq!(books.booked.values().filter(|event| event.order_line == Some(1)).count(), 2);
    assert_eq!(total(&books), 0);
}

proptest! {
    /// Whatever an order goes through, it is worth what it costs at last less its refunds.
    #[test]
    fn cancelled_and_reopened_as_often_as_may_be_it_is_worth_what_it_costs_less_its_refunds(
        steps in prop::collection::vec((any::<bool>(), prop::option::of(1..400i64)), 1..10),
    ) {
        let lines = [Some((2, 2_000)), Some((1, 1_999))];
        let mut books = Books::default();
        books.take(&told(0, &lines, &[]));
        let mut refunds = Vec::new();
        for (minutes, (is_void, refund)) in (1..).zip(&steps) {
            refunds.extend(refund.map(|refund| (u32::try_from(minutes).unwrap(), refund)));
            let order = match is_void {
                true => ShopOrder { is_void: true, ..told(minutes, &[Some((0, 0)), Some((0, 0))], &refunds) },
                false => told(minutes, &lines, &refunds),
            };
            books.take(&order);
            prop_assert_eq!(books.take(&order), 0);
            let back: i64 = refunds.iter().map(|refund| refund.1).sum();
            prop_assert_eq!(total(&books), if *is_void { 0 } else { 3_999 - back });
        }
    }
}

/// A discount of a line that stays whole is not booked, and does not come off what is booked later either.
#[test]
fn a_price_that_changed_by_itself_is_booked_with_the_units_that_go() {
    let by_units = |minutes, line| {
        let mut told = told(minutes, &[Some(line)], &[]);
        told.lines[0].by_units = true;
        told
    };
    let mut books = Books::default();
    books.take(&by_units(0, (2, 2_000)));
    assert_eq!(books.take(&by_units(1, (2, 1_800))), 0);
    books.take(&by_units(2, (1, 900)));
    assert_eq!(books.left(), BTreeMap::from([("item-0".to_owned(), 900)]));
}
