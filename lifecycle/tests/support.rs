//! A set-up namespace, and what is put into it.

use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::endpoints::Endpoints;
use contracts::validation::{Accepted, Claim};
use contracts::vocabulary::{AgeBand, Channel, Device, EventName, Gender};
use contracts::{Event, Reason, User, ids};
use ingest::store::{
    Committed, EncodedRows, Kept, OtherEvent, OtherKind, SetAside, Store, UserFacts, UserRecord,
    UserStatement,
};
use scylla::client::session::Session;
use tokio_postgres::Client;
use uuid::Uuid;

pub(crate) struct Shop {
    pub(crate) endpoints: Endpoints,
    pub(crate) pg: Client,
    pub(crate) cassandra: Session,
}

/// Runs a test in a set-up namespace on the warm stack.
pub(crate) async fn in_shop(test: impl AsyncFnOnce(&Shop)) {
    let stack = stack::shared(Arc::new(stack::Silent)).await.unwrap();
    let services = Endpoints::from_variables(&stack.env().unwrap()).unwrap();
    let body = async |endpoints: Endpoints| {
        provision::apply(&endpoints).await.unwrap();
        let pg = provision::connect(&endpoints.pg_url).await.unwrap();
        let cassandra = provision::connect_cassandra(&endpoints.cassandra_contact_points).await.unwrap();
        let shop = Shop { endpoints, pg, cassandra };
        test(&shop).await;
    };
    Box::pin(provision::in_scratch_namespace(&services, body)).await.unwrap();
}

impl Shop {
    pub(crate) async fn store(&self) -> Store {
        Store::connect(&self.endpoints.pg_url).await.unwrap()
    }

    /// Runs a statement with `ks` for the keyspace; how many rows it gives.
    pub(crate) async fn cql(&self, statement: &str) -> usize {
        let statement = statement.replace("ks.", &format!("{}.", self.endpoints.namespace.keyspace()));
        let result = self.cassandra.query_unpaged(statement, ()).await.unwrap();
        result.into_rows_result().map_or(0, |rows| rows.rows_num())
    }

    /// A plan that was retired an hour ago, and its checkpoint with one beside it.
    pub(crate) async fn retired_checkpoint(&self) -> PathBuf {
        let root = self.endpoints.checkpoint_root.strip_prefix("file:").unwrap().trim_start_matches("//");
        let folder =
            PathBuf::from(root).join(self.endpoints.namespace.to_string()).join("cube").join("r1-abc");
        for suffix in ["", "-ledger"] {
            std::fs::create_dir_all(format!("{}{suffix}/state", folder.display())).unwrap();
        }
        let plan = "insert into ops.job_plan (query, revision, fingerprint, topic_generation, checkpoint, retired_at)
                    select 'cube', 1, 'abc', max(generation), $1, now() - interval '1 hour' from ops.topic_generation";
        self.pg.execute(plan, &[&format!("file:{}", folder.display())]).await.unwrap();
        folder
    }

