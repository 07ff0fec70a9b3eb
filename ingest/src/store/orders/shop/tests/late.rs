//! What is sold late, and what is told of orders of which something was forgotten or never noted.

use super::*;

fn total(books: &Books) -> i64 {
    books.left().values().sum()
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
