//! What a foreign request tells, in our terms.
//!
//! A dialect reads its requests and makes items of them; what follows is the same for all. A record passes
//! the same rules as one of our own API, and one that does not is set aside as our own flat JSON, in which it
//! can be judged again.

use contracts::Reason;
use contracts::validation::{Draft, Rejection, Shopper};
use ingest::source::draft::{self, Fields};
use ingest::store::OtherEvent;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::record::SenderRecord;

/// One thing that a foreign request tells.
#[derive(Debug, Clone)]
pub(crate) enum Item {
    /// Records in our fields: one, or one for each line of an order or list.
    Records(Vec<Mapped>),
    /// Well formed, but without a place in the figures: kept as it came in `raw.other_events`.
    Other(Box<OtherEvent>),
    /// A page or a screen that was seen: kept like another one, and perhaps the start of a visit.
    Seen(Box<OtherEvent>, Box<Mapped>),
}

impl Item {
    /// How many events it is.
    pub(crate) const fn len(&self) -> usize {
        match self {
            Self::Records(records) => records.len(),
            Self::Other(_) | Self::Seen(..) => 1,
        }
    }
}

/// A record in our fields, with the names that its sender has for them.
#[derive(Debug, Clone)]
pub(crate) struct Mapped {
    fields: Vec<(&'static str, Value)>,
    told_as: fn(&'static str) -> &'static str,
    refused: Option<Rejection>,
    known_by: Option<String>,
    size_bytes: usize,
}

impl Mapped {
    /// A record without fields yet. `told_as` tells what the dialect calls a field of ours; `size_bytes` is
    /// how large the foreign event was.
    pub(crate) const fn new(told_as: fn(&'static str) -> &'static str, size_bytes: usize) -> Self {
        Self { fields: Vec::new(), told_as, refused: None, known_by: None, size_bytes }
    }

    /// Names what it is known by where it is refused. Its fields may be others when it is sent again, since
    /// times are corrected by the time of receipt.
    pub(crate) fn set_known_by(&mut self, id: impl Into<String>) {
        self.known_by = Some(id.into());
    }

    /// The same record of an event in which the dialect calls fields otherwise.
    pub(crate) const fn called(mut self, told_as: fn(&'static str) -> &'static str) -> Self {
        self.told_as = told_as;
        self
    }

    /// Puts a field in place of what it was; null takes it out. What is of the wrong type is put as it is: it
    /// is refused by its name then, and again whenever the record is replayed.
    pub(crate) fn set(&mut self, field: &'static str, value: impl Into<Value>) {
        let value = value.into();
        self.fields.retain(|(known, _)| *known != field);
        if !value.is_null() {
            self.fields.push((field, value));
        }
    }

    /// Refuses it for what none of our fields can tell. The first cause stays.
    pub(crate) fn refuse(&mut self, reason: Reason, field: &'static str, detail: impl Into<String>) {
        self.refused.get_or_insert_with(|| Rejection { reason, field, detail: detail.into() });
    }

    /// Whose it is: the user and the visitor by the browser or the app.
    pub(crate) fn ids(&self, source: &str) -> Result<(Option<Uuid>, Option<Uuid>), Rejection> {
        let shopper = Shopper {
            user_id: self.optional("user_id")?,
            anonymous_id: self.optional("anonymous_id")?,
            ..Shopper::default()
        };
        Ok(shopper.ids(source))
    }

    fn value(&self, field: &str) -> Option<&Value> {
        self.fields.iter().find(|(known, _)| *known == field).map(|(_, value)| value)
    }
}

impl Fields for Mapped {
    fn has(&self, field: &'static str) -> bool {
        self.value(field).is_some()
    }

    fn optional<T: DeserializeOwned>(&self, field: &'static str) -> Result<Option<T>, Rejection> {
        let Some(value) = self.value(field) else { return Ok(None) };
        let invalid = |error: serde_json::Error| Rejection {
            reason: Reason::InvalidField,
            field,
            detail: error.to_string(),
        };
        T::deserialize(value).map(Some).map_err(invalid)
    }

    fn label(&self, field: &'static str) -> Option<String> {
        match self.value(field)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }
}

impl SenderRecord for Mapped {
    fn draft(&self) -> Result<Draft, Rejection> {
        match &self.refused {
            Some(rejection) => Err(rejection.clone()),
            None => draft::assemble(self),
        }
    }

    fn visitor(&self, source: &str) -> Option<Uuid> {
        draft::visitor_of(self, source)
    }

    fn known_by(&self) -> Option<&str> {
        self.known_by.as_deref()
    }

    fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    fn told_as(&self, field: &'static str) -> &'static str {
        (self.told_as)(field)
    }

    fn payload(&self) -> Vec<u8> {
        let fields = self.fields.iter().map(|(field, value)| ((*field).to_owned(), value.clone()));
        Value::Object(fields.collect::<Map<_, _>>()).to_string().into_bytes()
    }
}

/// A sum that goes back, which some tell as less than nothing. Zero is none: then all goes back.
pub(crate) fn sum_back(told: Value) -> Value {
    match told.as_str().and_then(contracts::record::decimal_number) {
        Some(sum) if sum.is_zero() => Value::Null,
        Some(sum) => sum.abs().to_string().into(),
        None => told,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told_as(field: &'static str) -> &'static str {
        if field == "currency" { "properties.currency" } else { field }
    }

    fn view() -> Mapped {
        let mut view = Mapped::new(told_as, 7);
        for (field, value) in [
            ("source_id", "m-1"),
            ("event_name", "view_item"),
            ("occurred_at", "2026-03-01T12:00:00Z"),
            ("anonymous_id", "browser"),
            ("item_id", "lamp-3"),
            ("item_name", "Lamp"),
            ("category", "home"),
            ("price", "19.90"),
        ] {
            view.set(field, value);
        }
        view.set("quantity", 1);
        view
    }

    #[test]
    fn a_record_reads_like_its_json() {
        let mut view = view();
        let missing = view.draft().unwrap_err();
        assert_eq!((missing.field, view.told_as(missing.field)), ("currency", "properties.currency"));
        assert_eq!(draft::read(&view.payload()).unwrap_err(), missing);
        view.set("currency", "CHF");
        assert_eq!(view.draft().unwrap(), draft::read(&view.payload()).unwrap());
        view.set("age", "seven");
        assert_eq!(view.draft().unwrap_err().field, "age");
        view.set("age", Value::Null);
        assert!(view.draft().is_ok());
        assert_eq!(view.visitor("collector/web"), draft::visitor(&view.payload(), "collector/web"));
    }

    #[test]
    fn a_label_of_any_type_costs_no_event() {
        for (told, name) in [
            (Value::from(""), "lamp-3"),
            (Value::from(7), "7"),
            (Value::from(true), "lamp-3"),
            (serde_json::json!(["Lamp"]), "lamp-3"),
            (serde_json::json!({ "en": "Lamp" }), "lamp-3"),
        ] {
            let mut view = view();
            view.set("currency", "CHF");
            for field in ["item_name", "category", "brand", "city", "payment_type", "referrer"] {
                view.set(field, told.clone());
            }
            let line = view.draft().unwrap().line.unwrap();
            assert_eq!(line.item_name.as_str(), name, "{told}");
            assert_eq!(line.category.as_str(), if name == "7" { "7" } else { "unknown" }, "{told}");
            assert_eq!(draft::read(&view.payload()).unwrap(), view.draft().unwrap(), "{told}");
        }
    }

    #[test]
    fn a_sum_goes_back_whatever_its_sign() {
        for (told, sum) in [("30", "30".into()), ("-30.50", "30.50".into()), ("-0.0", Value::Null)] {
            assert_eq!(sum_back(told.into()), sum);
        }
        assert_eq!([sum_back("$5".into()), sum_back(Value::Null)], ["$5".into(), Value::Null]);
    }

    #[test]
    fn the_first_refusal_stays() {
        let mut view = view();
        view.refuse(Reason::InvalidField, "properties.products", "is no list");
        view.refuse(Reason::Malformed, "event", "is none");
        assert_eq!(view.draft().unwrap_err().field, "properties.products");
    }
}
