//! Who is behind an event and in which visit, as far as its sender tells.
//!
//! A sender names people in its own words, which may be an e-mail address. They become UUIDs here, in a
//! namespace of their source, before an event exists: no word of a sender is in an event.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer};
use uuid::Uuid;

use crate::event::{Country, Event, UNKNOWN_COUNTRY};
use crate::ids;
use crate::record::{Text, TextError};
use crate::vocabulary::{AgeBand, Gender};

/// An id in a sender's own words.
pub type Name = Text<200>;

/// An id as a sender tells it: a UUID is kept as it is, anything else stands for a UUID that is made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SenderId {
    /// A UUID.
    Uuid(Uuid),
    /// The sender's own words.
    Name(Name),
}

impl SenderId {
    /// The user that a source means by it.
    #[must_use]
    pub fn user(&self, source: &str) -> Uuid {
        match self {
            Self::Uuid(id) => *id,
            Self::Name(name) => ids::named_user(source, name),
        }
    }

    /// The visit of a visitor that a source means by it.
    #[must_use]
    pub fn visit(&self, source: &str, visitor: &Uuid) -> Uuid {
        match self {
            Self::Uuid(id) => *id,
            Self::Name(name) => ids::named_visit(source, visitor, name),
        }
    }
}

impl FromStr for SenderId {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        match text.parse() {
            Ok(id) => Ok(Self::Uuid(id)),
            Err(_) => text.parse().map(Self::Name),
        }
    }
}

impl fmt::Display for SenderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uuid(id) => id.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

impl<'de> Deserialize<'de> for SenderId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What of an accepted event its sender left open and PostgreSQL has to tell before it is stored.
///
/// Until then the event has what it would have if nothing were known: the sender's id of the visitor, a visit
/// of its own, and words for unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    /// The user, where the sender tells one.
    pub user_id: Option<Uuid>,
    /// The visitor by the browser or the app, where the sender tells one: a user's, once both were told
    /// together.
    pub anonymous_id: Option<Uuid>,
    /// The visit, where the sender tells one; else it is inferred from the time.
    pub session_id: Option<Uuid>,
    /// Whether the start of the visit is open.
    pub is_start_open: bool,
    /// Whether it is open if the visitor had visited before.
    pub is_returning_open: bool,
    /// Whether the gender is open.
    pub is_gender_open: bool,
    /// Whether the age is open.
    pub is_age_open: bool,
    /// Whether country, city and coordinates are open. They are one fact: where some of them are told, the
    /// others stay unknown.
    pub is_place_open: bool,
}

impl Open {
    /// Whether the visit has to be looked up: its id, its start or what was before it.
    #[must_use]
    pub const fn is_visit_open(&self) -> bool {
        self.session_id.is_none() || self.is_start_open || self.is_returning_open
    }

    /// Whether anything is open at all; where nothing is, nobody is asked.
    #[must_use]
    pub const fn is_any_open(&self) -> bool {
        self.anonymous_id.is_some()
            || self.is_visit_open()
            || self.is_gender_open
            || self.is_age_open
            || self.is_place_open
    }
}

/// What PostgreSQL tells of an event that was open.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Whose event it is.
    pub visitor_id: Uuid,
    /// Its visit, where that was asked for.
    pub visit: Option<Visited>,
    /// What is known of the visitor, who is a user then.
    pub facts: Option<Facts>,
}

/// A visit as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visited {
    /// The id that its events have, told by the sender or inferred.
    pub session_id: Uuid,
    /// The time of its first stored event, or what its sender declared.
    pub started_at: DateTime<Utc>,
    /// Whether the visitor had visited before.
    pub returning: bool,
}

/// Facts about a user, as far as they are known.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// See [`Event::gender`].
    pub gender: Option<Gender>,
    /// See [`Event::age`].
    pub age: Option<i32>,
    /// See [`Event::country`].
    pub country: Option<Country>,
    /// See [`Event::city`].
    pub city: Option<Text<100>>,
    /// See [`Event::latitude`].
    pub latitude: Option<f64>,
    /// See [`Event::longitude`].
    pub longitude: Option<f64>,
}

