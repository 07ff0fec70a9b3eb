//! One line of a shopper's behaviour.

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use crate::ids;
use crate::record;
use crate::record::{Code, Fixed, Text};
use crate::vocabulary::{AgeBand, Channel, Device, EventName, Gender};

/// A price in the shop's currency.
pub type Price = Fixed<12, 2>;
/// An amount in the base currency.
pub type Amount = Fixed<14, 2>;
/// How many units of the base currency one unit of the line's currency is worth.
pub type Rate = Fixed<18, 8>;
/// A country, ISO 3166 alpha-2.
pub type Country = Code<2>;
/// Stands where the country is not known: a code that ISO 3166 leaves to its users, so that it is no
/// country's.
pub const UNKNOWN_COUNTRY: Country = Country::constant(*b"ZZ");
/// A currency, ISO 4217.
pub type Currency = Code<3>;

record! {
    /// One line of a shopper's behaviour, validated and with its money converted: what PostgreSQL keeps, the
    /// relay publishes and Spark reads. It holds no personal data beyond coarse demographics.
    pub struct Event, columns EVENT: EventColumns {
        /// UUIDv7 of the time of the event; the key on which repeats are recognised.
        event_id: Uuid,
        /// What the shopper did.
        event_name: EventName,
        /// When it happened, by the shopper's clock.
        occurred_at: DateTime<Utc>,
        /// When it was accepted here; on time means close to occurred_at.
        ingested_at: DateTime<Utc>,
        /// Who did it: the user's id, or that of a visitor who is no known user; UUIDv5 of the source's own.
        user_id: Uuid,
        /// The visit it belongs to.
        session_id: Uuid,
        /// When that visit began.
        session_started_at: DateTime<Utc>,
        /// Whether the shopper had visited before.
        returning: bool,
        /// Gender as the source gives it, or unknown.
        gender: Gender,
        /// Age in years, where it is known.
        age: Option<i32>,
        /// Band of the age, or unknown.
        age_band: AgeBand,
        /// Country, ISO 3166 alpha-2; ZZ where it is not known.
        country: Country,
        /// City, where it is known.
        city: Option<Text<100>>,
        /// Latitude in degrees, rounded to a tenth, where it is known.
        latitude: Option<f64>,
        /// Longitude in degrees, rounded to a tenth, where it is known.
        longitude: Option<f64>,
        /// What the shopper used, or unknown.
        device: Device,
        /// What brought the shopper here, or unknown.
        channel: Channel,
        /// The product, where the event is about one.
        item_id: Option<Text<64>>,
        /// Its name.
        item_name: Option<Text<200>>,
        /// Its category.
        category: Option<Text<64>>,
        /// Its brand.
        brand: Option<Text<64>>,
        /// Price of one unit in the line's currency.
        price: Option<Price>,
        /// Currency of the price, ISO 4217.
        currency: Option<Currency>,
        /// Units.
        quantity: Option<i32>,
        /// Price times quantity in the base currency, rounded half up, converted once.
        amount_base: Option<Amount>,
        /// Units of the base currency for one unit of the currency.
        rate: Option<Rate>,
        /// The day the rate is of.
        rate_date: Option<NaiveDate>,
        /// The order, for purchases and refunds.
        order_id: Option<Text<64>>,
        /// Which line of the order this is, from 1.
        order_line: Option<i32>,
        /// How many lines the order has.
        order_lines: Option<i32>,
        /// How it was paid.
        payment_type: Option<Text<32>>,
    }
}

impl Event {
    /// An event of nobody in particular that is about nothing, on time: a test sets the fields that it is
    /// about.
    ///
    /// # Panics
    /// Never: its texts are within their rules.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "its texts are constants, and every test that begins from it would show one that is not"
    )]
    pub fn sample(occurred_at: DateTime<Utc>) -> Self {
        const VALID: &str = "the text is within its rule";
        Self {
            event_id: ids::v7(occurred_at, [0; 10]),
            event_name: EventName::SessionStart,
            occurred_at,
            ingested_at: occurred_at,
            user_id: Uuid::nil(),
            session_id: Uuid::nil(),
            session_started_at: occurred_at,
            returning: false,
            gender: Gender::Other,
            age: Some(33),
            age_band: AgeBand::of(33),
            country: "DE".parse().expect(VALID),
            city: Some("Köln".parse().expect(VALID)),
            latitude: Some(50.9),
            longitude: Some(6.9),
            device: Device::Mobile,
            channel: Channel::Direct,
            item_id: None,
            item_name: None,
            category: None,
            brand: None,
            price: None,
            currency: None,
            quantity: None,
            amount_base: None,
            rate: None,
            rate_date: None,
            order_id: None,
            order_line: None,
            order_lines: None,
            payment_type: None,
        }
    }
}
