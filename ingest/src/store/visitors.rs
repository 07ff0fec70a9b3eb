//! Whose an event is, to which visit it belongs, and what is known of its user, where its sender does not
//! tell: one call of PostgreSQL for all events of a transaction, before they are rows.
//!
//! `raw.resolve_visitors` decides under locks and keeps what it decided, so that two writers at once decide
//! the same and whoever asks again hears the same. It is a transaction of its own: where the events are not
//! stored afterwards, their visits are known all the same.

use std::fmt::Display;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use contracts::admission::Admission;
use contracts::validation::Accepted;
use contracts::visitor::{Facts, Found, Open, Visited};
use tokio_postgres::{Client, Error, Row};
use uuid::Uuid;

use super::admission::before_floor;
use super::connection::Store;
use super::error::StoreError;
use super::user_facts::{self, UserStatement};
use super::users::parsed;

const RESOLVE: &str =
    "select visitor, session, began, came_before, gender, age, country, city, latitude, longitude
    from raw.resolve_visitors($1, $2, $3, $4, $5, $6) with ordinality
        told (visitor, session, began, came_before, gender, age, country, city, latitude, longitude, place)
    order by place";

/// What is asked about each of several events, column by column.
#[derive(Debug, Default, PartialEq)]
struct Questions {
    /// Which of the events they are about.
    places: Vec<usize>,
    user_ids: Vec<Option<Uuid>>,
    anonymous_ids: Vec<Option<Uuid>>,
    told_ids: Vec<Option<Uuid>>,
    times: Vec<DateTime<Utc>>,
    of_visit: Vec<bool>,
}

impl Questions {
    /// Nothing is asked, and so kept, about what is not let in: it stays as it is, which is refused later.
    fn of<'a>(events: impl Iterator<Item = (&'a Open, DateTime<Utc>)>, admission: &Admission) -> Self {
        let mut questions = Self::default();
        for (place, (open, occurred_at)) in events.enumerate() {
            let anonymous_id = open.anonymous_id.filter(|id| !admission.is_erased(id));
            let is_nobodys = open.user_id.or(anonymous_id).is_none();
            let is_of_erased = open.user_id.is_some_and(|id| admission.is_erased(&id));
            if is_nobodys || is_of_erased || before_floor(admission, occurred_at).is_err() {
                continue;
            }
            questions.places.push(place);
            questions.user_ids.push(open.user_id);
            questions.anonymous_ids.push(anonymous_id);
            questions.told_ids.push(open.session_id);
            questions.times.push(occurred_at);
            questions.of_visit.push(open.is_visit_open());
        }
        questions
    }

    /// Asks nothing, and tells who belongs together; behind all that is asked.
    fn link(&mut self, told: &[UserStatement], admission: &Admission) {
        for UserStatement { user_id, anonymous_id, at, .. } in told {
            let ids = [Some(*user_id), *anonymous_id];
            let is_of_erased = ids.into_iter().flatten().any(|id| admission.is_erased(&id));
            if anonymous_id.is_none() || is_of_erased || before_floor(admission, *at).is_err() {
                continue;
            }
            self.user_ids.push(Some(*user_id));
            self.anonymous_ids.push(*anonymous_id);
            self.told_ids.push(None);
            self.times.push(*at);
            self.of_visit.push(false);
        }
    }

    async fn ask(&self, client: &Client, rules: &str) -> Result<Vec<Row>, Error> {
        if self.times.is_empty() {
            return Ok(Vec::new());
        }
        let Self { user_ids, anonymous_ids, told_ids, times, of_visit, .. } = self;
        client.query(RESOLVE, &[&rules, user_ids, anonymous_ids, told_ids, times, of_visit]).await
    }
}

