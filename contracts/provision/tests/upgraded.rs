//! A database of before every event could have unknown values: set up anew, it reads as it did, and takes
//! such events.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Mutex;

use contracts::Event;
use contracts::endpoints::Endpoints;
use contracts::migrations::MIGRATIONS;
use provision::{Options, Outcome, ProvisionError, Step};
use serde_json::{Value, json};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use support::in_namespace;

/// The first migration that lets age and place be null.
const OPTIONAL: &str = "V22__visitors";

/// Events of two days, each in a partition of its own.
const BEFORE: &str = "
    select raw.ensure_events_partition('2026-03-01'), raw.ensure_events_partition('2026-03-02');
    insert into raw.events (event_id, event_name, occurred_at, ingested_at, user_id, session_id, session_started_at, \"returning\",
                            gender, age, age_band, country, city, latitude, longitude, device, channel)
    select raw.uuid_v7_lower_bound(at), 'session_start', at, at, gen_random_uuid(), gen_random_uuid(), at, n % 2 = 0,
           'other', n, '0-17', 'DE', 'Kassel', n / 10.0, -0.1, 'mobile', 'direct'
    from generate_series(0, 9) n, lateral (select '2026-03-01 23:59:55Z'::timestamptz + n * interval '1 second') as moment (at);";

const UNKNOWN: &str = "
    insert into raw.events (event_id, event_name, occurred_at, ingested_at, user_id, session_id, session_started_at, \"returning\",
                            gender, age_band, country, device, channel)
    select raw.uuid_v7_lower_bound(at), 'session_start', at, at, gen_random_uuid(), gen_random_uuid(), at, false,
           'unknown', 'unknown', 'ZZ', 'unknown', 'unknown'
    from unnest(array['2026-03-01 12:00Z', '2026-03-03 12:00Z']::timestamptz[]) as moment (at);";

/// Migrates as the version before did.
async fn set_up_before(client: &mut Client) {
    let migrations: Vec<refinery::Migration> = MIGRATIONS
        .iter()
        .take_while(|migration| migration.name != OPTIONAL)
        .map(|migration| refinery::Migration::unapplied(migration.name, migration.sql).unwrap())
        .collect();
    assert!(migrations.len() < MIGRATIONS.len());
    refinery::Runner::new(&migrations).run_async(client).await.unwrap();
}

async fn rows(client: &Client) -> Vec<String> {
    let sql = format!("select ({})::text from raw.events order by event_id", Event::column_list());
    client.query(&sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

/// Registers a schema of events; its id.
async fn register(endpoints: &Endpoints, schema: &Value) -> u64 {
    // Asked for by reqwest, although nothing here speaks TLS; the second one that installs it is refused.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let registry = endpoints.schema_registry_url.trim_end_matches('/');
    let url = format!("{registry}/subjects/{}/versions", endpoints.namespace.events_subject());
    let body = json!({ "schemaType": "AVRO", "schema": schema.to_string() });
    let answer = reqwest::Client::new().post(url).json(&body).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
    answer.json::<Value>().await.unwrap()["id"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_before_read_as_they_did_and_unknown_ones_come_in() {
    in_namespace(async |endpoints| {
        let mut client = provision::connect(&endpoints.pg_url).await.unwrap();
        set_up_before(&mut client).await;
        client.batch_execute(BEFORE).await.unwrap();
        let refused = client.batch_execute(UNKNOWN).await.unwrap_err();
        assert_eq!(refused.code(), Some(&SqlState::NOT_NULL_VIOLATION));
        let before = rows(&client).await;
        assert_eq!(before.len(), 10);
        // The files of a table are others where it was written anew.
        let files =
            "select string_agg(relname || pg_relation_filenode(oid), ',' order by relname) from pg_class
            where relname like 'events~_2%' escape '~' and relkind = 'r'";
        let files_before: String = client.query_one(files, &[]).await.unwrap().get(0);
        let published = include_str!("../../avro/published/shop.events.1.avsc");
        let old_id = register(&endpoints, &serde_json::from_str(published).unwrap()).await;

        let steps = Mutex::new(Vec::new());
        let note = |step: Step| steps.lock().unwrap().push(step);
        let ended = provision::apply_with(&endpoints, &Options::default(), &note).await;
        // All of it but the slot, which an older set-up had made while there were no rows.
        assert!(
            matches!(ended, Err(ProvisionError::RowsBeforeSlot { table: "raw.events", .. })),
            "{ended:?}"
        );
        let steps = steps.into_inner().unwrap();
        let migrated =
            steps.iter().filter(|step| step.kind == "migration" && step.outcome == Outcome::Created);
        assert_eq!(migrated.count(), 1);
        assert_eq!(rows(&client).await, before);
        assert_eq!(client.query_one(files, &[]).await.unwrap().get::<_, String>(0), files_before);

        // Old partitions and new ones take what is unknown.
        client.batch_execute("select raw.ensure_events_partition('2026-03-03')").await.unwrap();
        client.batch_execute(UNKNOWN).await.unwrap();
        assert_eq!(rows(&client).await.len(), 12);

        // The registry has taken today's schema as a successor of that of before.
        let new_id = register(&endpoints, &contracts::topics::event_schema()).await;
        assert_ne!(new_id, old_id);
    })
    .await;
}
