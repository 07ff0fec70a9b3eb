use chrono::{DateTime, TimeDelta, Utc};
use contracts::money::{Places, Rates};
use contracts::validation::accept;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::source::draft;

const ITEMS: [&str; 4] = ["uno", "monopoly", "chess", "of another order"];

fn at(minutes: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_772_366_400, 0).unwrap() + TimeDelta::minutes(minutes)
}

/// A day has another rate than the one before.
fn rates() -> Rates {
    let text = "2026-03-01,CHF,0.93\n2026-03-02,CHF,1.07\n2026-03-01,JPY,0.00613\n2026-03-02,JPY,0.0058";
    Rates::parse("EUR".parse().unwrap(), 7, text).unwrap()
}

fn judged(fields: Value, minutes: i64) -> Accepted {
    let mut event = json!({ "occurred_at": at(minutes), "user_id": "ann", "order_id": "o-1" });
    let Value::Object(fields) = fields else { panic!("{fields}") };
    event.as_object_mut().unwrap().extend(fields);
    let draft = draft::read(event.to_string().as_bytes()).unwrap();
    accept(draft, "collector/web", at(minutes), &rates()).unwrap()
}

/// A line as it is sold: product, units, the price of one in hundredths.
type Line = (usize, i32, i64);

fn order(lines: &[Line], currency: &str, of_line: bool) -> Order {
    let mut order = Order::default();
    for (number, (item, quantity, cents)) in (1..).zip(lines) {
        let sum = Decimal::new(*cents, 2);
        let mut line = json!({
            "event_name": "purchase", "item_id": ITEMS[*item], "item_name": "x", "category": "x",
            "quantity": quantity, "currency": currency, "order_line": number, "order_lines": lines.len(),
        });
        // As of goods that are weighed: the price of one is rounded.
        if of_line {
            line["amount"] = (sum * Decimal::from(*quantity) + Decimal::new(1, 2)).to_string().into();
        } else {
            line["price"] = sum.to_string().into();
        }
        order.sell(number, judged(line, 0).event);
    }
    order
}

fn part(id: usize, (item, quantity, cents): Line, currency: &str) -> Accepted {
    let fields = json!({
        "event_name": "refund", "source_id": format!("part-{id}"), "item_id": ITEMS[item], "item_name": "x",
        "category": "x", "quantity": quantity, "price": Decimal::new(cents, 2).to_string(),
        "currency": currency, "order_line": 1, "order_lines": 1,
    });
    // Another day, and other rates.
    judged(fields, 1_500)
}

fn whole(id: usize) -> Accepted {
    judged(json!({ "event_name": "refund", "source_id": format!("whole-{id}") }), 1_600)
}

fn told(order: &Order, refund: &Accepted) -> Result<Vec<Accepted>, Rejection> {
    crate::store::orders::lines_of(refund, order)
}

/// Stores what becomes of a refund; how much of it is new.
fn pay(order: &mut Order, refund: &Accepted) -> Result<usize, Rejection> {
    let before = order.refunds.len();
    told(order, refund)?.into_iter().for_each(|line| order.pay_back(line.event));
    Ok(order.refunds.len() - before)
}

fn sums<'a>(events: impl Iterator<Item = &'a Event>) -> BTreeMap<String, i64> {
    let mut sums = BTreeMap::new();
    for event in events {
        *sums.entry(event.item_id.as_deref().unwrap().to_owned()).or_default() += hundredths(event);
    }
    sums
}

/// So much of the order, whatever for.
fn sum(id: usize, cents: i64, currency: Option<&str>) -> Accepted {
    let amount = Decimal::new(cents, 2).to_string();
    let refund = json!({ "event_name": "refund", "source_id": format!("sum-{id}"), "amount": amount,
                         "currency": currency });
    judged(refund, 1_500)
}

/// So many of a product, at what was paid for them.
fn units(id: usize, item: usize, quantity: i32) -> Accepted {
    let refund = json!({ "event_name": "refund", "source_id": format!("units-{id}"), "item_id": ITEMS[item],
                         "quantity": quantity });
    judged(refund, 1_500)
}

#[derive(Debug, Clone)]
enum Told {
    Part(Line),
    Sum(i64, bool),
    Units(usize, i32),
    Whole,
    Again(usize),
}

