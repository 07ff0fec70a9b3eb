//! What `identify` tells of a user, as far as it is understood.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::record::Text;
use contracts::validation::MAX_AGE_YEARS;
use ingest::store::UserFacts;

use super::json::{Object, whole};

/// Reads traits. What is not understood is not taken: a country that is no ISO code, an age of nobody.
pub(super) fn facts(traits: &Object<'_>, at: DateTime<Utc>) -> UserFacts {
    let address = traits.object("address");
    let city = address.text("city").or_else(|| traits.text("city"));
    let country = address.text("country").or_else(|| traits.text("country"));
    UserFacts {
        gender: traits.text("gender").and_then(|word| word.trim().to_lowercase().parse().ok()),
        age: traits
            .get("age")
            .and_then(|raw| i32::try_from(whole(raw).as_i64()?).ok())
            .filter(|age| (0..=MAX_AGE_YEARS).contains(age)),
        born_on: traits.text("birthday").and_then(|text| day(&text)).filter(|day| is_of_a_person(*day, at)),
        country: country.and_then(|code| code.trim().to_uppercase().parse().ok()),
        city: city.and_then(|city| Text::label(&city).ok()),
        registered_at: traits
            .text("createdAt")
            .or_else(|| traits.text("created_at"))
            .and_then(|text| instant(&text))
            .filter(|registered_at| *registered_at <= at),
    }
}

fn is_of_a_person(born_on: NaiveDate, at: DateTime<Utc>) -> bool {
    let years = at.date_naive().years_since(born_on);
    years.is_some_and(|years| i64::from(years) <= i64::from(MAX_AGE_YEARS))
}

/// A day, alone or as an instant of it, as its sender writes it.
fn day(text: &str) -> Option<NaiveDate> {
    let text = text.trim();
    text.parse().ok().or_else(|| DateTime::parse_from_rfc3339(text).ok().map(|at| at.date_naive()))
}

/// An instant, or the beginning of a day.
fn instant(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    let at = DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc());
    at.or_else(|| text.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0).map(|at| at.and_utc()))
}

#[cfg(test)]
mod tests {
    use contracts::vocabulary::Gender;

    use super::*;

    fn of(json: &str) -> UserFacts {
        facts(&Object::read(json.as_bytes()).unwrap(), "2026-03-01T12:00:00Z".parse().unwrap())
    }

    #[test]
    fn what_is_understood_is_taken() {
        let told = of(
            r#"{"gender":"Female","age":31.0,"birthday":"1994-11-02T00:00:00.000Z","email":"a@example.com",
            "address":{"country":"ch","city":"Zürich"},"createdAt":"2020-01-02T03:04:05Z"}"#,
        );
        let expected = UserFacts {
            gender: Some(Gender::Female),
            age: Some(31),
            born_on: Some("1994-11-02".parse().unwrap()),
            country: Some("CH".parse().unwrap()),
            city: Some("Zürich".parse().unwrap()),
            registered_at: Some("2020-01-02T03:04:05Z".parse().unwrap()),
        };
        assert_eq!(told, expected);
    }

    #[test]
    fn what_is_not_understood_is_not_taken() {
        let told = of(
            r#"{"gender":"f","age":"31","birthday":"2.11.94","address":{"country":"United States","city":7},
            "createdAt":1577934245}"#,
        );
        assert_eq!(told, UserFacts::default());
        assert_eq!(
            of(r#"{"age":131,"birthday":"2027-01-01","createdAt":"2027-01-01"}"#),
            UserFacts::default()
        );
        assert_eq!(of(r#"{"address":"Spear Street"}"#), UserFacts::default());
    }
}
