//! A shop with a PostgreSQL, a mapping and files.

pub(crate) mod files;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use contracts::migrations::MIGRATIONS;
use history::{HistoryError, Mapping, Progress, Replayed, Shop, replay};
use ingest::clock::Clock;
use ingest::rates;
use ingest::store::Store;
use stack::{Isolated, Service, Silent};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};
use tokio_util::sync::CancellationToken;

/// Long after every row of the files.
pub(crate) const NOW: &str = "2026-05-01T00:00:00Z";

pub(crate) const MAPPING: &str = r#"
source = "acme"
timezone = "Europe/Berlin"
[fields]
event_name = { column = "type", values = { pageview = "view_item", order = "purchase" } }
occurred_at = { column = "at", format = "%d.%m.%Y %H:%M:%S%.f" }
session_started_at = { column = "at", format = "%d.%m.%Y %H:%M:%S%.f" }
user_id = "customer"
session_id = { columns = ["customer", "visit"] }
gender = { value = "other" }
age = { column = "age", default = 30 }
country = { value = "DE" }
city = { value = "Köln" }
latitude = { value = 50.94 }
longitude = { value = 6.96 }
returning = { value = false }
device = { value = "desktop" }
channel = { value = "direct" }
item_id = "sku"
item_name = "sku"
category = { value = "lamps" }
price = "price"
currency = { value = "EUR" }
quantity = { column = "quantity", default = 1 }
order_id = "order"
order_line = { value = 1 }
order_lines = { value = 1 }
"#;

/// The same, by an id that the files hold.
pub(crate) fn with_id() -> String {
    MAPPING.replace("[fields]", "[fields]\nevent_id = \"id\"")
}

pub(crate) struct Scene {
    pub(crate) pg_url: String,
    pub(crate) pg: Client,
    folder: TempDir,
    /// Ends with the scene.
    _stack: Isolated,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        let stack = stack::isolated(&[Service::Postgres], Arc::new(Silent)).await.unwrap();
        let pg_url = stack.variable("PG_URL").unwrap().unwrap();
        let (pg, connection) = tokio_postgres::connect(&pg_url, NoTls).await.unwrap();
        tokio::spawn(connection);
        for migration in MIGRATIONS {
            pg.batch_execute(migration.sql).await.unwrap();
        }
        Self { pg_url, pg, folder: tempfile::tempdir().unwrap(), _stack: stack }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) async fn replay(&self, path: &Path, mapping: &str) -> Result<Replayed, HistoryError> {
        replay_into(&self.pg_url, path, mapping, false, &CancellationToken::new(), &mut |_| {}).await
    }

    pub(crate) async fn count(&self, sql: &str) -> i64 {
        self.pg.query_one(sql, &[]).await.unwrap().get(0)
    }

    pub(crate) async fn events(&self) -> i64 {
        self.count("select count(*) from raw.events").await
    }

    /// Panics unless the ledger says what the tables hold.
    pub(crate) async fn assert_ledger_balances(&self) {
        let off = "select count(*) from (select sum(records_in) i, sum(records_out) o, sum(repeated) r, sum(quarantined) q
                       from ops.ledger where stage = 'ingest') l
                   where i <> o + r + q or o <> (select count(*) from raw.events)
                      or q <> (select count(*) from raw.quarantine)";
        assert_eq!(self.count(off).await, 0, "the ledger is off");
    }
}

pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub(crate) fn shop(mapping: &str) -> Arc<Shop> {
    let mapping = Mapping::parse(mapping).unwrap();
    let source = mapping.source(None).unwrap();
    Arc::new(Shop { mapping, source, rates: rates::built_in(), floor: None })
}

/// Replays with a store of its own.
pub(crate) async fn replay_into(
    pg_url: &str,
    path: &Path,
    mapping: &str,
    again: bool,
    cancel: &CancellationToken,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Replayed, HistoryError> {
    let mut store = Store::connect(pg_url).await.unwrap();
    let clock = Clock::starting_at(at(NOW));
    replay(path, &shop(mapping), again, &mut store, &clock, cancel, progress).await
}
