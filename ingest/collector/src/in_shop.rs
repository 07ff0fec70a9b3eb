//! Records of a key that is a shop's: the numbers of its orders are told apart from those of other shops.
//!
//! Shops count their orders from the same number on, and lines of orders have ids that all keys share. So
//! what such a key calls order 1001 is `NAME/1001` here, as the webhooks of the shop of that name have it. It
//! is so also where a record is set aside: it is judged again without its key.

use contracts::Reason;
use contracts::record::Text;
use contracts::validation::{Draft, Rejection, SourceId};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::record::SenderRecord;

/// A record of a key; its orders are of that shop, if it is a shop's.
pub(crate) struct InShop<'a, T> {
    pub(crate) record: T,
    pub(crate) shop: Option<&'a str>,
}

/// An order's id among those of all shops.
fn in_shop(shop: &str, id: &str) -> String {
    let is_told = id.strip_prefix(shop).is_some_and(|rest| rest.starts_with('/'));
    if is_told { id.to_owned() } else { format!("{shop}/{id}") }
}

/// A shared id among those of all shops: it names the order, if there is one.
fn shared_in_shop(shop: &str, id: &str, order_id: Option<&str>) -> String {
    let of_order = order_id.and_then(|order_id| {
        let (kind, rest) = id.split_once('/').filter(|(kind, _)| matches!(*kind, "order" | "refund"))?;
        let rest = rest.strip_prefix(order_id).filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
        Some(format!("{kind}/{}{rest}", in_shop(shop, order_id)))
    });
    of_order.unwrap_or_else(|| in_shop(shop, id))
}

fn named(shop: &str, order_id: &Text<64>) -> Result<Text<64>, Rejection> {
    in_shop(shop, order_id).parse().map_err(|error: <Text<64> as std::str::FromStr>::Err| Rejection {
        reason: Reason::InvalidField,
        field: "order_id",
        detail: format!("with the name of its shop: {error}"),
    })
}

fn draft_in_shop(mut draft: Draft, shop: &str) -> Result<Draft, Rejection> {
    let told = draft.order.as_ref().map(|order| order.order_id.clone()).or_else(|| draft.whole_order.clone());
    if let Some(SourceId::Shared(id)) = &mut draft.source_id {
        *id = shared_in_shop(shop, id, told.as_deref());
    }
    if let Some(order) = &mut draft.order {
        order.order_id = named(shop, &order.order_id)?;
    }
    draft.whole_order = draft.whole_order.map(|order_id| named(shop, &order_id)).transpose()?;
    Ok(draft)
}

/// The same of a record in JSON. What is no object, or breaks off, is not judged again as it is.
fn json_in_shop(payload: Vec<u8>, shop: &str) -> Vec<u8> {
    let Ok(mut fields) = serde_json::from_slice::<Map<String, Value>>(&payload) else { return payload };
    let order_id = fields.get("order_id").and_then(Value::as_str).map(str::to_owned);
    if let Some(Value::String(id)) = fields.get_mut("shared_id") {
        *id = shared_in_shop(shop, id, order_id.as_deref());
    }
    if let Some(Value::String(id)) = fields.get_mut("order_id") {
        *id = in_shop(shop, id);
    }
    Value::Object(fields).to_string().into_bytes()
}

impl<T: SenderRecord> SenderRecord for InShop<'_, T> {
    fn draft(&self) -> Result<Draft, Rejection> {
        let draft = self.record.draft()?;
        match self.shop {
            Some(shop) => draft_in_shop(draft, shop),
            None => Ok(draft),
        }
    }

    fn visitor(&self, source: &str) -> Option<Uuid> {
        self.record.visitor(source)
    }

    fn known_by(&self) -> Option<&str> {
        self.record.known_by()
    }

    fn size_bytes(&self) -> usize {
        self.record.size_bytes()
    }

    fn told_as(&self, field: &'static str) -> &'static str {
        self.record.told_as(field)
    }

    fn payload(&self) -> Vec<u8> {
        let payload = self.record.payload();
        match self.shop {
            Some(shop) => json_in_shop(payload, shop),
            None => payload,
        }
    }
}

#[cfg(test)]
mod tests {
    use ingest::source::draft;
    use serde_json::json;
    use serde_json::value::RawValue;

    use super::*;

    #[test]
    fn a_record_that_is_judged_again_is_of_the_same_shop() {
        let line = json!({
            "occurred_at": "2026-03-01T12:00:00Z", "anonymous_id": "b", "item_id": "lamp", "item_name": "Lamp",
            "category": "home", "price": "19.90", "currency": "EUR", "quantity": 1,
        });
        for (told, order_id, shared) in [
            (json!({ "event_name": "purchase", "order_id": "7" }), "a/7", None),
            (json!({ "event_name": "purchase", "order_id": "a/7" }), "a/7", None),
            (json!({ "event_name": "purchase", "order_id": "ab/7" }), "a/ab/7", None),
            (
                json!({ "event_name": "purchase", "order_id": "7", "shared_id": "order/7/1" }),
                "a/7",
                Some("order/a/7/1"),
            ),
            (
                json!({ "event_name": "refund", "order_id": "7", "shared_id": "refund/7/lamp" }),
                "a/7",
                Some("refund/a/7/lamp"),
            ),
            (json!({ "event_name": "refund", "order_id": "7", "shared_id": "r-1" }), "a/7", Some("a/r-1")),
            (
                json!({ "event_name": "refund", "order_id": "7", "shared_id": "order/77/1" }),
                "a/7",
                Some("a/order/77/1"),
            ),
        ] {
            let mut fields = line.clone();
            fields["order_line"] = 1.into();
            fields["order_lines"] = 1.into();
            fields.as_object_mut().unwrap().extend(told.as_object().unwrap().clone());
            let text = fields.to_string();
            let record =
                InShop { record: serde_json::from_str::<&RawValue>(&text).unwrap(), shop: Some("a") };
            let draft = record.draft().unwrap();
            assert_eq!(&*draft.order.as_ref().unwrap().order_id, order_id, "{told}");
            let shared = shared.map(|id: &str| SourceId::Shared(id.to_owned()));
            assert_eq!(draft.source_id, shared, "{told}");
            assert_eq!(draft::read(&record.payload()).unwrap(), draft, "{told}");
        }
        // A refund of a whole order, and an id that becomes too long.
        let whole = json!({ "event_name": "refund", "occurred_at": "2026-03-01T12:00:00Z", "anonymous_id": "b",
                            "source_id": "r-1", "order_id": "7" });
        let text = whole.to_string();
        let record = InShop { record: serde_json::from_str::<&RawValue>(&text).unwrap(), shop: Some("a") };
        assert_eq!(&*record.draft().unwrap().whole_order.unwrap(), "a/7");
        let text = text.replace("\"7\"", &format!("\"{}\"", "7".repeat(63)));
        let record = InShop { record: serde_json::from_str::<&RawValue>(&text).unwrap(), shop: Some("a") };
        assert_eq!(record.draft().unwrap_err().field, "order_id");
    }
}