fn line(items: usize) -> impl Strategy<Value = Line> {
    (0..items, 1..5i32, prop_oneof![Just(0i64), 1..2_000i64])
}

fn refunds() -> impl Strategy<Value = Vec<Told>> {
    let one = prop_oneof![
        4 => line(4).prop_map(Told::Part),
        2 => (1..6_000i64, any::<bool>()).prop_map(|(cents, is_told)| Told::Sum(cents, is_told)),
        2 => (0..3usize, 1..5i32).prop_map(|(item, quantity)| Told::Units(item, quantity)),
        1 => Just(Told::Whole),
        2 => (0..20usize).prop_map(Told::Again),
    ];
    prop::collection::vec(one, 1..14)
}

proptest! {
    #[test]
    fn no_more_is_paid_back_than_was_sold_and_nothing_twice(
        lines in prop::collection::vec(line(3), 1..5), refunds in refunds(),
        currency in prop_oneof![Just("EUR"), Just("CHF"), Just("JPY")], of_line: bool,
    ) {
        let mut order = order(&lines, currency, of_line);
        let sold = sums(order.lines.values().map(|line| &line.purchase));
        let mut came: Vec<(Accepted, bool)> = Vec::new();
        for (id, told) in refunds.into_iter().enumerate() {
            let refund = match told {
                Told::Part(line) => part(id, line, currency),
                Told::Sum(cents, is_told) => sum(id, cents, is_told.then_some(currency)),
                Told::Units(item, quantity) => units(id, item, quantity),
                Told::Whole => whole(id),
                Told::Again(which) if !came.is_empty() => {
                    let (refund, was_taken) = came[which % came.len()].clone();
                    if was_taken {
                        prop_assert_eq!(pay(&mut order, &refund).unwrap(), 0, "a repeat pays nothing");
                    }
                    continue;
                }
                Told::Again(_) => continue,
            };
            let taken = pay(&mut order, &refund);
            if let Err(rejection) = &taken {
                let expected = [Reason::OverRefunded, Reason::UnknownOrder, Reason::InvalidField];
                prop_assert!(expected.contains(&rejection.reason), "{rejection}");
            }
            came.push((refund, taken.is_ok()));
            let back = sums(order.refunds.iter());
            for (item, sold) in &sold {
                prop_assert!(back.get(item).copied().unwrap_or(0) <= *sold, "{item}: {back:?} of {sold}");
            }
            prop_assert!(back.values().sum::<i64>() <= sold.values().sum::<i64>());
            // What is stored keeps the rules that it would be held to if it came again from a topic.
            for refund in &order.refunds {
                prop_assert!(refund.quantity.unwrap() >= 1 && hundredths(refund) >= 0);
                prop_assert!(refund.price.is_some());
            }
        }
        // In the end everything goes back to the cent.
        let last = pay(&mut order, &whole(99));
        let (sold, back): (i64, i64) =
            (sold.values().sum(), sums(order.refunds.iter()).values().sum());
        prop_assert_eq!(back, sold, "{:?}", last);
    }
}

#[test]
fn what_is_left_goes_back_in_the_orders_currency() {
    let mut order = order(&[(0, 2, 310), (1, 1, 1_900)], "CHF", false);
    pay(&mut order, &part(1, (0, 1, 310), "CHF")).unwrap();
    pay(&mut order, &part(2, (1, 1, 500), "CHF")).unwrap();
    let lines = told(&order, &whole(3)).unwrap();
    let shown: Vec<String> = lines
        .iter()
        .map(|line| {
            let Event { item_id, quantity, price, amount_base, rate, .. } = &line.event;
            let [item, price] =
                [&**item_id.as_ref().unwrap(), &price.unwrap().to_string()].map(str::to_owned);
            format!("{item} {} {price} {} {}", quantity.unwrap(), amount_base.unwrap(), rate.unwrap())
        })
        .collect();
    // 6.20 CHF were 5.77 EUR, and 2.88 EUR of them went back; 19.00 CHF were 17.67 EUR, and 4.65 EUR of them
    // did.
    assert_eq!(shown, ["uno 1 3.10 2.89 0.93000000", "monopoly 1 14.00 13.02 0.93000000"]);
}

