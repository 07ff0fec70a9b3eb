//! The script of a shopping day, in the names of Segment's specification, and what it must come to.

use serde_json::{Value, json};

/// Products that somebody looks at, all at the same time: more than a request of GA4 has.
const LOOKED_AT_ONCE: usize = 30;
/// Products that somebody puts into the basket one after another, and tells later.
const ADDED: usize = 5;
/// Shoppers who buy, at the begin of the day.
pub(super) const SHOPPERS: usize = 6;
/// What a further shopper's day is later.
const APART_S: u32 = 600;

/// A row that must be stored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    /// Event, product, quantity, price and order, as `shopping_day` reads them.
    pub(super) what: String,
    /// How long before the day was told, in seconds.
    pub(super) ago_s: u32,
}

/// A day, and its figures.
pub(super) struct Plan {
    /// Shoppers with their steps, in the order in which they are told.
    pub(super) parts: Vec<Value>,
    pub(super) rows: Vec<Row>,
    /// Steps that are no event of ours, by their call.
    pub(super) identified: i64,
    pub(super) pages: i64,
    pub(super) visits: i64,
    pub(super) orders: i64,
    /// What was bought less what was paid back, in cents.
    pub(super) left_cents: i64,
}

#[derive(Clone)]
struct Product {
    id: String,
    cents: i64,
    quantity: i64,
}

impl Product {
    fn new(id: String, cents: i64, quantity: i64) -> Self {
        Self { id, cents, quantity }
    }

    fn sum_cents(&self) -> i64 {
        self.cents * self.quantity
    }

    fn told(&self) -> Value {
        json!({ "product_id": self.id, "name": self.id, "category": "Games", "currency": "EUR",
                "price": f64::from(i32::try_from(self.cents).unwrap()) / 100.0, "quantity": self.quantity })
    }
}

fn order(order_id: &str, products: &[Product]) -> Value {
    let products: Vec<Value> = products.iter().map(Product::told).collect();
    json!({ "order_id": order_id, "currency": "EUR", "products": products })
}

impl Plan {
    /// Six shoppers who buy, of whom three send all back and one a part; one who looks at much at once, and
    /// one who fills a basket now.
    pub(super) fn new() -> Self {
        let (parts, rows) = (Vec::new(), Vec::new());
        let mut plan = Self { parts, rows, identified: 0, pages: 0, visits: 0, orders: 0, left_cents: 0 };
        let mut refunds = Vec::new();
        for shopper in 0..SHOPPERS {
            let began_s = APART_S * u32::try_from(SHOPPERS - shopper).unwrap() + 300;
            refunds.extend(plan.buy(shopper, began_s));
        }
        let looked: Vec<Product> =
            (0..LOOKED_AT_ONCE).map(|nth| Product::new(format!("look-{nth}"), 250, 1)).collect();
        plan.one_by_one("look@example.com", "Product Viewed", "view_item", &looked, 600);
        let added: Vec<Product> = (0..ADDED).map(|nth| Product::new(format!("add-{nth}"), 990, 1)).collect();
        plan.one_by_one("add@example.com", "Product Added", "add_to_cart", &added, 0);
        // Once the orders are stored.
        plan.parts.extend(refunds);
        plan
    }

    /// A shopper from the first page to the order; what is sent back is told later.
    fn buy(&mut self, nth: usize, began_s: u32) -> Option<Value> {
        let (shopper, order_id) = (format!("shopper-{nth}@example.com"), format!("order-{nth}"));
        let cheap = Product::new(format!("uno-{nth}"), 310 + i64::try_from(nth).unwrap(), 2);
        let dear = Product::new(format!("chess-{nth}"), 1900, 1);
        let one = Product { quantity: 1, ..cheap.clone() };
        let lines = [cheap.clone(), dear.clone()];
        let at = |step: u32| began_s - step;
        let track = |step: u32, event: &str, properties: Value| json!({ "call": "track", "ago_s": at(step), "event": event, "properties": properties });
        let steps = json!([
            { "call": "identify", "ago_s": at(0), "traits": { "gender": "female" } },
            { "call": "page", "ago_s": at(1), "name": "Home" },
            track(2, "Product Viewed", one.told()),
            track(3, "Product Viewed", dear.told()),
            track(4, "Product Added", cheap.told()),
            track(5, "Checkout Started", json!({})),
            track(6, "Order Completed", order(&order_id, &lines)),
        ]);
        self.parts.push(json!({ "shopper": shopper, "steps": steps }));
        self.identified += 1;
        self.pages += 1;
        self.visits += 1;
        self.orders += 1;
        self.row("view_item", Some(&one), None, at(2));
        self.row("view_item", Some(&dear), None, at(3));
        self.row("add_to_cart", Some(&cheap), None, at(4));
        self.row("begin_checkout", None, None, at(5));
        for line in &lines {
            self.row("purchase", Some(line), Some(&order_id), at(6));
            self.left_cents += line.sum_cents();
        }
        let (back, properties) = match nth {
            _ if nth.is_multiple_of(2) => (lines.as_slice(), json!({ "order_id": order_id })),
            1 => (&lines[1..], order(&order_id, &lines[1..])),
            _ => return None,
        };
        for line in back {
            self.row("refund", Some(line), Some(&order_id), at(8));
            self.left_cents -= line.sum_cents();
        }
        Some(json!({ "shopper": shopper, "steps": [track(8, "Order Refunded", properties)] }))
    }

    /// What somebody does with products, all at the same time.
    fn one_by_one(&mut self, shopper: &str, event: &str, name: &str, products: &[Product], ago_s: u32) {
        let step = |product: &Product| json!({ "call": "track", "ago_s": ago_s, "event": event, "properties": product.told() });
        let steps: Vec<Value> = products.iter().map(step).collect();
        self.parts.push(json!({ "shopper": shopper, "steps": steps }));
        self.visits += 1;
        for product in products {
            self.row(name, Some(product), None, ago_s);
        }
    }

    fn row(&mut self, name: &str, product: Option<&Product>, order: Option<&str>, ago_s: u32) {
        let product = product.map_or_else(String::new, |Product { id, cents, quantity }| {
            format!(" {id} {quantity} {}.{:02}", cents / 100, cents % 100)
        });
        let order = order.map_or_else(String::new, |order| format!(" {order}"));
        self.rows.push(Row { what: format!("{name}{product}{order}"), ago_s });
        self.rows.sort();
    }
}
