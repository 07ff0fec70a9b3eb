//! An event as a source tells it, in JSON: the form in which a draft that was refused stands in quarantine.
//!
//! One flat object, absent values left out or null. It is lossless: what [`write`](write()) gives, [`read`] gives back, so that a record
//! can be judged again by other rules than those that refused it. A UUID stands as `event_id`, an id in the source's own text
//! as `source_id`; where both are told, the UUID is the event's id. Fields that are not known are passed over, and one that is known
//! and there twice is refused. A whole number may be written as `1.0` or `1e0`.
//!
//! What a line costs is told as the `price` of one unit or as the `amount` of the line, with any number of digits. Texts that are
//! only labels (names, categories, brands, cities, means of payment) are cut and cleaned and cost no event.
//!
//! What makes a draft out of fields stands once, in [`assemble`]; another encoding brings only its own [`Fields`].

mod json;

use contracts::Reason;
use contracts::money::{Cost, Exact};
use contracts::record::Text;
use contracts::validation::{Draft, Line, OrderLine, Rejection, Shopper, SourceId, Visit};
use serde::de::DeserializeOwned;
use serde_json::json;

use json::Json;

/// The names of the fields, in the order in which [`write`](write()) gives them.
pub const FIELDS: [&str; 29] = [
    "event_id",
    "source_id",
    "event_name",
    "occurred_at",
    "user_id",
    "gender",
    "age",
    "country",
    "city",
    "latitude",
    "longitude",
    "session_id",
    "session_started_at",
    "returning",
    "device",
    "channel",
    "item_id",
    "item_name",
    "category",
    "brand",
    "price",
    "amount",
    "currency",
    "quantity",
    "order_id",
    "order_line",
    "order_lines",
    "purchased_at",
    "payment_type",
];

