//! The mappings that are shipped, held to what they make of the files beside them.

use std::path::Path;

use contracts::money::Rates;
use ingest::clock::Clock;
use tokio_util::sync::CancellationToken;

use crate::{Checked, Mapping, Outcome, Shop, check};

fn checked(file: &str, base: &str) -> Checked {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(file);
    let mapping = Mapping::load(&path.with_extension("toml")).unwrap();
    let source = mapping.source(None).unwrap();
    let rates = Rates::parse(base.parse().unwrap(), 7, "").unwrap();
    let shop = Shop { mapping, source, rates, floor: None };
    let clock = Clock::starting_at("2026-06-01T00:00:00Z".parse().unwrap());
    check(&path, &shop, usize::MAX, &clock, &CancellationToken::new()).unwrap()
}

/// Rows, rows skipped, orders, lines sold, lines paid back, and net in hundredths.
type Figures = (u64, u64, u64, u64, u64, i128);

#[test]
fn each_gives_the_orders_and_sums_that_its_file_holds() {
    let expected: [(&str, &str, Figures); 6] = [
        ("shopify.csv", "EUR", (5, 3, 3, 5, 0, 68_90)),
        ("woocommerce.csv", "EUR", (4, 2, 2, 3, 1, 44_43)),
        ("magento.csv", "EUR", (4, 2, 2, 3, 1, 65_11)),
        ("online_retail.csv", "GBP", (5, 3, 2, 4, 1, 54_40)),
        ("ga4.ndjson", "EUR", (7, 1, 2, 3, 1, 27_00)),
        ("olist.csv", "BRL", (3, 1, 2, 3, 0, 35_770)),
    ];
    for (file, base, figures) in expected {
        let Checked { rows, accepted, examples, notes, repeated, .. } = checked(file, base);
        assert_eq!((rows, repeated), (accepted, 0), "{file}: {examples:?}");
        let sales = &notes.sales;
        let net = sales.gross - sales.refunded;
        let found = (rows, notes.skipped, sales.counted_orders, sales.lines, sales.refunds, net);
        assert_eq!(found, figures, "{file}");
        assert_eq!(sales.question(), None, "{file}");
    }
}

#[test]
fn what_stands_on_an_orders_first_line_is_that_of_all_its_lines() {
    let lines: Vec<_> = checked("shopify.csv", "EUR")
        .first
        .into_iter()
        .map(|(line, outcome)| match outcome {
            Outcome::Event(event) => (
                line,
                event.order_line.unwrap(),
                event.order_lines.unwrap(),
                event.city.map_or_else(|| "-".to_owned(), |city| city.to_string()),
                event.payment_type.unwrap().to_string(),
            ),
            Outcome::Rejected { detail, .. } => panic!("{detail}"),
        })
        .collect();
    let expected = [
        (2, 1, 3, "Kassel", "Shopify Payments"),
        (3, 2, 3, "Kassel", "Shopify Payments"),
        (4, 3, 3, "Kassel", "Shopify Payments"),
        (5, 1, 1, "Lyon", "PayPal Express Checkout"),
        (9, 1, 1, "-", "Cash"),
    ];
    let expected = expected.map(|(line, at, of, city, by)| (line, at, of, city.to_owned(), by.to_owned()));
    assert_eq!(lines, expected);
}