/// Fills what was open of an event with what was found.
pub fn fill(event: &mut Event, open: &Open, found: &Found) {
    event.user_id = found.visitor_id;
    if let Some(visit) = &found.visit {
        event.session_id = visit.session_id;
        if open.is_start_open {
            event.session_started_at = visit.started_at;
            // Clocks differ a little: what came shortly before the first event of its visit is from its
            // start.
            event.occurred_at = event.occurred_at.max(visit.started_at);
        }
        if open.is_returning_open {
            event.returning = visit.returning;
        }
    }
    let facts = found.facts.as_ref();
    if open.is_gender_open {
        event.gender = facts.and_then(|facts| facts.gender).unwrap_or(Gender::Unknown);
    }
    if open.is_age_open {
        event.age = facts.and_then(|facts| facts.age);
        event.age_band = AgeBand::of_known(event.age);
    }
    if open.is_place_open {
        // Where nothing is known of the user's place, what the request told of its country stands.
        let is_known = facts.is_some_and(|facts| facts.country.is_some() || facts.city.is_some());
        if is_known {
            event.country = facts.and_then(|facts| facts.country).unwrap_or(UNKNOWN_COUNTRY);
        }
        event.city = facts.and_then(|facts| facts.city.clone());
        event.latitude = facts.and_then(|facts| facts.latitude);
        event.longitude = facts.and_then(|facts| facts.longitude);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            gender: Some(Gender::Female),
            age: Some(70),
            country: Some("NO".parse().unwrap()),
            city: Some("Bergen".parse().unwrap()),
            latitude: Some(60.4),
            longitude: Some(5.3),
        }
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_uuid_stays_and_words_stand_for_one_of_their_source() {
        let uuid: SenderId = "6D0AC2CE-2D3B-4D5C-A1A0-5E5D2C9D7E11".parse().unwrap();
        assert_eq!(uuid.user("a"), uuid.user("b"));
        assert_eq!(uuid.to_string(), "6d0ac2ce-2d3b-4d5c-a1a0-5e5d2c9d7e11");
        let name: SenderId = "ada@example.com".parse().unwrap();
        assert_ne!(name.user("a"), name.user("b"));
        assert_eq!(name.user("a"), ids::named_user("a", "ada@example.com"));
        assert_ne!(name.visit("a", &Uuid::from_u128(1)), name.visit("a", &Uuid::from_u128(2)));
        for none in ["", "\n", &"x".repeat(201)] {
            assert!(none.parse::<SenderId>().is_err(), "{none:?}");
        }
    }

    #[test]
    fn what_was_told_stands_and_what_was_open_is_filled() {
        let told = Event { returning: true, ..Event::sample(at("2026-03-01T12:00:00Z")) };
        let open = Open {
            user_id: Some(Uuid::from_u128(1)),
            anonymous_id: None,
            session_id: None,
            is_start_open: false,
            is_returning_open: false,
            is_gender_open: true,
            is_age_open: false,
            is_place_open: false,
        };
        let visited = Visited {
            session_id: Uuid::from_u128(3),
            started_at: at("2026-03-01T11:50:00Z"),
            returning: false,
        };
        let found = Found { visitor_id: Uuid::from_u128(2), visit: Some(visited), facts: Some(facts()) };
        let mut event = told.clone();
        fill(&mut event, &open, &found);
        let expected = Event {
            user_id: found.visitor_id,
            session_id: visited.session_id,
            gender: Gender::Female,
            ..told
        };
        assert_eq!(event, expected);

        let all = Open {
            is_start_open: true,
            is_returning_open: true,
            is_age_open: true,
            is_place_open: true,
            ..open
        };
        fill(&mut event, &all, &found);
        assert_eq!((event.age, event.age_band), (Some(70), AgeBand::From65));
        assert_eq!((event.country.as_str(), event.city.as_deref()), ("NO", Some("Bergen")));
        assert_eq!((event.session_started_at, event.returning), (visited.started_at, false));

        // Where the request came from stands as long as nothing is known.
        event.country = "CH".parse().unwrap();
        fill(&mut event, &all, &Found { facts: None, ..found });
        assert_eq!((event.gender, event.age, event.age_band), (Gender::Unknown, None, AgeBand::Unknown));
        assert_eq!((event.country.as_str(), event.city, event.latitude), ("CH", None, None));
    }

    #[test]
    fn nobody_is_asked_about_what_is_all_told() {
        let told = Open {
            user_id: Some(Uuid::nil()),
            anonymous_id: None,
            session_id: Some(Uuid::nil()),
            is_start_open: false,
            is_returning_open: false,
            is_gender_open: false,
            is_age_open: false,
            is_place_open: false,
        };
        assert!(!told.is_any_open());
        assert!(Open { anonymous_id: Some(Uuid::nil()), ..told }.is_any_open());
        assert!(Open { session_id: None, ..told }.is_any_open());
        assert!(Open { is_place_open: true, ..told }.is_any_open());
    }
}
