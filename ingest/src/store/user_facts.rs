//! Facts about users, and who belongs together, as senders tell them apart from events.
//!
//! They are known before the events of the same transaction are filled, so that what a request tells holds
//! for all of it.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::admission::Admission;
use contracts::event::Country;
use contracts::record::Text;
use contracts::vocabulary::Gender;
use tokio_postgres::{Client, Error};
use uuid::Uuid;

/// What a sender tells of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserStatement {
    pub user_id: Uuid,
    /// A visitor by a browser or an app who is this user.
    pub anonymous_id: Option<Uuid>,
    /// When it was told: the newest word decides.
    pub at: DateTime<Utc>,
    /// What is known of the user.
    pub facts: UserFacts,
}

/// Facts about a user, as far as they were told and understood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserFacts {
    pub gender: Option<Gender>,
    /// The age in years.
    pub age: Option<i32>,
    /// The day of birth.
    pub born_on: Option<NaiveDate>,
    pub country: Option<Country>,
    pub city: Option<Text<100>>,
    /// When the user registered.
    pub registered_at: Option<DateTime<Utc>>,
}

/// Writes facts down; of erased persons none.
pub(super) async fn tell_facts(
    client: &Client,
    told: &[UserStatement],
    admission: &Admission,
) -> Result<(), Error> {
    let told: Vec<&UserStatement> = told
        .iter()
        .filter(|told| told.facts != UserFacts::default())
        .filter(|told| !admission.is_erased(&told.user_id))
        .filter(|told| told.anonymous_id.is_none_or(|id| !admission.is_erased(&id)))
        .collect();
    if told.is_empty() {
        return Ok(());
    }
    fn column<'a, T>(told: &[&'a UserStatement], value: impl Fn(&'a UserStatement) -> T) -> Vec<T> {
        told.iter().map(|told| value(told)).collect()
    }
    let genders = column(&told, |told| told.facts.gender.map(Gender::as_str));
    let countries = column(&told, |told| told.facts.country.as_ref().map(|country| country.as_str()));
    let cities = column(&told, |told| told.facts.city.as_deref());
    client
        .execute(
            "select raw.tell_facts($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            &[
                &admission.rules,
                &column(&told, |told| told.user_id),
                &genders,
                &column(&told, |told| told.facts.age),
                &column(&told, |told| told.facts.born_on),
                &countries,
                &cities,
                &column(&told, |told| told.facts.registered_at),
                &column(&told, |told| told.at),
            ],
        )
        .await?;
    Ok(())
}