/// The fields of one record in whatever encoding it came.
pub trait Fields {
    /// Whether a field is there; null counts as absent.
    fn has(&self, field: &'static str) -> bool;

    /// A field that may be absent.
    ///
    /// # Errors
    /// [`Reason::InvalidField`] for what is not of the type.
    fn optional<T: DeserializeOwned>(&self, field: &'static str) -> Result<Option<T>, Rejection>;

    /// A whole number, however its encoding writes it.
    ///
    /// # Errors
    /// As [`optional`](Self::optional).
    fn whole(&self, field: &'static str) -> Result<Option<i32>, Rejection> {
        self.optional(field)
    }

    /// A number with all its digits.
    ///
    /// # Errors
    /// As [`optional`](Self::optional).
    fn degrees(&self, field: &'static str) -> Result<Option<f64>, Rejection> {
        self.optional(field)
    }
}

/// Writes a draft.
#[must_use]
pub fn write(draft: &Draft) -> Vec<u8> {
    let (event_id, source_id) = match &draft.source_id {
        None => (None, None),
        Some(SourceId::Uuid(id)) => (Some(id), None),
        Some(SourceId::Text(id)) => (None, Some(id)),
    };
    let line = draft.line.as_ref();
    let order = draft.order.as_ref();
    json!({
        "event_id": event_id,
        "source_id": source_id,
        "event_name": draft.event_name,
        "occurred_at": draft.occurred_at,
        "user_id": draft.shopper.user_id,
        "gender": draft.shopper.gender,
        "age": draft.shopper.age,
        "country": draft.shopper.country,
        "city": draft.shopper.city,
        "latitude": draft.shopper.latitude,
        "longitude": draft.shopper.longitude,
        "session_id": draft.visit.session_id,
        "session_started_at": draft.visit.session_started_at,
        "returning": draft.visit.returning,
        "device": draft.visit.device,
        "channel": draft.visit.channel,
        "item_id": line.map(|line| &line.item_id),
        "item_name": line.map(|line| &line.item_name),
        "category": line.map(|line| &line.category),
        "brand": line.and_then(|line| line.brand.as_ref()),
        "price": line.and_then(|line| matches!(line.cost, Cost::Unit(_)).then(|| line.cost.sum())),
        "amount": line.and_then(|line| matches!(line.cost, Cost::Line(_)).then(|| line.cost.sum())),
        "currency": line.map(|line| line.currency),
        "quantity": line.map(|line| line.quantity),
        "order_id": order.map(|order| &order.order_id),
        "order_line": order.map(|order| order.order_line),
        "order_lines": order.map(|order| order.order_lines),
        "purchased_at": order.and_then(|order| order.purchased_at),
        "payment_type": draft.payment_type,
    })
    .to_string()
    .into_bytes()
}

/// Reads a draft: typed, but not yet judged.
///
/// # Errors
/// [`Reason::Malformed`] for what is no JSON object, [`Reason::MissingField`] and [`Reason::InvalidField`] for the first
/// field that is not there or not of its type.
pub fn read(json: &[u8]) -> Result<Draft, Rejection> {
    assemble(&Json::read(json)?)
}

/// Makes a draft out of fields: typed, but not yet judged.
///
/// # Errors
/// [`Reason::MissingField`] and [`Reason::InvalidField`] for the first field that is not there or not of its type.
pub fn assemble(fields: &impl Fields) -> Result<Draft, Rejection> {
    let source_id = match (fields.optional("event_id")?, fields.optional("source_id")?) {
        (Some(id), _) => Some(SourceId::Uuid(id)),
        (None, id) => id.map(SourceId::Text),
    };
    let line = if some_of(fields, &LINE) {
        Some(Line {
            item_id: required(fields, "item_id")?,
            item_name: label(fields, "item_name")?,
            category: label(fields, "category")?,
            brand: optional_label(fields, "brand")?,
            cost: cost(fields)?,
            currency: required(fields, "currency")?,
            quantity: whole(fields, "quantity")?,
        })
    } else {
        None
    };
    let order = if some_of(fields, &["order_id", "order_line", "order_lines", "purchased_at"]) {
        Some(OrderLine {
            order_id: required(fields, "order_id")?,
            order_line: whole(fields, "order_line")?,
            order_lines: whole(fields, "order_lines")?,
            purchased_at: fields.optional("purchased_at")?,
        })
    } else {
        None
    };
    Ok(Draft {
        source_id,
        event_name: required(fields, "event_name")?,
        occurred_at: required(fields, "occurred_at")?,
        shopper: Shopper {
            user_id: required(fields, "user_id")?,
            gender: required(fields, "gender")?,
            age: whole(fields, "age")?,
            country: required(fields, "country")?,
            city: label(fields, "city")?,
            latitude: present("latitude", fields.degrees("latitude")?)?,
            longitude: present("longitude", fields.degrees("longitude")?)?,
        },
        visit: Visit {
            session_id: required(fields, "session_id")?,
            session_started_at: required(fields, "session_started_at")?,
            returning: required(fields, "returning")?,
            device: required(fields, "device")?,
            channel: required(fields, "channel")?,
        },
        line,
        order,
        payment_type: optional_label(fields, "payment_type")?,
    })
}

fn rejected(reason: Reason, field: &'static str, detail: String) -> Rejection {
    Rejection { reason, field, detail }
}

fn some_of(fields: &impl Fields, of: &[&'static str]) -> bool {
    of.iter().any(|field| fields.has(field))
}

fn required<T: DeserializeOwned>(fields: &impl Fields, field: &'static str) -> Result<T, Rejection> {
    present(field, fields.optional(field)?)
}

fn present<T>(field: &'static str, value: Option<T>) -> Result<T, Rejection> {
    value.ok_or_else(|| rejected(Reason::MissingField, field, "is missing".to_owned()))
}

/// The fields that make an event one about a product.
const LINE: [&str; 8] =
    ["item_id", "item_name", "category", "brand", "price", "amount", "currency", "quantity"];

fn whole(fields: &impl Fields, field: &'static str) -> Result<i32, Rejection> {
    present(field, fields.whole(field)?)
}

/// What a line costs, told in one of two ways, or in both where they say the same.
fn cost(fields: &impl Fields) -> Result<Cost, Rejection> {
    let (price, amount) = (fields.optional::<Exact>("price")?, fields.optional::<Exact>("amount")?);
    match (price, amount) {
        (Some(price), None) => Ok(Cost::Unit(price)),
        (None, Some(amount)) => Ok(Cost::Line(amount)),
        (None, None) => Err(rejected(
            Reason::MissingField,
            "price",
            "is missing, and so is the line's amount: one of the two is needed".to_owned(),
        )),
        (Some(price), Some(amount)) => {
            let quantity = whole(fields, "quantity")?;
            let product = price.to_decimal().checked_mul(quantity.into());
            if product == Some(amount.to_decimal()) {
                return Ok(Cost::Unit(price));
            }
            let detail =
                format!("the line's amount is {amount} and not {quantity} x {price}: tell one of the two");
            Err(rejected(Reason::Inconsistent, "amount", detail))
        }
    }
}

fn label<const MAX: usize>(fields: &impl Fields, field: &'static str) -> Result<Text<MAX>, Rejection> {
    let text: String = required(fields, field)?;
    Text::label(&text).map_err(|error| rejected(Reason::InvalidField, field, error.to_string()))
}

/// A label without anything in it is none.
fn optional_label<const MAX: usize>(
    fields: &impl Fields,
    field: &'static str,
) -> Result<Option<Text<MAX>>, Rejection> {
    let text: Option<String> = fields.optional(field)?;
    Ok(text.and_then(|text| Text::label(&text).ok()))
}

#[cfg(test)]
mod tests;
