//! A database for one test, on the warm stack.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::migrations::MIGRATIONS;
use contracts::user::coarse_degrees;
use contracts::vocabulary::{AgeBand, Channel, Device, EventName, Gender};
use contracts::{Event, User, ids};
use ingest::store::{Store, UserRecord};
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

pub(crate) struct Database {
    pub url: String,
    /// A connection beside the store's, for looking.
    pub client: Client,
    admin: Client,
    name: String,
}

/// Runs a test in an empty, migrated database and drops it after, also where the test panics.
pub(crate) async fn with_database(test: impl AsyncFnOnce(&Database)) {
    let stack = stack::shared(Arc::new(stack::Silent)).await.unwrap();
    let server = stack.variable("PG_URL").unwrap().unwrap();
    let database = Database::create(&server).await;
    let outcome = futures::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(test(&database))).await;
    let drop = format!("drop database {} with (force)", database.name);
    let dropped = database.admin.batch_execute(&drop).await;
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
    dropped.unwrap();
}

impl Database {
    pub(crate) async fn create(server_url: &str) -> Self {
        let name = format!("t_{:012x}", Uuid::now_v7().as_u128() & 0xffff_ffff_ffff);
        let (stem, _) = server_url.rsplit_once('/').unwrap();
        let url = format!("{stem}/{name}");
        let admin = connect(server_url).await;
        admin.batch_execute(&format!("create database {name}")).await.unwrap();
        let client = connect(&url).await;
        for migration in MIGRATIONS {
            client.batch_execute(migration.sql).await.unwrap();
        }
        Self { url, client, admin, name }
    }

    pub(crate) async fn store(&self) -> Store {
        Store::connect(&self.url).await.unwrap()
    }

    /// What the ledger says was handed in, committed, repeated and set aside; each minute of it is what
    /// stands in the tables, and balances.
    pub(crate) async fn ledger(&self) -> [i64; 4] {
        let off = "with counted as (
                select minute, sum(records_in) as records_in, sum(records_out) as records_out,
                       sum(repeated) as repeated, sum(quarantined) as quarantined
                from ops.ledger where stage = 'ingest' group by 1
            ), stored as (select date_trunc('minute', ingested_at, 'UTC') as minute, count(*) as n from raw.events group by 1),
            aside as (select date_trunc('minute', quarantined_at, 'UTC') as minute, count(*) as n from raw.quarantine group by 1)
            select count(*) from counted full join stored using (minute) full join aside using (minute)
            where coalesce(records_out, 0) <> coalesce(stored.n, 0) or coalesce(quarantined, 0) <> coalesce(aside.n, 0)
               or records_in <> records_out + repeated + quarantined";
        assert_eq!(self.count(off).await, 0, "minutes of the ledger that are off");
        let total = "select coalesce(sum(records_in), 0)::bigint, coalesce(sum(records_out), 0)::bigint,
                            coalesce(sum(repeated), 0)::bigint, coalesce(sum(quarantined), 0)::bigint from ops.ledger";
        let row = self.client.query_one(total, &[]).await.unwrap();
        [0, 1, 2, 3].map(|column| row.get(column))
    }

    pub(crate) async fn count(&self, sql: &str) -> i64 {
        self.client.query_one(sql, &[]).await.unwrap().get(0)
    }
}

pub(crate) async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Distinct events, a ms apart.
pub(crate) fn events(count: usize, from: DateTime<Utc>) -> Vec<Event> {
    (0..count).map(|index| event(index, from + TimeDelta::milliseconds(index as i64))).collect()
}

fn event(index: usize, occurred_at: DateTime<Utc>) -> Event {
    let mut bits = [0; 10];
    bits[2..].copy_from_slice(&(index as u64).to_be_bytes());
    Event {
        event_id: ids::v7(occurred_at, bits),
        event_name: EventName::SessionStart,
        occurred_at,
        ingested_at: occurred_at + TimeDelta::milliseconds(5),
        user_id: Uuid::from_u128(index as u128),
        session_id: ids::v7(occurred_at, bits),
        session_started_at: occurred_at,
        returning: index.is_multiple_of(2),
        gender: Gender::Female,
        age: Some(30),
        age_band: AgeBand::of(30),
        country: "DE".parse().unwrap(),
        city: Some("Köln".parse().unwrap()),
        latitude: Some(-0.1),
        longitude: Some(179.9),
        device: Device::Mobile,
        channel: Channel::Direct,
        ..Event::sample(occurred_at)
    }
}

/// Users of several countries and ages.
pub(crate) fn users(count: u32) -> Vec<UserRecord> {
    let countries = ["DE", "US", "GB", "FR", "CH", "BR", "IN", "IR"];
    (0..count)
        .map(|index| {
            let age = 18 + i32::try_from(index % 60).unwrap();
            UserRecord {
                user: User {
                    user_id: ids::user_id(&Uuid::from_u128(u128::from(index))),
                    gender: if index.is_multiple_of(2) { Gender::Female } else { Gender::Male },
                    age,
                    age_band: AgeBand::of(age),
                    country: countries[index as usize % countries.len()].parse().unwrap(),
                    city: format!("City {}", index % 17).parse().unwrap(),
                    latitude: coarse_degrees(f64::from(index % 90)),
                    longitude: coarse_degrees(-f64::from(index % 180)),
                    registered_at: at("2015-05-05T05:05:05Z"),
                    ingested_at: at("2026-03-01T00:00:00Z"),
                },
                profile: serde_json::json!({ "email": format!("user{index}@example.com") }),
            }
        })
        .collect()
}