    pub(crate) async fn count(&self, sql: &str) -> i64 {
        self.pg.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// Every row of PostgreSQL's tables that holds a word, table by table.
    pub(crate) async fn rows_with(&self, word: &str) -> Vec<String> {
        let tables = "select relnamespace::regnamespace || '.' || relname from pg_class
            where relkind = 'r' and relnamespace in ('raw'::regnamespace, 'ops'::regnamespace) order by 1";
        let mut found = Vec::new();
        for row in self.pg.query(tables, &[]).await.unwrap() {
            let table: String = row.get(0);
            // bytea shows as hex.
            let sql = format!("select count(*) from {table} t where position($1 in lower(t::text)) > 0");
            if self.pg.query_one(&sql, &[&word]).await.unwrap().get::<_, i64>(0) > 0 {
                found.push(table);
            }
        }
        found
    }
}

pub(crate) fn midnight(days_ago: i64) -> DateTime<Utc> {
    (Utc::now() - TimeDelta::days(days_ago)).date_naive().and_time(chrono::NaiveTime::MIN).and_utc()
}

/// Events of a user, a second apart, in two sessions.
pub(crate) fn events(user_id: Uuid, count: u8, from: DateTime<Utc>) -> Vec<Event> {
    (0..count).map(|number| event(user_id, number, from + TimeDelta::seconds(number.into()))).collect()
}

fn event(user_id: Uuid, number: u8, occurred_at: DateTime<Utc>) -> Event {
    let mut bits = [number; 10];
    bits[1..].copy_from_slice(&user_id.as_bytes()[..9]);
    Event {
        event_id: ids::v7(occurred_at, bits),
        event_name: EventName::SessionStart,
        occurred_at,
        ingested_at: occurred_at + TimeDelta::milliseconds(5),
        user_id,
        session_id: session(user_id, number % 2),
        session_started_at: occurred_at,
        returning: false,
        gender: Gender::Female,
        age: Some(30),
        age_band: AgeBand::of(30),
        country: "DE".parse().unwrap(),
        city: Some("Köln".parse().unwrap()),
        latitude: Some(50.9),
        longitude: Some(6.9),
        device: Device::Mobile,
        channel: Channel::Direct,
        ..Event::sample(occurred_at)
    }
}

/// Stores an event of a user that its source names in its own words.
pub(crate) async fn append_named(
    store: &mut Store,
    user_id: Uuid,
    name: &str,
    at: DateTime<Utc>,
) -> Committed {
    let event_id = ids::rekeyed(at, "shop", name);
    let event = Event { event_id, ..event(user_id, 0, at) };
    let mut rows = EncodedRows::default();
    assert!(rows.take(&Accepted {
        event,
        claim: Some(Claim { event_id, told: None }),
        open: None,
        whole_order: None,
        part: None,
        visit_start: Default::default(),
    }));
    store.append_rows_telling(rows).await.unwrap()
}

pub(crate) fn session(user_id: Uuid, number: u8) -> Uuid {
    Uuid::new_v5(&user_id, &[number])
}

pub(crate) fn user(login: Uuid) -> UserRecord {
    UserRecord {
        user: User {
            user_id: ids::user_id(&login),
            gender: Gender::Female,
            age: 30,
            age_band: AgeBand::of(30),
            country: "DE".parse().unwrap(),
            city: "Köln".parse().unwrap(),
            latitude: 50.9,
            longitude: 6.9,
            registered_at: midnight(100),
            ingested_at: midnight(0),
        },
        profile: serde_json::json!({"email": format!("{}@example.com", login.simple()), "login": {"uuid": login}}),
    }
}

pub(crate) fn set_aside(coordinates: &str, payload: &[u8], at: DateTime<Utc>) -> SetAside {
    SetAside {
        source: "simulator".to_owned(),
        coordinates: coordinates.to_owned(),
        reason: Reason::Malformed,
        detail: "no json".to_owned(),
        payload: payload.to_vec(),
        user_id: None,
        quarantined_at: at,
    }
}

/// An event without a place in the figures, which tells that a browser is the user's.
pub(crate) fn other_event(
    id: &str,
    user_id: Option<Uuid>,
    anonymous_id: Option<Uuid>,
    at: DateTime<Utc>,
) -> EncodedRows {
    other_event_with(id, "ann@example.com", user_id, anonymous_id, at)
}

/// The same with an address of its own.
pub(crate) fn other_event_with(
    id: &str,
    address: &str,
    user_id: Option<Uuid>,
    anonymous_id: Option<Uuid>,
    at: DateTime<Utc>,
) -> EncodedRows {
    let facts = UserFacts { age: Some(40), ..UserFacts::default() };
    let tells = user_id.map(|user_id| Box::new(UserStatement { user_id, anonymous_id, at, facts }));
    let event = OtherEvent {
        id: id.to_owned(),
        dialect: "segment",
        kind: OtherKind::Other,
        name: "identify".to_owned(),
        occurred_at: at,
        user_id,
        anonymous_id,
        tells,
        payload: format!(r#"{{"messageId":"{id}","traits":{{"email":"{address}"}}}}"#).into_bytes(),
    };
    let mut rows = EncodedRows::default();
    assert!(rows.take_other(Kept { source: "collector/web".to_owned(), received_at: at, event }));
    rows
}
