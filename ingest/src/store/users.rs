use std::collections::BTreeMap;
use std::str::FromStr;

use contracts::admission::{Admission, Erased};
use contracts::{Reason, User};
use tokio_postgres::{Client, Row};
use uuid::Uuid;

use super::admission;
use super::connection::Store;
use super::error::StoreError;
use super::quarantine::SetAside;
use crate::source::randomuser;

/// The most users in one statement: a page of the API at its largest.
const MAX_USERS_PER_COMMIT: usize = 5_000;

/// A user with the personal data that stays in PostgreSQL.
#[derive(Debug, Clone, PartialEq)]
pub struct UserRecord {
    /// What is published.
    pub user: User,
    /// The source's record without credentials.
    pub profile: serde_json::Value,
}

/// What became of the users handed in: each is one of these.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Upserted {
    /// New.
    pub inserted: u64,
    /// There, and something published or the profile was different.
    pub updated: u64,
    /// There and the same; no row was written, so nothing is published again.
    pub unchanged: u64,
    /// More than once among those handed in; the last one counted.
    pub repeated: u64,
    /// Of erased persons, and set aside.
    pub refused: u64,
}

impl std::ops::AddAssign for Upserted {
    fn add_assign(&mut self, other: Self) {
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.repeated += other.repeated;
        self.refused += other.refused;
    }
}

// `ingested_at` says when a user was first stored and is not touched by an update.
const UPSERT: &str = "insert into raw.users as stored
    (user_id, gender, age, age_band, country, city, latitude, longitude, registered_at, ingested_at, profile)
select r.* from raw.admit($12) admission (holds), unnest($1::uuid[], $2::text[], $3::int[], $4::text[], $5::text[], $6::text[], $7::float8[],
                     $8::float8[], $9::timestamptz[], $10::timestamptz[], $11::jsonb[]) r where admission.holds
on conflict (user_id) do update set
    gender = excluded.gender, age = excluded.age, age_band = excluded.age_band, country = excluded.country,
    city = excluded.city, latitude = excluded.latitude, longitude = excluded.longitude,
    registered_at = excluded.registered_at, profile = excluded.profile
where (stored.gender, stored.age, stored.age_band, stored.country, stored.city, stored.latitude,
       stored.longitude, stored.registered_at, stored.profile)
    is distinct from (excluded.gender, excluded.age, excluded.age_band, excluded.country, excluded.city,
       excluded.latitude, excluded.longitude, excluded.registered_at, excluded.profile)
returning stored.xmax = 0";

impl Store {
    /// Commits users, in transactions of at most 5,000. Handing in the same users again writes nothing.
    ///
    /// When the connection dies in a commit the statement runs again, and users whom the first run had stored
    /// then count as unchanged.
    ///
    /// # Errors
    /// When PostgreSQL stays away or refuses; sending the users again is safe.
    pub async fn upsert_users(&mut self, users: &[UserRecord]) -> Result<Upserted, StoreError> {
        // One statement may not touch a row twice; the order of ids keeps two writers from a deadlock.
        let distinct: BTreeMap<Uuid, &UserRecord> =
            users.iter().map(|record| (record.user.user_id, record)).collect();
        let mut total = Upserted { repeated: (users.len() - distinct.len()) as u64, ..Upserted::default() };
        let records: Vec<&UserRecord> = distinct.into_values().collect();
        for chunk in records.chunks(MAX_USERS_PER_COMMIT) {
            total += self.upsert_chunk(chunk).await?;
        }
        Ok(total)
    }

