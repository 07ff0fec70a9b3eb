//! The rules of a user and of an event, written down a second time over plain JSON.

use std::collections::HashMap;

use chrono::{DateTime, Datelike, Utc};
use contracts::Reason::{self, *};
use contracts::money::Rates;
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

fn is_text(text: &str, max_chars: usize) -> bool {
    let chars = text.chars().count();
    (1..=max_chars).contains(&chars) && text != "(none)" && !text.chars().any(|c| c.is_control())
}

fn is_code(text: &str, letters: usize) -> bool {
    text.len() == letters && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// What a record of the API is refused for.
pub(super) fn user(bytes: &[u8]) -> Result<(), Reason> {
    let record: Value = serde_json::from_slice(bytes).map_err(|_| Malformed)?;
    if !record.is_object() {
        return Err(Malformed);
    }
    let get = |path: &str| record.pointer(path).filter(|value| !value.is_null());
    let text = |path: &str| get(path).ok_or(MissingField)?.as_str().ok_or(InvalidField);
    let check = |right: bool| if right { Ok(()) } else { Err(InvalidField) };
    let uuid = get("/login/uuid").ok_or(MissingId)?;
    check(uuid.as_str().is_some_and(|text| Uuid::parse_str(text).is_ok()))?;
    check(["female", "male"].contains(&text("/gender")?))?;
    let age = get("/dob/age").ok_or(MissingField)?.as_i64().ok_or(InvalidField)?;
    check((0..=130).contains(&age))?;
    check(is_code(&text("/nat")?.to_ascii_uppercase(), 2))?;
    for (axis, bound) in [("latitude", 90.0), ("longitude", 180.0)] {
        let value = get(&format!("/location/coordinates/{axis}")).ok_or(MissingField)?;
        let degrees = match value.as_str() {
            Some(text) => text.trim().parse().ok(),
            None => value.as_f64(),
        };
        check(degrees.is_some_and(|degrees: f64| degrees.abs() <= bound))?;
    }
    let registered = DateTime::parse_from_rfc3339(text("/registered/date")?).map_err(|_| InvalidField)?;
    check((1970..=9999).contains(&registered.to_utc().year()))?;
    // A NUL is written as an escape, and only a backslash that is itself escaped makes it plain text.
    check(!profile_has_nul(&record))
}

/// Credentials and ages are left out of what is stored.
fn profile_has_nul(record: &Value) -> bool {
    let mut record = record.clone();
    for place in [
        "/login/password",
        "/login/salt",
        "/login/md5",
        "/login/sha1",
        "/login/sha256",
        "/dob/age",
        "/registered/age",
    ] {
        if let Some(value) = record.pointer_mut(place) {
            *value = Value::Null;
        }
    }
    record.to_string().replace("\\\\", "").contains("\\u0000")
}

struct Fields(HashMap<String, Box<RawValue>>);

impl Fields {
    /// All pairs of an object; of what is known nothing stands there twice.
    fn read(bytes: &[u8]) -> Option<Self> {
        let pairs: Pairs = serde_json::from_slice(bytes).ok()?;
        let mut fields = HashMap::new();
        for (name, raw) in pairs.0 {
            let is_known = ingest::source::draft::FIELDS.iter().any(|field| field.name == name);
            if fields.insert(name, raw).is_some() && is_known {
                return None;
            }
        }
        Some(Self(fields))
    }

    fn get(&self, name: &str) -> Result<Option<Value>, Reason> {
        let Some(raw) = self.0.get(name) else { return Ok(None) };
        let value: Value = serde_json::from_str(raw.get()).map_err(|_| InvalidField)?;
        Ok((!value.is_null()).then_some(value))
    }

    /// A value that may be absent, made of its JSON.
    fn may<T>(&self, name: &str, make: impl Fn(&Value) -> Option<T>) -> Result<Option<T>, Reason> {
        self.get(name)?.map(|value| make(&value).ok_or(InvalidField)).transpose()
    }

    fn must<T>(&self, name: &str, make: impl Fn(&Value) -> Option<T>) -> Result<T, Reason> {
        self.may(name, make)?.ok_or(MissingField)
    }

    fn any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.0.get(*name).is_some_and(|raw| raw.get() != "null"))
    }
}