#[test]
fn a_line_that_is_paid_back_yields_nothing() {
    let mut order = order(&[(0, 1, 310), (1, 1, 1_900)], "EUR", false);
    pay(&mut order, &part(1, (0, 1, 310), "EUR")).unwrap();
    assert_eq!(pay(&mut order, &whole(2)), Ok(1));
    assert_eq!(pay(&mut order, &whole(2)), Ok(0), "it is a repeat");
    let late = pay(&mut order, &part(3, (1, 1, 1), "EUR")).unwrap_err();
    assert_eq!((late.reason, late.field), (Reason::OverRefunded, "price"));
}

#[test]
fn an_order_that_is_paid_back_by_parts_has_nothing_left() {
    let mut order = order(&[(0, 3, 310)], "EUR", false);
    pay(&mut order, &part(1, (0, 2, 310), "EUR")).unwrap();
    pay(&mut order, &part(2, (0, 1, 310), "EUR")).unwrap();
    let nothing = pay(&mut order, &whole(3)).unwrap_err();
    assert_eq!((nothing.reason, nothing.field), (Reason::OverRefunded, "order_id"));
}

#[test]
fn money_for_no_product_of_the_order_comes_off_its_lines() {
    let mut order = order(&[(0, 1, 310), (1, 1, 1_900)], "EUR", false);
    pay(&mut order, &part(1, (3, 1, 500), "EUR")).unwrap();
    let lines = told(&order, &whole(2)).unwrap();
    assert_eq!(lines.iter().map(|line| hundredths(&line.event)).collect::<Vec<_>>(), [1_710]);
}

/// What goes back, line by line.
fn shown(lines: &[Accepted]) -> Vec<String> {
    let line = |line: &Accepted| {
        let Event { item_id, quantity, price, amount_base, .. } = &line.event;
        let [price, amount] = [price.unwrap().to_string(), amount_base.unwrap().to_string()];
        format!("{} {} {price} {amount}", &**item_id.as_ref().unwrap(), quantity.unwrap())
    };
    lines.iter().map(line).collect()
}

#[test]
fn a_sum_goes_back_by_shares_and_no_more_than_is_left() {
    let mut order = order(&[(0, 2, 300), (1, 1, 1_400)], "EUR", false);
    assert_eq!(
        shown(&told(&order, &sum(1, 500, Some("EUR"))).unwrap()),
        ["uno 1 1.50 1.50", "monopoly 1 3.50 3.50"]
    );
    assert_eq!(pay(&mut order, &sum(1, 500, None)), Ok(2));
    assert_eq!(pay(&mut order, &sum(1, 500, None)), Ok(0), "it is a repeat");
    assert_eq!(pay(&mut order, &sum(2, 500, None)), Ok(2), "another one is none");
    // What is more was for shipping.
    assert_eq!(
        shown(&told(&order, &sum(3, 9_900, None)).unwrap()),
        ["uno 1 3.00 3.00", "monopoly 1 7.00 7.00"]
    );
    assert_eq!(pay(&mut order, &sum(3, 9_900, None)), Ok(2));
    assert_eq!(pay(&mut order, &sum(3, 9_900, None)), Ok(0));
    for late in [sum(4, 1, None), whole(5)] {
        assert_eq!(pay(&mut order, &late).unwrap_err().reason, Reason::OverRefunded);
    }
}

#[test]
fn a_sum_of_all_of_an_order_is_its_whole_refund() {
    let mut order = order(&[(0, 2, 310), (1, 3, 1_903)], "CHF", false);
    // Each line was rounded by itself: 63.29 CHF are 58.86 EUR, and the lines are 5.77 and 53.09.
    let all = told(&order, &sum(1, 6_329, Some("CHF"))).unwrap();
    assert_eq!(shown(&all), shown(&told(&order, &whole(1)).unwrap()));
    assert_eq!(pay(&mut order, &sum(1, 6_329, Some("CHF"))), Ok(2));
    for again in [sum(1, 6_329, Some("CHF")), sum(2, 6_329, Some("CHF")), whole(3)] {
        assert_eq!(pay(&mut order, &again), Ok(0), "told twice, it counts once");
    }
    assert_eq!(pay(&mut order, &sum(4, 100, None)).unwrap_err().reason, Reason::OverRefunded);
}

