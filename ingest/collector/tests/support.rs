//! A collector for one test, with a database of its own on a PostgreSQL that the tests of this binary share.

pub(crate) mod child;
pub(crate) mod mmdb;
pub(crate) mod operated;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use chrono::{DateTime, Utc};
use collector::place::Country;
use collector::proto::collector_client::CollectorClient;
use collector::proto::{CollectRequest, Event};
use collector::{CollectorConfig, CollectorError, Hooks, KeyFile, Keys, Limits, keys};
use contracts::ids;
use contracts::migrations::MIGRATIONS;
use ingest::clock::Clock;
use serde_json::{Value, json};
use stack::{Isolated, Service, Silent};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls};
use tokio_util::sync::CancellationToken;
use tonic::Request;
use tonic::transport::{Channel, Endpoint};
use uuid::Uuid;

pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A collector needs PostgreSQL alone, which starts in seconds. It ends with the last test that holds it.
static POSTGRES: Mutex<Weak<Isolated>> = Mutex::const_new(Weak::new());

pub(crate) async fn postgres() -> Arc<Isolated> {
    let mut shared = POSTGRES.lock().await;
    if let Some(stack) = shared.upgrade() {
        return stack;
    }
    let stack = Arc::new(stack::isolated(&[Service::Postgres], Arc::new(Silent)).await.unwrap());
    *shared = Arc::downgrade(&stack);
    stack
}

/// A database and whoever may send into it.
pub(crate) struct Scene {
    pub(crate) url: String,
    /// A connection for looking.
    pub(crate) client: Client,
    /// The API key, and the line by which a collector knows it.
    pub(crate) key: keys::NewKey,
    pub(crate) http: reqwest::Client,
    _postgres: Postgres,
}

/// Whose PostgreSQL a scene is on.
enum Postgres {
    /// That of this binary's tests, which ends with them.
    Own { _stack: Arc<Isolated> },
    /// That of the warm stack, on which the scene leaves nothing.
    Warm { server: String, database: String },
}

impl Drop for Postgres {
    /// Also where the test failed.
    fn drop(&mut self) {
        let Self::Warm { server, database } = self else { return };
        let (server, drop) = (server.clone(), format!("drop database {database} with (force)"));
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async { connect(&server).await.batch_execute(&drop).await.unwrap() });
        });
        if dropped.join().is_err() && !std::thread::panicking() {
            panic!("the scene's database was not dropped");
        }
    }
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::limited(None).await
    }

    /// With a key of so many events a second.
    pub(crate) async fn limited(events_per_s: Option<u32>) -> Self {
        Self::on(postgres().await, events_per_s).await
    }

    pub(crate) async fn on(postgres: Arc<Isolated>, events_per_s: Option<u32>) -> Self {
        let server = postgres.variable("PG_URL").unwrap().unwrap();
        let name = database_name();
        Self::in_database(&server, &name, Postgres::Own { _stack: postgres }, events_per_s).await
    }

    /// On the warm stack, for tests that neither stop PostgreSQL nor count what else it does.
    pub(crate) async fn on_warm_stack() -> Self {
        let stack = stack::shared(Arc::new(Silent)).await.unwrap();
        let server = stack.variable("PG_URL").unwrap().unwrap();
        let name = database_name();
        let postgres = Postgres::Warm { server: server.clone(), database: name.clone() };
        Self::in_database(&server, &name, postgres, None).await
    }

    async fn in_database(server: &str, name: &str, postgres: Postgres, events_per_s: Option<u32>) -> Self {
        let url = provision::create_database(server, name).await.unwrap();
        let client = connect(&url).await;
        for migration in MIGRATIONS {
            client.batch_execute(migration.sql).await.unwrap();
        }
        let key = keys::new_key("web", events_per_s).unwrap();
        // Asked for by reqwest, although nothing here speaks TLS; the second one that installs it is refused.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { url, client, key, http: reqwest::Client::new(), _postgres: postgres }
    }

    pub(crate) fn config(&self, limits: Limits) -> CollectorConfig {
        config(&self.url, &self.key.line, limits)
    }

    /// Starts a collector with the limits that a collector has.
    pub(crate) async fn collector(&self) -> Collector {
        self.collector_of(Limits::default()).await
    }

    pub(crate) async fn collector_of(&self, limits: Limits) -> Collector {
        self.collector_with(self.config(limits)).await
    }

    /// With other keys than the scene's.
    pub(crate) async fn collector_for(&self, keys: &[&keys::NewKey]) -> Collector {
        let lines: Vec<&str> = keys.iter().map(|key| key.line.as_str()).collect();
        self.collector_with(config(&self.url, &lines.join("\n"), Limits::default())).await
    }

    /// With keys that are those of a file, which is looked at so often.
    pub(crate) async fn collector_by(&self, file: &Path, every: Duration) -> Collector {
        let (keys, key_file) = KeyFile::open(file).unwrap();
        let key_file = key_file.map(|file| file.every(every));
        assert!(key_file.is_some());
        self.collector_with(CollectorConfig { keys, key_file, ..self.config(Limits::default()) }).await
    }

    pub(crate) async fn collector_with(&self, config: CollectorConfig) -> Collector {
        let running = collector::start(config).await.unwrap();
        let (http, grpc) = (running.http, running.grpc);
        let cancel = CancellationToken::new();
        let stopped = cancel.clone();
        let task = tokio::spawn(async move { running.until(&stopped).await });
        Collector { http, grpc, cancel, task }
    }

    /// Posts a batch; status and answer.
    pub(crate) async fn post(&self, to: &Collector, events: &[Value]) -> (u16, Value) {
        let body = json!({ "events": events }).to_string();
        let response = self.request(to, body).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    pub(crate) fn request(&self, to: &Collector, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
        self.http
            .post(format!("http://{}/v1/events", to.http))
            .bearer_auth(&self.key.key)
            .header("content-type", "application/json")
            .body(body)
    }

    /// A request of gRPC with the scene's key.
    pub(crate) fn call<T>(&self, message: T) -> Request<T> {
        with_key(&self.key.key, message)
    }

    pub(crate) async fn count(&self, sql: &str) -> i64 {
        self.client.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// Returns once the collector waits for a lock, which whoever calls this holds.
    pub(crate) async fn until_a_commit_waits(&self) {
        let waiting = "select count(*) from pg_locks join pg_database d on d.oid = database
                       where not granted and d.datname = current_database()";
        while self.count(waiting).await == 0 {
            tokio::task::yield_now().await;
        }
    }

    /// What the ledger says was handed in, committed, repeated and set aside; it balances with the tables.
    pub(crate) async fn ledger(&self) -> [i64; 4] {
        let sql = "select coalesce(sum(records_in), 0)::bigint, coalesce(sum(records_out), 0)::bigint,
                          coalesce(sum(repeated), 0)::bigint, coalesce(sum(quarantined), 0)::bigint,
                          coalesce(sum(other), 0)::bigint
                   from ops.ledger where stage = 'ingest'";
        let row = self.client.query_one(sql, &[]).await.unwrap();
        let counts: [i64; 4] = [0, 1, 2, 3].map(|column| row.get(column));
        let other: i64 = row.get(4);
        assert_eq!(counts[0], counts[1] + counts[2] + counts[3] + other);
        assert_eq!(other, self.count("select count(*) from raw.other_events").await);
        assert_eq!(counts[1], self.count("select count(*) from raw.events").await);
        assert_eq!(counts[3], self.count("select count(*) from raw.quarantine").await);
        counts
    }
}

/// A port that nobody listens on now.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn database_name() -> String {
    format!("t_{:012x}", Uuid::now_v7().as_u128() & 0xffff_ffff_ffff)
}