impl Store {
    /// Fills what is open of events; afterwards nothing is.
    ///
    /// # Errors
    /// When PostgreSQL stays away or refuses.
    pub(super) async fn tell_open<'a>(
        &mut self,
        events: impl Iterator<Item = &'a mut Accepted>,
        told: &[UserStatement],
    ) -> Result<(), StoreError> {
        let mut events: Vec<&mut Accepted> = events.filter(|accepted| accepted.open.is_some()).collect();
        if events.is_empty() && told.is_empty() {
            return Ok(());
        }
        let asked: Vec<(Open, DateTime<Utc>)> = events
            .iter()
            .filter_map(|accepted| Some((**accepted.open.as_ref()?, accepted.event.occurred_at)))
            .collect();
        let (places, rows) = self
            .admitted("tell visitors and visits", async |client, admission| {
                user_facts::tell_facts(client, told, admission).await?;
                let mut questions = Questions::of(asked.iter().map(|(open, at)| (open, *at)), admission);
                questions.link(told, admission);
                let rows = questions.ask(client, &admission.rules).await?;
                Ok((questions.places, rows))
            })
            .await?;
        for (place, row) in places.into_iter().zip(&rows) {
            events[place].fill(&found(row)?);
        }
        // About the others nothing was asked.
        events.iter_mut().for_each(|accepted| accepted.open = None);
        Ok(())
    }
}

fn found(row: &Row) -> Result<Found, StoreError> {
    let session_id: Option<Uuid> = row.get("session");
    let visit = session_id.map(|session_id| Visited {
        session_id,
        started_at: row.get("began"),
        returning: row.get("came_before"),
    });
    let facts = Facts {
        gender: known(row, "gender")?,
        age: row.get("age"),
        country: known(row, "country")?,
        city: known(row, "city")?,
        latitude: row.get("latitude"),
        longitude: row.get("longitude"),
    };
    Ok(Found { visitor_id: row.get("visitor"), visit, facts: Some(facts) })
}

/// A text of a user's row, where it is known.
fn known<T: FromStr<Err: Display>>(row: &Row, column: &'static str) -> Result<Option<T>, StoreError> {
    row.get::<_, Option<&str>>(column).map(|_| parsed(row, column)).transpose()
}

#[cfg(test)]
mod tests {
    use contracts::admission::user_hash;

    use super::*;

    const OPEN: Open = Open {
        user_id: None,
        anonymous_id: None,
        session_id: None,
        is_start_open: true,
        is_returning_open: true,
        is_gender_open: true,
        is_age_open: true,
        is_place_open: true,
    };

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn asked(open: &[Open], admission: &Admission) -> Questions {
        let noon = at("2026-03-01T12:00:00Z");
        Questions::of(open.iter().map(|open| (open, noon)), admission)
    }

    #[test]
    fn nothing_is_asked_of_who_was_erased() {
        let [erased, user, browser] = [1, 2, 3].map(Uuid::from_u128);
        let key = vec![7; 32];
        let hashes = vec![user_hash(&key, &erased)];
        let admission = Admission::new("/1".to_owned(), None, hashes, Some(key));
        let told = [
            Open { user_id: Some(erased), anonymous_id: Some(browser), ..OPEN },
            Open { anonymous_id: Some(erased), ..OPEN },
            Open { user_id: Some(user), anonymous_id: Some(erased), ..OPEN },
            Open { anonymous_id: Some(browser), session_id: Some(erased), ..OPEN },
        ];
        let questions = asked(&told, &admission);
        assert_eq!(questions.places, [2, 3]);
        assert_eq!(questions.user_ids, [Some(user), None]);
        // The browser of somebody who was erased is linked with nobody.
        assert_eq!(questions.anonymous_ids, [None, Some(browser)]);
        assert_eq!(questions.told_ids, [None, Some(erased)]);
    }

    #[test]
    fn nothing_is_asked_of_what_is_before_the_floor() {
        let told = [Open { user_id: Some(Uuid::nil()), ..OPEN }];
        let admission = |floor: &str| Admission::new(String::new(), Some(at(floor)), Vec::new(), None);
        assert_eq!(asked(&told, &admission("2026-03-01T12:00:00Z")).places, [0]);
        assert_eq!(asked(&told, &admission("2026-03-02T00:00:00Z")), Questions::default());
    }
}