    async fn upsert_chunk(&mut self, records: &[&UserRecord]) -> Result<Upserted, StoreError> {
        let upsert = async |client: &mut Client, admission: &Admission| {
            let mut taken: Vec<&UserRecord> = Vec::with_capacity(records.len());
            let mut refused = Vec::new();
            for &record in records {
                match &admission.erased {
                    Some(erased) if erased.contains(&record.user.user_id) => {
                        refused.push(set_aside(record, erased));
                    }
                    _ => taken.push(record),
                }
            }
            let written = upsert(client, &taken, &admission.rules).await?;
            Ok((taken.len() as u64, refused, written))
        };
        let (taken, set_aside, (inserted, written)) = self.admitted("take users", upsert).await?;
        self.quarantine(&set_aside).await?;
        Ok(Upserted {
            inserted,
            updated: written - inserted,
            unchanged: taken - written,
            repeated: 0,
            refused: set_aside.len() as u64,
        })
    }

    /// Every user, by id: the same database gives the same list.
    ///
    /// # Errors
    /// When PostgreSQL stays away or refuses, or a row breaks the contract.
    pub async fn users(&mut self) -> Result<Vec<User>, StoreError> {
        let sql = format!("select {} from raw.users order by user_id", User::column_list());
        let rows = self.repeatable("list users", async |client| client.query(&sql, &[]).await).await?;
        rows.iter().map(read_user).collect()
    }
}

/// Writes users; how many are new, and how many rows were written.
async fn upsert(
    client: &Client,
    records: &[&UserRecord],
    rules: &str,
) -> Result<(u64, u64), tokio_postgres::Error> {
    fn column<'a, T>(records: &[&'a UserRecord], value: impl Fn(&'a UserRecord) -> T) -> Vec<T> {
        records.iter().map(|record| value(record)).collect()
    }
    let user_ids = column(records, |r| r.user.user_id);
    let genders = column(records, |r| r.user.gender.as_str());
    let ages = column(records, |r| r.user.age);
    let age_bands = column(records, |r| r.user.age_band.as_str());
    let countries = column(records, |r| r.user.country.as_str());
    let cities = column(records, |r| r.user.city.as_str());
    let latitudes = column(records, |r| r.user.latitude);
    let longitudes = column(records, |r| r.user.longitude);
    let registered = column(records, |r| r.user.registered_at);
    let ingested = column(records, |r| r.user.ingested_at);
    let profiles = column(records, |r| &r.profile);
    let written = client
        .query(
            UPSERT,
            &[
                &user_ids,
                &genders,
                &ages,
                &age_bands,
                &countries,
                &cities,
                &latitudes,
                &longitudes,
                &registered,
                &ingested,
                &profiles,
                &rules,
            ],
        )
        .await?;
    let inserted = written.iter().filter(|row| row.get(0)).count() as u64;
    Ok((inserted, written.len() as u64))
}

/// That somebody came who was erased: neither who nor what.
fn set_aside(record: &UserRecord, erased: &Erased) -> SetAside {
    SetAside {
        source: randomuser::SOURCE.to_owned(),
        coordinates: format!("erased/{}", erased.alias(&record.user.user_id)),
        reason: Reason::Erased,
        detail: admission::erased().to_string(),
        payload: Vec::new(),
        user_id: None,
        quarantined_at: record.user.ingested_at,
    }
}

/// A text of a user's row as what it is by the contract.
pub(super) fn parsed<T: FromStr<Err: std::fmt::Display>>(
    row: &Row,
    column: &'static str,
) -> Result<T, StoreError> {
    let text: &str = row.get(column);
    text.parse().map_err(|error: T::Err| StoreError::BadRow {
        table: "raw.users",
        column,
        detail: error.to_string(),
    })
}

fn read_user(row: &Row) -> Result<User, StoreError> {
    Ok(User {
        user_id: row.get("user_id"),
        gender: parsed(row, "gender")?,
        age: row.get("age"),
        age_band: parsed(row, "age_band")?,
        country: parsed(row, "country")?,
        city: parsed(row, "city")?,
        latitude: row.get("latitude"),
        longitude: row.get("longitude"),
        registered_at: row.get("registered_at"),
        ingested_at: row.get("ingested_at"),
    })
}