#[test]
fn a_sum_in_another_currency_goes_back_at_its_rate() {
    let order = order(&[(0, 1, 10_000)], "CHF", false);
    let back = |refund: &Accepted| hundredths(&told(&order, refund).unwrap()[0].event);
    // 10.00 CHF as they were paid, or as euros.
    assert_eq!([back(&sum(1, 1_000, Some("CHF"))), back(&sum(2, 1_000, None))], [930, 930]);
    assert_eq!(back(&sum(3, 1_000, Some("EUR"))), 1_000);
}

#[test]
fn units_without_a_price_go_back_at_what_was_paid_for_them() {
    let mut order = order(&[(0, 3, 333), (1, 1, 1_900), (0, 1, 200)], "EUR", true);
    // 10.00 for three: 3.33, 3.34 and 3.33.
    let mut paid = 0;
    for id in 0..3 {
        let lines = told(&order, &units(id, 0, 1)).unwrap();
        assert_eq!((lines.len(), lines[0].event.quantity), (1, Some(1)));
        paid += hundredths(&lines[0].event);
        assert_eq!(pay(&mut order, &units(id, 0, 1)), Ok(1));
        assert_eq!(pay(&mut order, &units(id, 0, 1)), Ok(0), "it is a repeat");
    }
    assert_eq!(paid, 1_000);
    let too_many = pay(&mut order, &units(7, 0, 2)).unwrap_err();
    assert_eq!((too_many.reason, too_many.field), (Reason::OverRefunded, "quantity"));
    assert_eq!(pay(&mut order, &units(8, 0, 1)), Ok(1), "of the other line");
    let unknown = pay(&mut order, &units(9, 3, 1)).unwrap_err();
    assert_eq!(unknown.reason, Reason::UnknownOrder);
    // Part of its money went back before: what is left goes back for it.
    pay(&mut order, &part(10, (1, 1, 500), "EUR")).unwrap();
    assert_eq!(shown(&told(&order, &units(11, 1, 1)).unwrap()), ["monopoly 1 14.01 14.01"]);
    pay(&mut order, &units(11, 1, 1)).unwrap();
    assert_eq!(pay(&mut order, &units(12, 1, 1)).unwrap_err().reason, Reason::OverRefunded);
}

#[test]
fn what_goes_back_of_an_order_in_yen_is_whole() {
    let yen: contracts::event::Currency = "JPY".parse().unwrap();
    let rates = Rates::parse(yen, 7, "2026-03-01,USD,149.55\n2026-03-02,USD,151.23").unwrap();
    let judged = |fields: Value| {
        let mut event = json!({ "occurred_at": at(1), "user_id": "ann", "order_id": "o-1" });
        event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        accept(draft::read(event.to_string().as_bytes()).unwrap(), "collector/web", at(1), &rates).unwrap()
    };
    let mut order = Order::new(Places::of(yen).unwrap());
    for (number, price) in (1..).zip(["3.33", "4.17", "9.99"]) {
        let line = judged(json!({
            "event_name": "purchase", "item_id": format!("item-{number}"), "item_name": "x", "category": "x",
            "quantity": 3, "price": price, "currency": "USD", "order_line": number, "order_lines": 3,
        }));
        assert_eq!(hundredths(&line.event) % 100, 0);
        order.sell(number, line.event);
    }
    let sum =
        judged(json!({ "event_name": "refund", "source_id": "s", "amount": "7.77", "currency": "USD" }));
    let unit =
        judged(json!({ "event_name": "refund", "source_id": "u", "item_id": "item-2", "quantity": 1 }));
    for refund in [sum, unit, judged(json!({ "event_name": "refund", "source_id": "w" }))] {
        assert!(pay(&mut order, &refund).unwrap() > 0);
    }
    assert!(order.refunds.iter().all(|refund| hundredths(refund) % 100 == 0), "{:?}", order.refunds);
    // 3.33 x 3 is 1494.0045 yen, 4.17 x 3 1870.8705, 9.99 x 3 4482.0135.
    assert_eq!(order.refunds.iter().map(hundredths).sum::<i64>(), 100 * (1494 + 1871 + 4482));
}
