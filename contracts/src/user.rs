//! A shopper as the streams may know one.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::event::Country;
use crate::record;
use crate::record::Text;
use crate::vocabulary::{AgeBand, Gender};

record! {
    /// What is published of a user. Names, addresses, e-mail, phone, login and picture stay in the `profile`
    /// column of PostgreSQL, which the publication's column list leaves out.
    pub struct User, columns USER: UserColumns {
        /// UUIDv5 of the API's login.uuid.
        user_id: Uuid,
        /// Gender as the source gives it.
        gender: Gender,
        /// Age in years; the API computes it on request, so it moves.
        age: i32,
        /// Band of the age.
        age_band: AgeBand,
        /// Country, ISO 3166 alpha-2.
        country: Country,
        /// City.
        city: Text<100>,
        /// Latitude in degrees, rounded to a tenth.
        latitude: f64,
        /// Longitude in degrees, rounded to a tenth.
        longitude: f64,
        /// When the user registered, by the source.
        registered_at: DateTime<Utc>,
        /// When the user was first stored here.
        ingested_at: DateTime<Utc>,
    }
}

/// The column that holds the API's record without credentials; it never leaves PostgreSQL.
pub const PROFILE_COLUMN: &str = "profile";

/// Rounds a coordinate to a tenth of a degree, about 11 km: coarse enough to name no household.
#[must_use]
pub fn coarse_degrees(degrees: f64) -> f64 {
    let tenths = (degrees * 10.0).round();
    // Adding zero turns -0.0 into 0.0, so that equal places have equal bytes.
    tenths / 10.0 + 0.0
}