pub(crate) fn config(pg_url: &str, keys: &str, limits: Limits) -> CollectorConfig {
    let free = SocketAddr::from(([127, 0, 0, 1], 0));
    CollectorConfig {
        pg_url: pg_url.into(),
        http: free,
        grpc: free,
        keys: Keys::parse(keys).unwrap(),
        key_file: None,
        hooks: Hooks::default(),
        rates: ingest::rates::built_in(),
        country: Country::default(),
        clock: Clock::wall(),
        limits,
    }
}

pub(crate) fn with_key<T>(key: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
    request
}

/// A collector in this process.
pub(crate) struct Collector {
    pub(crate) http: SocketAddr,
    pub(crate) grpc: SocketAddr,
    pub(crate) cancel: CancellationToken,
    task: JoinHandle<Result<(), CollectorError>>,
}

impl Collector {
    pub(crate) async fn client(&self) -> CollectorClient<Channel> {
        CollectorClient::new(self.channel().await)
    }

    pub(crate) async fn channel(&self) -> Channel {
        Endpoint::from_shared(format!("http://{}", self.grpc)).unwrap().connect().await.unwrap()
    }

    /// Stops it as a signal does.
    pub(crate) async fn stop(self) -> Result<(), CollectorError> {
        self.cancel.cancel();
        in_time(self.task).await.unwrap()
    }
}

pub(crate) async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

pub(crate) async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, what).await.expect("it takes too long")
}

/// Waits for a condition that nobody is told of.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    stack::until(what, DEADLINE, async || holds().await.then_some(()).ok_or("it does not hold")).await;
}

/// An id of an instant that nobody else has.
fn fresh_id(at: DateTime<Utc>) -> Uuid {
    ids::v7(at, rand::random())
}

/// An event of now, in JSON.
pub(crate) fn event() -> Value {
    let at = Utc::now();
    json!({
        "event_id": fresh_id(at),
        "event_name": "view_item_list",
        "occurred_at": at,
        "user_id": "6d0ac2ce-2d3b-4d5c-a1a0-5e5d2c9d7e11",
        "gender": "female",
        "age": 33,
        "country": "CH",
        "city": "Zürich",
        "latitude": 47.37,
        "longitude": 8.54,
        "session_id": "6d0ac2ce-2d3b-4d5c-a1a0-5e5d2c9d7e12",
        "session_started_at": at,
        "returning": false,
        "device": "mobile",
        "channel": "direct",
    })
}

pub(crate) fn events(count: usize) -> Vec<Value> {
    (0..count).map(|_| event()).collect()
}

/// An event with other values; null stands for none.
pub(crate) fn with(mut event: Value, changes: Value) -> Value {
    let Value::Object(changes) = changes else { panic!("changes are by field") };
    for (field, value) in changes {
        event[field] = value;
    }
    event
}

macro_rules! of_json {
    (string, $value:expr) => {
        $value.as_str().map(str::to_owned)
    };
    (int32, $value:expr) => {
        $value.as_i64().map(|int| i32::try_from(int).unwrap())
    };
    (double, $value:expr) => {
        $value.as_f64()
    };
    (bool, $value:expr) => {
        $value.as_bool()
    };
}

macro_rules! message {
    ($( $(#[doc = $doc:literal])* $name:ident = $number:literal $type:ident, $kind:ident, $part:ident, $required:literal, $of:expr; )+) => {
        /// The same event as a message.
        pub(crate) fn message(event: &Value) -> Event {
            Event { $( $name: of_json!($type, event[stringify!($name)]), )+ }
        }
    };
}

ingest::sender_fields!(message);

pub(crate) fn messages(events: &[Value]) -> CollectRequest {
    events.iter().map(message).collect()
}
