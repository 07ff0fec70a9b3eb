//! An event as a source tells it, in JSON: the form in which a draft that was refused stands in quarantine.
//!
//! One flat object, absent values left out or null. It is lossless: what [`write`](write()) gives, [`read`]
//! gives back, so that a record can be judged again by other rules than those that refused it. An event needs
//! a name, a time, an id and a visitor. A UUID stands as `event_id`, an id in the source's own text as
//! `source_id`; where both are told, the UUID is the event's id. Fields that are not known are passed over,
//! and one that is known and there twice is refused. A whole number may be written as `1.0` or `1e0`.
//!
//! What a line costs is told as the `price` of one unit or as the `amount` of the line, with any number of
//! digits. Texts that are only labels (names, categories, brands, cities, means of payment) are cut and
//! cleaned and cost no event. A product without a name is called by its id, and one without a category is in
//! `unknown`.
//!
//! Which fields there are is declared in [`sender_fields`](crate::sender_fields); JSON, the gRPC message,
//! both published descriptions and the mappings of files follow from it. What makes a draft out of fields
//! stands once, in [`assemble`]; another encoding brings only its own [`Fields`].

pub mod definition;
mod field;
mod field_type;
mod json;

use contracts::Reason;
use contracts::validation::{Draft, Rejection};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use json::Json;

pub use field::{FIELDS, UNKNOWN_CATEGORY, assemble, visitor_of};
pub use field_type::{Field, Kind, Part, Value};

/// The fields of one record in whatever encoding it came.
pub trait Fields {
    /// Whether a field is there; null counts as absent.
    fn has(&self, field: &'static str) -> bool;

    /// A field that may be absent.
    ///
    /// # Errors
    /// [`Reason::InvalidField`] for what is not of the type.
    fn optional<T: DeserializeOwned>(&self, field: &'static str) -> Result<Option<T>, Rejection>;

    /// A text that is only shown. What of it is no text must not cost the record: a value of another type is
    /// none.
    fn label(&self, field: &'static str) -> Option<String> {
        self.optional(field).ok().flatten()
    }

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
    let fields = FIELDS.iter().map(|field| {
        let value = (field.of)(draft).map_or(serde_json::Value::Null, serde_json::Value::from);
        (field.name.to_owned(), value)
    });
    serde_json::Value::Object(fields.collect()).to_string().into_bytes()
}

/// Reads a draft: typed, but not yet judged.
///
/// # Errors
/// [`Reason::Malformed`] for what is no JSON object, [`Reason::MissingField`] and [`Reason::InvalidField`]
/// for the first field that is not there or not of its type.
pub fn read(json: &[u8]) -> Result<Draft, Rejection> {
    assemble(&Json::read(json)?)
}

/// Whose a record is, as [`visitor_of`] tells it of its fields.
#[must_use]
pub fn visitor(json: &[u8], source: &str) -> Option<Uuid> {
    visitor_of(&Json::read(json).ok()?, source)
}

fn rejected(reason: Reason, field: &'static str, detail: String) -> Rejection {
    Rejection { reason, field, detail }
}

#[cfg(test)]
mod tests;
