//! One record of the API: from its JSON to the user that may be published and the profile that may not.

use chrono::{DateTime, Utc};
use contracts::event::Country;
use contracts::record::Text;
use contracts::user::coarse_degrees;
use contracts::validation::{MAX_AGE_YEARS, MAX_LATITUDE_DEGREES, MAX_LONGITUDE_DEGREES};
use contracts::vocabulary::{AgeBand, Gender};
use contracts::{Reason, User, ids};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::credentials;
use crate::store::UserRecord;

/// The city of whoever has none that can be read.
const UNKNOWN_CITY: &str = "unknown";

/// Why a record is set aside.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {detail}")]
pub struct BadRecord {
    /// The kind of cause.
    pub reason: Reason,
    field: &'static str,
    detail: String,
}

fn bad(reason: Reason, field: &'static str, detail: impl Into<String>) -> BadRecord {
    BadRecord { reason, field, detail: detail.into() }
}

fn invalid(field: &'static str, error: &impl std::fmt::Display) -> BadRecord {
    bad(Reason::InvalidField, field, error.to_string())
}

/// Reads one record of a page, as it came or without its credentials, which are not kept. Unknown fields are
/// kept in the profile; only what the user needs must be there.
///
/// # Errors
/// Names the first field that is missing or breaks its rule.
pub fn read(json: &str, ingested_at: DateTime<Utc>) -> Result<UserRecord, BadRecord> {
    let value: Value = serde_json::from_str(&credentials::without(json).text)
        .map_err(|error| bad(Reason::Malformed, "record", error.to_string()))?;
    let Value::Object(record) = value else {
        return Err(bad(Reason::Malformed, "record", "is no object"));
    };
    let user = user(&record, ingested_at)?;
    Ok(UserRecord { user, profile: unchanging(record)? })
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
    let city = city(record)?;
    let latitude = degrees(record, "latitude", "location.coordinates.latitude", MAX_LATITUDE_DEGREES)?;
    let longitude = degrees(record, "longitude", "location.coordinates.longitude", MAX_LONGITUDE_DEGREES)?;
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

/// The city, which is only a label: one that says nothing is unknown, and costs no user.
fn city(record: &Map<String, Value>) -> Result<Text<100>, BadRecord> {
    let told = match at(record, &["location", "city"]) {
        Some(Value::String(text)) => Text::label(text).ok(),
        Some(Value::Number(number)) => Text::label(&number.to_string()).ok(),
        _ => None,
    };
    told.map_or_else(|| Text::new(UNKNOWN_CITY).map_err(|error| invalid("location.city", &error)), Ok)
}

/// The profile: the record without what would make an unchanged user look changed.
fn unchanging(mut record: Map<String, Value>) -> Result<Value, BadRecord> {
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
    bound: i32,
) -> Result<f64, BadRecord> {
    let value = at(record, &["location", "coordinates", axis])
        .ok_or_else(|| bad(Reason::MissingField, field, "is missing"))?;
    let degrees = match value {
        Value::String(text) => {
            text.trim().parse().map_err(|_| invalid(field, &format!("{:?} is no number", shortened(text))))?
        }
        value => value.as_f64().ok_or_else(|| invalid(field, &"is no number"))?,
    };
    let bound = f64::from(bound);
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn whole() -> Value {
        json!({
            "gender": "female",
            "name": { "title": "Ms", "first": "Åse", "last": "Ødegård" },
            "location": {
                "street": { "number": 12, "name": "Storgata" }, "city": "Tromsø", "state": "Troms",
                "country": "Norway", "postcode": "0123",
                "coordinates": { "latitude": "-0.0312", "longitude": "178.9876" },
                "timezone": { "offset": "+5:45", "description": "Kathmandu" },
            },
            "email": "aase@example.com",
            "login": {
                "uuid": "6d0ac2ce-2d3b-4d5c-a1a0-5e5d2c9d7e11", "username": "x", "password": "p", "salt": "s",
                "md5": "m", "sha1": "1", "sha256": "2",
            },
            "dob": { "date": "1959-11-02T10:11:12.345Z", "age": 66 },
            "registered": { "date": "2010-01-02T03:04:05.678Z", "age": 16 },
            "phone": "1", "cell": "2", "id": { "name": "", "value": null },
            "picture": { "large": "l", "medium": "m", "thumbnail": "t" }, "nat": "no",
        })
    }

    fn now() -> DateTime<Utc> {
        crate::clock::from_micros(1_770_000_000_000_000)
    }

    #[test]
    fn a_whole_record_is_read() {
        let UserRecord { user, profile } = read(&whole().to_string(), now()).unwrap();
        assert_eq!((user.country.as_str(), user.age, user.age_band), ("NO", 66, AgeBand::From65));
        assert_eq!(user.latitude.to_bits(), 0.0f64.to_bits(), "no negative zero");
        assert!((user.longitude - 179.0).abs() < 1e-9);
        assert_eq!(user.registered_at.to_rfc3339(), "2010-01-02T03:04:05.678+00:00");
        assert_eq!(
            profile["login"],
            json!({ "uuid": "6d0ac2ce-2d3b-4d5c-a1a0-5e5d2c9d7e11", "username": "x" })
        );
        assert!(profile["dob"].get("age").is_none());
    }

    #[test]
    fn a_postcode_is_text_either_way() {
        let mut record = whole();
        record["location"]["postcode"] = json!(4001);
        let read = read(&record.to_string(), now()).unwrap();
        assert_eq!(read.profile["location"]["postcode"], "4001");
    }

    #[test]
    fn a_city_is_cut_and_cleaned_and_costs_no_user() {
        let mut record = whole();
        record["location"]["city"] = json!(format!(" Ba\u{7}sel {}", "x".repeat(100)));
        let city = read(&record.to_string(), now()).unwrap().user.city;
        assert!(city.starts_with("Ba sel x") && city.ends_with('…') && city.chars().count() == 100, "{city}");
        for (told, city) in [("", "unknown"), (" \n", "unknown")]
            .map(|(told, city)| (json!(told), city))
            .into_iter()
            .chain([(Value::Null, "unknown"), (json!(["Basel"]), "unknown"), (json!(4001), "4001")])
        {
            record["location"]["city"] = told;
            assert_eq!(read(&record.to_string(), now()).unwrap().user.city.as_str(), city);
        }
    }

    #[test]
    fn each_fault_has_its_reason() {
        let cases: [(&str, Value, Reason); 8] = [
            ("/login/uuid", Value::Null, Reason::MissingId),
            ("/login", Value::Null, Reason::MissingId),
            ("/login/uuid", json!("x"), Reason::InvalidField),
            ("/nat", json!("LEGO"), Reason::InvalidField),
            ("/dob/age", json!("66"), Reason::InvalidField),
            ("/dob", json!(-320_000_000), Reason::MissingField),
            ("/location/coordinates/latitude", json!("91"), Reason::InvalidField),
            ("/email", json!("a\u{0}b"), Reason::InvalidField),
        ];
        for (at, value, reason) in cases {
            let mut record = whole();
            *record.pointer_mut(at).unwrap() = value;
            assert_eq!(read(&record.to_string(), now()).unwrap_err().reason, reason, "{at}");
        }
        assert_eq!(read("[]", now()).unwrap_err().reason, Reason::Malformed);
    }

    /// All places in a value that can be replaced.
    fn pointers(value: &Value, at: &str, out: &mut Vec<String>) {
        out.push(at.to_owned());
        if let Value::Object(fields) = value {
            for (name, value) in fields {
                pointers(value, &format!("{at}/{name}"), out);
            }
        }
    }

    fn anything() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            "[0-9T:.Z+-]{0,30}".prop_map(Value::from),
        ];
        leaf.prop_recursive(2, 8, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..3)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// Whatever stands in a record, it passes whole or is set aside; what passes keeps the contract.
        #[test]
        fn a_mutated_record_is_kept_or_refused(
            changes in prop::collection::vec((any::<prop::sample::Index>(), anything()), 1..4)
        ) {
            let mut record = whole();
            for (which, by) in changes {
                let mut places = Vec::new();
                pointers(&record, "", &mut places);
                let place = which.get(&places).clone();
                if let Some(target) = record.pointer_mut(&place) {
                    *target = by;
                }
            }
            if let Ok(UserRecord { user, profile }) = read(&record.to_string(), now()) {
                prop_assert!((0..=MAX_AGE_YEARS).contains(&user.age));
                prop_assert!((-90.0..=90.0).contains(&user.latitude));
                prop_assert!(profile["login"].get("password").is_none());
            }
        }

        #[test]
        fn any_text_is_kept_or_refused(text: String) {
            prop_assert!(read(&text, now()).is_err() || text.contains("uuid"));
        }
    }
}
