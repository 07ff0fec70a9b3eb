//! A database that came to another PostgreSQL cluster: cuts by snapshot see all that is stored, or are
//! refused.

use std::ops::Range;
use std::process::{Command, Stdio};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use contracts::endpoints::Endpoints;
use contracts::family::CUBE_FAMILY;
use provision::{Options, ProvisionError};
use stack::{Service, Silent};
use tokio_postgres::Client;
use tokio_postgres::config::Host;

use crate::support::in_namespace;

fn day() -> Range<DateTime<Utc>> {
    "2026-02-03T00:00:00Z".parse().unwrap().."2026-02-04T00:00:00Z".parse().unwrap()
}

/// Stores an event of a second of that day, in a transaction of its own.
async fn store(client: &Client, second: u32) {
    let sql = "select raw.ensure_events_partition('2026-02-03');
        insert into raw.events (event_id, event_name, occurred_at, ingested_at, user_id, session_id, session_started_at,
            \"returning\", gender, age, age_band, country, city, latitude, longitude, device, channel)
        select raw.uuid_v7_lower_bound(at), 'view_item', at, at, gen_random_uuid(), gen_random_uuid(), at,
            false, 'other', 33, '25-34', 'DE', 'Ulm', 48.4, 10.0, 'mobile', 'direct'
        from (select timestamptz '2026-02-03T10:00:00Z' + SECOND * interval '1 second' as at) event";
    client.batch_execute(&sql.replace("SECOND", &second.to_string())).await.unwrap();
}

/// Rows that a snapshot sees.
async fn seen(client: &Client, snapshot: &str) -> i64 {
    let sql = "select count(*) from raw.events where pg_visible_in_snapshot(tx, $1::text::pg_snapshot)";
    client.query_one(sql, &[&snapshot]).await.unwrap().get(0)
}

async fn cut(client: &Client) -> Result<String, ProvisionError> {
    provision::cluster::snapshot(client, &CUBE_FAMILY, &day()).await
}

/// A client program of PostgreSQL for a database; the password is not told on the command line.
fn program(name: &str, pg_url: &str) -> Command {
    let config: tokio_postgres::Config = pg_url.parse().unwrap();
    let Host::Tcp(host) = &config.get_hosts()[0] else { panic!("{pg_url} names no host") };
    let mut command = Command::new(name);
    command
        .args(["--host", host, "--port", &config.get_ports()[0].to_string()])
        .args(["--username", config.get_user().unwrap(), "--dbname", config.get_dbname().unwrap()])
        .env("PGPASSWORD", String::from_utf8(config.get_password().unwrap_or_default().to_vec()).unwrap());
    command
}

/// Moves a database as its owner would: what the dump says is said again elsewhere.
fn dump_and_restore(from: &str, to: &str) {
    let mut dump = program("pg_dump", from)
        .args(["--no-owner", "--no-privileges"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let restored = program("psql", to)
        .args(["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1"])
        .stdin(dump.stdout.take().unwrap())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(dump.wait().unwrap().success() && restored.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_dump_are_seen_in_a_younger_cluster() {
    let young = stack::isolated(&[Service::Postgres], Arc::new(Silent)).await.unwrap();
    let young = Endpoints::from_variables(&young.env().unwrap()).unwrap().pg_url;
    in_namespace(async |old| {
        provision::apply(&old).await.unwrap();
        let there = provision::connect(&old.pg_url).await.unwrap();
        // The old cluster has lived longer than the young one will in this test.
        let lived =
            "do $$ begin for i in 1..20000 loop perform pg_current_xact_id(); commit; end loop; end $$";
        there.batch_execute(lived).await.unwrap();
        store(&there, 1).await;
        store(&there, 2).await;
        let repaired = cut(&there).await.unwrap();
        store(&there, 3).await;
        let repair = "insert into ops.repair (kind, revision, from_minute, to_minute, snapshot, family)
             values ('reconcile', 1, $1, $2, $3::text::pg_snapshot, 'cube')";
        there.execute(repair, &[&day().start, &day().end, &repaired]).await.unwrap();

        let pg_url = provision::create_database(&young, "moved").await.unwrap();
        dump_and_restore(&old.pg_url, &pg_url);
        let here = provision::connect(&pg_url).await.unwrap();
        let error = cut(&here).await.unwrap_err();
        assert!(error.to_string().contains("storepulse setup --restored"), "{error}");

        // The slot stays behind with the old cluster, which a rebuild is for; the rows are this one's from
        // now on.
        let moved = Endpoints { pg_url: pg_url.into(), ..old };
        provision::apply(&moved).await.unwrap_err();
        let before = cut(&here).await.unwrap();
        assert_eq!(seen(&here, &before).await, 3);
        store(&here, 4).await;
        assert_eq!(seen(&here, &before).await, 3);
        assert_eq!(seen(&here, &cut(&here).await.unwrap()).await, 4);
        // What the repair saw there, and nothing else, it saw here.
        assert_eq!(seen(&here, &repaired).await, 2);
        let own = "select tx = raw.current_tx() from raw.events order by event_id desc limit 1";
        assert!(!here.query_one(own, &[]).await.unwrap().get::<_, bool>(0));
        here.batch_execute("begin").await.unwrap();
        store(&here, 5).await;
        assert!(here.query_one(own, &[]).await.unwrap().get::<_, bool>(0));
        // A transaction that is under way is not seen, shifted or not.
        let meanwhile = provision::connect(&moved.pg_url).await.unwrap();
        let during = cut(&meanwhile).await.unwrap();
        store(&meanwhile, 6).await;
        here.batch_execute("commit").await.unwrap();
        assert_eq!(seen(&here, &during).await, 4);
        assert_eq!(seen(&here, &cut(&here).await.unwrap()).await, 6);
    })
    .await;
}

#[tokio::test]
async fn rows_of_a_logical_copy_are_refused_until_a_set_up_has_looked() {
    in_namespace(async |endpoints| {
        provision::apply(&endpoints).await.unwrap();
        let client = provision::connect(&endpoints.pg_url).await.unwrap();
        store(&client, 1).await;
        cut(&client).await.unwrap();
        let identities = "select count(*) from raw.event_identity join raw.events using (event_id)";
        let known = async || client.query_one(identities, &[]).await.unwrap().get::<_, i64>(0);
        // A subscription stores its publisher's values.
        client.execute("update raw.events set tx = '900000000000'", &[]).await.unwrap();
        let error = cut(&client).await.unwrap_err();
        assert!(matches!(error, ProvisionError::RowsOfAnotherCluster { .. }), "{error}");
        // The cluster is known: an ordinary set-up does not read all rows.
        provision::apply(&endpoints).await.unwrap();
        cut(&client).await.unwrap_err();
        assert_eq!(known().await, 0, "the copy was of the events alone");
        let restored = Options { restored: true, ..Options::default() };
        provision::apply_with(&endpoints, &restored, &|_| {}).await.unwrap();
        assert_eq!(
            known().await,
            1,
            "an event that is sent again with another time repeats the one that came"
        );
        store(&client, 2).await;
        assert_eq!(seen(&client, &cut(&client).await.unwrap()).await, 2);
        // An upgrade in place has another identifier and the same ids: nothing has to be shifted further.
        let shift = "select tx_shift from ops.cluster";
        let before: i64 = client.query_one(shift, &[]).await.unwrap().get(0);
        client.execute("update ops.cluster set system_id = '1'", &[]).await.unwrap();
        provision::apply(&endpoints).await.unwrap();
        assert_eq!(client.query_one(shift, &[]).await.unwrap().get::<_, i64>(0), before);
        assert_eq!(seen(&client, &cut(&client).await.unwrap()).await, 2);
    })
    .await;
}
