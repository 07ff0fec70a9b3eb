//! From the API's JSON into `raw.users`.

use ingest::clock::Clock;
use ingest::source::randomuser::server::Fault;
use ingest::source::users::{UsersSource, UsersWanted, load_users, open};
use ingest::store::Upserted;
use serde_json::json;

use crate::support::{at, users, with_database};

#[tokio::test]
async fn an_upsert_writes_only_what_changed() {
    with_database(async |database| {
        let mut store = database.store().await;
        let mut given = users(100);
        let counts = store.upsert_users(&given).await.unwrap();
        assert_eq!(counts, Upserted { inserted: 100, ..Upserted::default() });
        given[0].user.age += 1;
        given[1].profile = json!({ "email": "moved@example.com" });
        given[2].user.ingested_at = at("2026-04-01T00:00:00Z");
        given.push(given[3].clone());
        let counts = store.upsert_users(&given).await.unwrap();
        assert_eq!(counts, Upserted { inserted: 0, updated: 2, unchanged: 98, repeated: 1, refused: 0 });
        let read = store.users().await.unwrap();
        assert_eq!(read.len(), 100);
        let first = read.iter().find(|user| user.user_id == given[0].user.user_id).unwrap();
        assert_eq!(first, &given[0].user);
        assert!(read.iter().all(|user| user.ingested_at == at("2026-03-01T00:00:00Z")), "first stored");
    })
    .await;
}

#[tokio::test]
async fn pages_are_loaded_once_and_bad_records_set_aside() {
    with_database(async |database| {
        let mut store = database.store().await;
        let clock = Clock::starting_at(at("2026-03-01T00:00:00Z"));
        let origin = open(UsersSource::Simulated, &clock).await.unwrap();
        assert_eq!(origin.to_string(), "users from the local simulated API");
        let server = origin.server.as_ref().unwrap();
        server.inject([Fault::Empty, Fault::Record { index: 7, by: json!({ "gender": "female" }) }]);
        let wanted = UsersWanted { count: 5_200, seed: "t".into(), nationalities: Vec::new() };
        let loaded = load_users(&origin.client, &wanted, &mut store, &clock, |_, _| {}).await.unwrap();
        assert_eq!((loaded.fetched, loaded.set_aside, loaded.stored.inserted), (5_200, 1, 5_199));
        assert_eq!(server.requests(), 3, "the empty page was asked for again");
        let kept = "select count(*) from raw.quarantine
                    where source = 'randomuser' and coordinates = 't/1/7' and reason = 'missing_id'
                      and convert_from(payload, 'UTF8') = '{\"gender\":\"female\"}'";
        assert_eq!(database.count(kept).await, 1);
        let again = load_users(&origin.client, &wanted, &mut store, &clock, |_, _| {}).await.unwrap();
        assert_eq!((again.stored.inserted, again.stored.updated, again.stored.unchanged), (1, 0, 5_199));
        let secrets = "select count(*) from raw.users
                       where profile->'login' ?| array['password', 'salt', 'md5', 'sha1', 'sha256']";
        assert_eq!(database.count(secrets).await, 0);
        // A year later only ages have moved.
        clock.advance_to(at("2027-03-01T00:00:00Z"));
        let older = load_users(&origin.client, &wanted, &mut store, &clock, |_, _| {}).await.unwrap();
        assert_eq!((older.stored.inserted, older.stored.updated), (0, 5_200));
    })
    .await;
}
