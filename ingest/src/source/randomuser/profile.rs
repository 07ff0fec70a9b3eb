//! One record of the API: from its JSON to the user that may be published and the profile that may not.

use chrono::{DateTime, Utc};
use contracts::event::Country;
use contracts::record::Text;
use contracts::user::coarse_degrees;
use contracts::validation::MAX_AGE_YEARS;
use contracts::vocabulary::{AgeBand, Gender};
use contracts::{Reason, User, ids};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::store::UserRecord;

/// Credentials, which are kept nowhere.
const CREDENTIALS: [&str; 5] = ["password", "salt", "md5", "sha1", "sha256"];

/// Why a record is set aside.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {detail}")]
pub(super) struct BadRecord {
    pub(super) reason: Reason,
    field: &'static str,
    detail: String,
}

fn bad(reason: Reason, field: &'static str, detail: impl Into<String>) -> BadRecord {
    BadRecord { reason, field, detail: detail.into() }
}

fn invalid(field: &'static str, error: &impl std::fmt::Display) -> BadRecord {
    bad(Reason::InvalidField, field, error.to_string())
}

/// Reads a record. Unknown fields are kept in the profile; only what the user needs must be there.
pub(super) fn read(json: &str, ingested_at: DateTime<Utc>) -> Result<UserRecord, BadRecord> {
    let value: Value =
        serde_json::from_str(json).map_err(|error| bad(Reason::Malformed, "record", error.to_string()))?;
    let Value::Object(record) = value else {
        return Err(bad(Reason::Malformed, "record", "is no object"));
    };
    let user = user(&record, ingested_at)?;
    Ok(UserRecord { user, profile: without_secrets(record)? })
}

fn user(record: &Map<String, Value>, ingested_at: DateTime<Utc>) -> Result<User, BadRecord> {
    let login_uuid = match at(record, &["login", "uuid"]) {
        None => return Err(bad(Reason::MissingId, "login.uuid", "is missing")),
        Some(value) => {
            let text = text_of(value, "login.uuid")?;
            text.parse::<Uuid>().map_err(|error| invalid("login.uuid", &error))?
        }
    };
    let gender = match string(record, &["gender"], "gender")? {
        "female" => Gender::Female,
        "male" => Gender::Male,
        other => {
            return Err(invalid("gender", &format!("{:?} is neither female nor male", shortened(other))));
        }
    };
    let age = integer(record, &["dob", "age"], "dob.age")?;
    let age = i32::try_from(age)
        .ok()
        .filter(|age| (0..=MAX_AGE_YEARS).contains(age))
        .ok_or_else(|| invalid("dob.age", &format!("{age} is not between 0 and {MAX_AGE_YEARS}")))?;
    let nat = string(record, &["nat"], "nat")?.to_ascii_uppercase();
    let country: Country = nat.parse().map_err(|_| {
        invalid("nat", &format!("{:?} is not a country code of two letters", shortened(&nat)))
    })?;
    let city = string(record, &["location", "city"], "location.city")?;
    let city: Text<100> = Text::new(city.trim()).map_err(|error| invalid("location.city", &error))?;
    let latitude = degrees(record, "latitude", "location.coordinates.latitude", 90.0)?;
    let longitude = degrees(record, "longitude", "location.coordinates.longitude", 180.0)?;
    let registered = string(record, &["registered", "date"], "registered.date")?;
    let registered_at = DateTime::parse_from_rfc3339(registered)
        .map_err(|error| invalid("registered.date", &error))?
        .with_timezone(&Utc);
    // Beyond this PostgreSQL could not keep it, and no shop is that old.
    if !(1970..=9999).contains(&chrono::Datelike::year(&registered_at)) {
        return Err(invalid("registered.date", &format!("{registered_at} is no time of a registration")));
    }
    let registered_at = crate::clock::from_micros(registered_at.timestamp_micros());
    Ok(User {
        user_id: ids::user_id(&login_uuid),
        gender,
        age,
        age_band: AgeBand::of(age),
        country,
        city,
        latitude,
        longitude,
        registered_at,
        ingested_at,
    })
}

/// The profile: the record without credentials, and without what would make an unchanged user look changed.
fn without_secrets(mut record: Map<String, Value>) -> Result<Value, BadRecord> {
    if let Some(Value::Object(login)) = record.get_mut("login") {
        for credential in CREDENTIALS {
            login.remove(credential);
        }
    }
    // The API computes ages when it is asked; the one that counts is a field of the user.
    for dated in ["dob", "registered"] {
        if let Some(Value::Object(dated)) = record.get_mut(dated) {
            dated.remove("age");
        }
    }
    // An integer by some nationalities, text by others: text holds both.
    if let Some(Value::Object(location)) = record.get_mut("location")
        && let Some(postcode @ Value::Number(_)) = location.get_mut("postcode")
    {
        *postcode = Value::String(postcode.to_string());
    }
    let profile = Value::Object(record);
    // PostgreSQL's jsonb holds no NUL character and no lone surrogate; serde_json refuses the latter already.
    if has_nul(&profile) {
        return Err(bad(Reason::InvalidField, "record", "holds the character U+0000"));
    }
    Ok(profile)
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(fields) => fields.iter().any(|(name, value)| name.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The value at a path; null counts as absent.
fn at<'a>(record: &'a Map<String, Value>, path: &[&str]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    let mut value = record.get(*first)?;
    for name in rest {
        value = value.as_object()?.get(*name)?;
    }
    if value.is_null() { None } else { Some(value) }
}

fn text_of<'a>(value: &'a Value, field: &'static str) -> Result<&'a str, BadRecord> {
    value.as_str().ok_or_else(|| invalid(field, &"is no string"))
}

fn string<'a>(
    record: &'a Map<String, Value>,
    path: &[&str],
    field: &'static str,
) -> Result<&'a str, BadRecord> {
    let value = at(record, path).ok_or_else(|| bad(Reason::MissingField, field, "is missing"))?;
    text_of(value, field)
}

fn integer(record: &Map<String, Value>, path: &[&str], field: &'static str) -> Result<i64, BadRecord> {
    let value = at(record, path).ok_or_else(|| bad(Reason::MissingField, field, "is missing"))?;
    value.as_i64().ok_or_else(|| invalid(field, &"is no integer"))
}

/// Coordinates are strings; a number would say the same.
fn degrees(
    record: &Map<String, Value>,
    axis: &str,
    field: &'static str,
    bound: f64,
) -> Result<f64, BadRecord> {
    let value = at(record, &["location", "coordinates", axis])
        .ok_or_else(|| bad(Reason::MissingField, field, "is missing"))?;
    let degrees = match value {
        Value::String(text) => {
            text.trim().parse().map_err(|_| invalid(field, &format!("{:?} is no number", shortened(text))))?
        }
        value => value.as_f64().ok_or_else(|| invalid(field, &"is no number"))?,
    };
    // Written so that NaN fails too.
    if !(-bound..=bound).contains(&degrees) {
        return Err(invalid(field, &format!("{degrees} is not between -{bound} and {bound}")));
    }
    Ok(coarse_degrees(degrees))
}

/// A detail quotes no more than this of a record: the rest is in its bytes.
fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}
