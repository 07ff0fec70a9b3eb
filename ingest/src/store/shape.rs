//! What stored users look like, taken together: for whoever judges a load without seeing anybody.

use serde::Serialize;
use uuid::Uuid;

use super::connection::Store;
use super::error::StoreError;

/// Figures over some users, none of which tells who they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct UsersShape {
    /// How many of them are stored.
    pub users: i64,
    /// With an empty city, gender, age band or profile.
    pub empty: i64,
    /// Not between 1 and 120 years old.
    pub impossible_ages: i64,
    /// With a country that is no ISO 3166 alpha-2 code.
    pub malformed_countries: i64,
    /// With coordinates that no place has.
    pub off_the_globe: i64,
    /// Registered after they were stored.
    pub registered_later: i64,
    /// Where most are from.
    pub largest_country: Option<String>,
    /// How many these are.
    pub of_largest_country: i64,
}

const SHAPE: &str = "with wanted as (select * from raw.users where user_id = any($1)),
    largest as (select country, count(*) as users from wanted group by country order by 2 desc, 1 limit 1)
select count(*),
    count(*) filter (where city = '' or gender = '' or age_band = '' or profile = '{}'),
    count(*) filter (where age not between 1 and 120),
    count(*) filter (where country !~ '^[A-Z]{2}$'),
    count(*) filter (where abs(latitude) > 90 or abs(longitude) > 180),
    count(*) filter (where registered_at > ingested_at),
    (select country from largest),
    coalesce((select users from largest), 0)
from wanted";

impl Store {
    /// What the users with these ids look like, as they are stored now.
    ///
    /// # Errors
    /// When PostgreSQL stays away or refuses.
    pub async fn users_shape(&mut self, user_ids: &[Uuid]) -> Result<UsersShape, StoreError> {
        let row = self
            .repeatable("look at users", async |client| client.query_one(SHAPE, &[&user_ids]).await)
            .await?;
        Ok(UsersShape {
            users: row.get(0),
            empty: row.get(1),
            impossible_ages: row.get(2),
            malformed_countries: row.get(3),
            off_the_globe: row.get(4),
            registered_later: row.get(5),
            largest_country: row.get(6),
            of_largest_country: row.get(7),
        })
    }
}