fn owned(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn spelled(max_chars: usize) -> impl Fn(&Value) -> Option<String> {
    move |value| owned(value).filter(|text| is_text(text, max_chars))
}

fn word(words: &'static str) -> impl Fn(&Value) -> Option<String> {
    move |value| owned(value).filter(|text| words.split(' ').any(|word| word == text))
}

/// `1`, `1.0` and `1e0` are one number. A double has room for every one of 32 bits.
fn int(value: &Value) -> Option<i64> {
    let double = value.as_f64()?;
    #[expect(clippy::cast_possible_truncation, reason = "what does not fit is not equal to it")]
    let int = double as i64;
    #[expect(clippy::cast_precision_loss, reason = "32 bits")]
    (i32::try_from(int).is_ok() && int as f64 == double).then_some(int)
}

/// The pairs of an object in their order.
struct Pairs(Vec<(String, Box<RawValue>)>);

impl<'de> serde::Deserialize<'de> for Pairs {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> serde::de::Visitor<'de> for Object {
            type Value = Pairs;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

fn id(value: &Value) -> Option<Uuid> {
    Uuid::parse_str(value.as_str()?).ok()
}

fn instant(value: &Value) -> Option<DateTime<Utc>> {
    let at: DateTime<Utc> = value.as_str()?.parse().ok()?;
    DateTime::from_timestamp_micros(at.timestamp_micros())
}

fn price(value: &Value) -> Option<Decimal> {
    let text = value.as_str()?.trim();
    Decimal::from_str_exact(text).ok().filter(|_| !text.contains('_'))
}

fn half_up(sum: Decimal) -> Decimal {
    sum.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero)
}

fn currency(value: &Value) -> Option<String> {
    owned(value).filter(|text| is_code(text, 3))
}

struct Item {
    /// What the line costs in its currency.
    sum: Decimal,
    /// What of it is kept as the price of one unit.
    price: Decimal,
    currency: String,
    quantity: i64,
}

struct Order {
    line: i64,
    lines: i64,
    purchased_at: Option<DateTime<Utc>>,
}

/// What a refund pays back of its order.
enum Back {
    Line,
    All,
    Sum(Decimal, Option<String>),
    /// So many of a product, and what is kept as the price of one.
    Product(i64, Option<Decimal>),
}

impl Back {
    fn check(&self) -> Result<(), Reason> {
        let is_right = match self {
            Self::Line | Self::All => true,
            Self::Sum(sum, _) => *sum > Decimal::ZERO,
            Self::Product(quantity, price) => {
                let kept = Decimal::ZERO..Decimal::from(10_000_000_000i64);
                (1..=100_000).contains(quantity)
                    && price.is_none_or(|price| price >= Decimal::ZERO && kept.contains(&half_up(price)))
            }
        };
        if is_right { Ok(()) } else { Err(InvalidField) }
    }
}

/// A product without a price, or without a currency.
fn product(fields: &Fields) -> Result<Back, Reason> {
    for name in ["order_line", "order_lines"] {
        fields.may(name, int)?;
    }
    fields.may("currency", currency)?;
    fields.may("purchased_at", instant)?;
    let (unit, line) = (fields.may("price", price)?, fields.may("amount", price)?);
    let quantity = || fields.must("quantity", int);
    if let (Some(unit), Some(line)) = (unit, line)
        && unit * Decimal::from(quantity()?) != line
    {
        return Err(Inconsistent);
    }
    fields.must("item_id", spelled(64))?;
    let quantity = quantity()?;
    let each = line.map(|line| line.checked_div(Decimal::from(quantity)).unwrap_or_default());
    Ok(Back::Product(quantity, unit.or(each)))
}

fn item(fields: &Fields) -> Result<Option<Item>, Reason> {
    if !fields.any(&["item_id", "item_name", "category", "brand", "price", "amount", "currency", "quantity"])
    {
        return Ok(None);
    }
    fields.must("item_id", spelled(64))?;
    // A label is kept in a shorter or cleaner form, or is none: it costs no event.
    let (unit, line) = (fields.may("price", price)?, fields.may("amount", price)?);
    let quantity = || fields.must("quantity", int);
    let sum = match (unit, line) {
        (None, None) => return Err(MissingField),
        (Some(unit), None) => Err(unit),
        (None, Some(line)) => Ok(line),
        (Some(unit), Some(line)) if unit * Decimal::from(quantity()?) == line => Err(unit),
        (Some(_), Some(_)) => return Err(Inconsistent),
    };
    let (currency, quantity) = (fields.must("currency", currency)?, quantity()?);
    let (sum, price) = match sum {
        Err(unit) => (unit.checked_mul(Decimal::from(quantity)).unwrap_or(Decimal::MAX), unit),
        Ok(line) => (line, line.checked_div(Decimal::from(quantity)).unwrap_or_default()),
    };
    Ok(Some(Item { sum, price: half_up(price), currency, quantity }))
}

fn order(fields: &Fields) -> Result<Option<Order>, Reason> {
    if !fields.any(&["order_id", "order_line", "order_lines", "purchased_at"]) {
        return Ok(None);
    }
    fields.must("order_id", spelled(64))?;
    let (line, lines) = (fields.must("order_line", int)?, fields.must("order_lines", int)?);
    Ok(Some(Order { line, lines, purchased_at: fields.may("purchased_at", instant)? }))
}

/// The amount in cents of an event that passes, or what it is refused for.
pub(super) fn event(bytes: &[u8], now: DateTime<Utc>, rates: &Rates) -> Result<Option<i64>, Reason> {
    let fields = Fields::read(bytes).ok_or(Malformed)?;
    let (event_id, source_id) = (fields.may("event_id", id)?, fields.may("source_id", owned)?);
    let shared_id = fields.may("shared_id", owned)?;
    let of_lines = [
        "order_line",
        "order_lines",
        "purchased_at",
        "item_id",
        "item_name",
        "category",
        "brand",
        "price",
        "amount",
        "currency",
        "quantity",
    ];
    let is_refund = fields.may("event_name", owned).ok().flatten().as_deref() == Some("refund");
    let is_back = is_refund && fields.any(&["order_id"]);
    let of_sum = ["amount", "currency"];
    let of_more: Vec<&str> = of_lines.into_iter().filter(|name| !of_sum.contains(name)).collect();
    let is_priced = fields.any(&["price", "amount"]) && fields.any(&["currency"]);
    let back = if is_back && !fields.any(&of_lines) {
        Back::All
    } else if is_back && fields.any(&["amount"]) && !fields.any(&of_more) {
        Back::Sum(fields.must("amount", price)?, fields.may("currency", currency)?)
    } else if is_back && fields.any(&["item_id"]) && !is_priced {
        product(&fields)?
    } else {
        Back::Line
    };
    let is_line = matches!(back, Back::Line);
    let (item, order) = match is_line {
        false => fields.may("order_id", spelled(64)).map(|_| (None, None))?,
        true => (item(&fields)?, order(&fields)?),
    };
    let is_whole_order = !is_line;
    let name = fields.must(
        "event_name",
        word(
            "session_start view_item_list view_item add_to_cart remove_from_cart begin_checkout \
             add_payment_info purchase refund",
        ),
    )?;
    let occurred_at = fields.must("occurred_at", instant)?;
    let visitors = [fields.may("user_id", spelled(200))?, fields.may("anonymous_id", spelled(200))?];
    fields.may("gender", word("female male other unknown"))?;
    let age = fields.may("age", int)?;
    fields.may("country", |value| owned(value).filter(|text| is_code(text, 2)))?;
    let latitude = fields.may("latitude", Value::as_f64)?;
    let longitude = fields.may("longitude", Value::as_f64)?;
    fields.may("session_id", spelled(200))?;
    let session_started_at = fields.may("session_started_at", instant)?.unwrap_or(occurred_at);
    fields.may("returning", Value::as_bool)?;
    fields.may("device", word("desktop mobile tablet other unknown"))?;
    let channels = "direct organic_search paid_search social email referral display other unknown";
    fields.may("channel", word(channels))?;

    let check = |right: bool, reason: Reason| if right { Ok(()) } else { Err(reason) };
    let of_an_age = |at: DateTime<Utc>| (0..=7_258_118_400_000_000).contains(&at.timestamp_micros());
    // A line of an order that has no id at all is known by its order.
    let is_line = order.is_some() && name == "purchase";
    let is_named = match (&shared_id, &source_id) {
        (Some(id), _) => !id.is_empty(),
        (None, Some(id)) => event_id.is_some() || !id.is_empty(),
        (None, None) => event_id.is_some() || is_line,
    };
    check(is_named, MissingId)?;
    check(occurred_at.timestamp_micros() - now.timestamp_micros() <= 60_000_000, Future)?;
    check(of_an_age(occurred_at), InvalidField)?;
    check(session_started_at <= occurred_at, Inconsistent)?;
    check(of_an_age(session_started_at), InvalidField)?;
    check(age.is_none_or(|age| (0..=130).contains(&age)), InvalidField)?;
    check(latitude.is_none_or(|degrees| degrees.abs() <= 90.0), InvalidField)?;
    check(longitude.is_none_or(|degrees| degrees.abs() <= 180.0), InvalidField)?;
    check(visitors.iter().any(Option::is_some), MissingField)?;
    let ordered = ["purchase", "refund"].contains(&name.as_str());
    let about_item = ordered || ["view_item", "add_to_cart", "remove_from_cart"].contains(&name.as_str());
    check(item.is_some() || !about_item || is_whole_order, MissingField)?;
    if let Some(item) = &item {
        check((1..=100_000).contains(&item.quantity) && item.sum >= Decimal::ZERO, InvalidField)?;
    }
    check(order.is_some() || !ordered || is_whole_order, MissingField)?;
    if let Some(order) = &order {
        check(ordered, Inconsistent)?;
        check((1..=1_000).contains(&order.lines) && (1..=order.lines).contains(&order.line), Inconsistent)?;
        if let Some(purchased_at) = order.purchased_at {
            check(of_an_age(purchased_at), InvalidField)?;
            check(purchased_at <= occurred_at, Inconsistent)?;
        }
    }
    back.check()?;
    if let Back::Sum(sum, Some(currency)) = &back {
        let (rate, _) =
            rates.rate(currency.parse().unwrap(), occurred_at.date_naive()).map_err(|_| MissingRate)?;
        let amount = half_up(sum.checked_mul(rate.to_decimal()).ok_or(AmountOverflow)?);
        check(amount < Decimal::from(1_000_000_000_000i64), AmountOverflow)?;
    }
    let Some(item) = item else { return Ok(None) };
    check(item.price < Decimal::from(10_000_000_000i64), InvalidField)?;
    let day = order.and_then(|order| order.purchased_at).unwrap_or(occurred_at).date_naive();
    let (rate, _) = rates.rate(item.currency.parse().unwrap(), day).map_err(|_| MissingRate)?;
    let amount = half_up(item.sum.checked_mul(rate.to_decimal()).ok_or(AmountOverflow)?);
    check(amount < Decimal::from(1_000_000_000_000i64), AmountOverflow)?;
    Ok(Some(i64::try_from((amount * Decimal::from(100)).trunc()).unwrap()))
}
