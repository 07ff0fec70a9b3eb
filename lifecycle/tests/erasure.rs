//! A person goes and stays gone.

use chrono::TimeDelta;
use contracts::admission::BELONGS_TO_NOBODY;
use contracts::ids;
use contracts::validation::{Draft, Shopper, SourceId, Visit, accept};
use contracts::vocabulary::EventName;
use ingest::store::{EncodedRows, SetAside};
use lifecycle::{LifecycleError, erasure};
use uuid::Uuid;

use crate::support::{
    Shop, append_named, events, in_shop, midnight, other_event, other_event_with, session, set_aside, user,
};

const LOGIN: Uuid = Uuid::from_u128(0x7c9e_6679_7425_40de_944b_e07f_c1f9_0ae7);

const SOURCE: &str = "collector/web";

async fn erase(shop: &Shop, id: Uuid) -> Result<erasure::Erased, LifecycleError> {
    let request = erasure::Request { user_id: id, addresses: Vec::new() };
    erasure::run(&shop.endpoints, &request, &|_| {}).await
}

/// Nothing anywhere holds an id, a session or the address of the person.
async fn assert_gone(shop: &Shop, id: Uuid) {
    let words = [id, LOGIN, session(id, 0), session(id, 1)];
    for word in words {
        assert_eq!(shop.rows_with(&word.to_string()).await, Vec::<String>::new(), "{word}");
        // In bytes, of text and of the id itself.
        for hex in [hex(word.to_string().as_bytes()), word.simple().to_string()] {
            assert_eq!(shop.rows_with(&hex).await, Vec::<String>::new(), "{hex}");
        }
    }
    let address = format!("{}@example.com", LOGIN.simple());
    assert_eq!(shop.rows_with(&hex(address.as_bytes())).await, Vec::<String>::new());
    assert_eq!(shop.cql(&format!("select * from ks.sessions_by_user where user_id = {id}")).await, 0);
}

/// The partitions of events.
async fn partitions(shop: &Shop) -> Vec<String> {
    let all = "select relnamespace::regnamespace || '.' || relname from pg_class
        where relkind = 'r' and relname like 'events~_2%' escape '~' order by 1";
    shop.pg.query(all, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_person_is_nowhere_and_does_not_come_back() {
    in_shop(async |shop| {
        let mut store = shop.store().await;
        let (person, other) = (user(LOGIN), user(Uuid::from_u128(8)));
        let id = person.user.user_id;
        store.upsert_users(&[person.clone(), other.clone()]).await.unwrap();
        let mut all = events(id, 9, midnight(1));
        all.extend(events(id, 4, midnight(0)));
        all.extend(events(other.user.user_id, 6, midnight(0)));
        store.append(&all).await.unwrap();
        append_named(&mut store, id, "order 7", midnight(0)).await;
        let address = format!("\"{}@example.com\"", LOGIN.simple());
        let records = [
            set_aside("1", format!("{{\"user\":\"{id}\"").as_bytes(), midnight(0)),
            set_aside("2", id.as_bytes(), midnight(0)),
            set_aside("3", address.as_bytes(), midnight(0)),
            set_aside("4", LOGIN.to_string().to_uppercase().as_bytes(), midnight(0)),
            set_aside("5", b"somebody else", midnight(0)),
        ];
        store.quarantine(&records).await.unwrap();
        // A revision that is higher than any today: the delete wins all the same.
        let row = |at: &str| {
            format!(
                "insert into ks.sessions_by_user (user_id, started_at, session_id, session_started_at, events)
                 values ({id}, '{at}', {}, '{at}', 1) using timestamp {}",
                session(id, 0),
                contracts::cube::write_time(1_900_000_000_000_000, 1 << 20, 9),
            )
        };
        shop.cql(&row("2026-03-01T10:00:00Z")).await;
        let counts = "select count(*) * 10000 + count(distinct user_id) * 100 + count(distinct session_id) from raw.events";
        let before = shop.count(counts).await;
        let transactions = "select count(distinct tx::text) from raw.events";
        let transactions_before = shop.count(transactions).await;

        let erased = erase(shop, id).await.unwrap();
        assert_eq!((erased.events, erased.sessions, erased.users, erased.quarantined), (14, 2, 1, 4));
        assert_eq!(erased.cassandra["sessions_by_user"], 1);
        assert_gone(shop, id).await;
        assert_eq!(shop.count(counts).await, before, "what was counted stays");
        assert_eq!(shop.count(transactions).await, transactions_before, "and so does what snapshots saw");
        let nobodys = format!("select count(*) from raw.events where {BELONGS_TO_NOBODY}");
        assert_eq!(shop.count(&nobodys).await, 14);
        // What is known of a source's id is what nobody's event has in its own id, so that it counts once for
        // ever.
        assert_eq!(shop.count("select count(*) from raw.event_identity join raw.events using (event_id)").await, 1);
        let again = append_named(&mut store, other.user.user_id, "order 7", midnight(0) + TimeDelta::hours(1)).await;
        assert_eq!((again.repeats.len(), again.refused.len()), (1, 0));
        assert_eq!(append_named(&mut store, id, "order 7", midnight(1)).await.refused.len(), 1);

        // Whatever comes again is refused, by a store that knew the person too.
        let appended = store.append(&all).await.unwrap();
        assert_eq!((appended.committed, appended.refused), (0, 13));
        assert_eq!(store.upsert_users(&[person]).await.unwrap().refused, 1);
        store.quarantine(&records).await.unwrap();
        shop.cql(&row("2026-03-01T11:00:00Z")).await;
        assert_gone(shop, id).await;

        let again = erase(shop, id).await.unwrap();
        assert!(again.erased_before && !erased.erased_before);
        assert_eq!((again.events, again.users, again.quarantined), (0, 0, 0));
        // The id and the address, and nothing beside them that would lead to the events.
        assert_eq!(shop.count("select count(*) from ops.erasure where finished").await, 2);
        let nobody: Uuid = shop
            .pg
            .query_one(&format!("select distinct user_id from raw.events where {BELONGS_TO_NOBODY}"), &[])
            .await
            .unwrap()
            .get(0);
        assert_eq!(shop.rows_with(&nobody.to_string()).await, partitions(shop).await);
        let one_transaction = "select count(distinct xmin::text) from ops.erasure";
        assert_eq!(shop.count(one_transaction).await, 1);
    })
    .await;
}

/// An event that tells who it is of and nothing more.
async fn visit(
    store: &mut ingest::store::Store,
    user: Option<&str>,
    browser: Option<&str>,
    seconds: i64,
) -> bool {
    let shopper = Shopper {
        user_id: user.map(|name| name.parse().unwrap()),
        anonymous_id: browser.map(|name| name.parse().unwrap()),
        ..Shopper::default()
    };
    let at = midnight(0) + TimeDelta::seconds(seconds);
    let source_id = Some(SourceId::Text(format!("{user:?} {browser:?} {seconds}")));
    let draft = Draft { source_id, ..Draft::new(EventName::SessionStart, at, shopper, Visit::default()) };
    let accepted = accept(draft, SOURCE, at, &ingest::rates::built_in()).unwrap();
    let mut rows = EncodedRows::default();
    assert!(rows.take(&accepted));
    store.append_rows(rows).await.unwrap().committed == 1
}

#[tokio::test(flavor = "multi_thread")]
async fn any_id_of_a_person_leads_to_all_of_them() {
    in_shop(async |shop| {
        let mut store = shop.store().await;
        let (address, browser) = ("ann@example.com", "browser-1");
        for (user, from, seconds) in [
            (None, Some(browser), 0),
            (Some(address), Some(browser), 10),
            (None, Some(browser), 20),
            (Some(address), Some("phone-2"), 30),
            (Some("bob@example.com"), Some("browser-3"), 40),
        ] {
            assert!(visit(&mut store, user, from, seconds).await);
        }
        let counts = "select count(*) * 10000 + count(distinct user_id) * 100 + count(distinct session_id) from raw.events";
        let before = shop.count(counts).await;
        let ids = [
            ids::named_user(SOURCE, address),
            ids::anonymous_visitor(SOURCE, browser),
            ids::anonymous_visitor(SOURCE, "phone-2"),
        ];
        let unlinked = ids::anonymous_visitor(SOURCE, "phone-2");
        let erased = erase(shop, unlinked).await.unwrap();
        assert_eq!((erased.events, erased.ids), (4, 3));
        assert_eq!(shop.count(counts).await, before, "what was counted stays");
        for id in ids {
            assert_eq!(shop.rows_with(&id.to_string()).await, Vec::<String>::new(), "{id}");
        }
        assert_eq!(shop.rows_with(address).await, Vec::<String>::new());
        assert_eq!(shop.count("select count(*) from raw.visitor_link").await, 1);
        // Whatever comes of any of them is refused, and links nothing anew.
        for (user, from, seconds) in
            [(Some(address), None, 50), (None, Some("phone-2"), 60), (Some(address), Some("tablet-4"), 70)]
        {
            assert!(!visit(&mut store, user, from, seconds).await);
        }
        assert!(visit(&mut store, Some("bob@example.com"), Some(browser), 80).await);
        assert_eq!(shop.count("select count(*) from raw.visitor_link").await, 1);
        assert!(erase(shop, ids[0]).await.unwrap().erased_before);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_that_was_interrupted_goes_on_and_an_unknown_user_is_an_error() {
    in_shop(async |shop| {
        let mut store = shop.store().await;
        let person = user(LOGIN);
        let id = person.user.user_id;
        store.upsert_users(&[person]).await.unwrap();
        store.append(&events(id, 3, midnight(0))).await.unwrap();
        let unknown = erase(shop, Uuid::from_u128(99)).await.unwrap_err();
        assert!(matches!(unknown, LifecycleError::UnknownUser(_)), "{unknown}");
        assert_eq!(shop.count("select count(*) from ops.erasure").await, 0);

        // Killed once the door was closed: the events cannot be touched.
        let locked = provision::connect(&shop.endpoints.pg_url).await.unwrap();
        locked.batch_execute("begin; lock table raw.users in exclusive mode").await.unwrap();
        let erasing = erase(shop, id);
        let closed = async {
            while shop.count("select count(*) from ops.erasure").await == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            ended = erasing => panic!("{ended:?}"),
            () = closed => {}
        }
        locked.batch_execute("rollback").await.unwrap();
        assert_eq!(store.append(&events(id, 1, midnight(1))).await.unwrap().refused, 1);
        assert_eq!(shop.count("select count(*) from ops.erasure where not finished").await, 2);

        let erased = erase(shop, id).await.unwrap();
        assert_eq!((erased.events, erased.users), (3, 1));
        assert_gone(shop, id).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shops_own_words_for_a_person_lead_to_the_address_and_what_comes_later_is_known_by_it() {
    in_shop(async |shop| {
        let mut store = shop.store().await;
        let (id, other) = (Uuid::from_u128(0x17), Uuid::from_u128(0x18));
        store.append(&events(id, 2, midnight(0))).await.unwrap();
        let row = |coordinates: &str, user_id, payload: &str| SetAside {
            user_id,
            ..set_aside(coordinates, payload.as_bytes(), midnight(0))
        };
        store
            .quarantine(&[
                row("1", Some(id), "a2,K-17,n/a,K17@mail.example,help@shop.example"),
                row("2", Some(other), "a3,K-18,n/a,k18@mail.example,help@shop.example"),
                row("3", None, "From: <k17@mail.example>"),
            ])
            .await
            .unwrap();
        let retired = shop.retired_checkpoint().await;

        let erased = erase(shop, id).await.unwrap();
        assert_eq!((erased.events, erased.quarantined, erased.addresses), (2, 2, 1));
        assert_eq!(erased.notes.len(), 1, "the shop's own address is nobody's: {:?}", erased.notes);
        assert_eq!(erased.checkpoints, 2);
        assert!(!retired.exists());
        let users = format!("kafka: {}", shop.endpoints.namespace.users_topic());
        assert!(erased.remains.iter().any(|left| left.place == users && left.until.is_some()));

        // The next file has her in the shop's words again, a letter in its own, and somebody else.
        store
            .quarantine(&[
                row("4", Some(id), "b2,K-17,n/a"),
                row("5", None, "{\"m\":\"k17\\u0040mail.example\"}"),
                row("6", None, "help@shop.example"),
            ])
            .await
            .unwrap();
        let kept = "select string_agg(coordinates, ',' order by coordinates) from raw.quarantine where payload is not null";
        let kept: String = shop.pg.query_one(kept, &[]).await.unwrap().get(0);
        assert_eq!(kept, "2,6");
        assert_eq!(shop.count("select count(*) from raw.quarantine where reason = 'erased'").await, 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_foreign_clients_told_goes_by_any_id() {
    in_shop(async |shop| {
        let mut store = shop.store().await;
        let [ann, browser, other] = [1, 2, 3].map(Uuid::from_u128);
        for rows in [
            other_event("of-user", Some(ann), Some(browser), midnight(0)),
            other_event("of-browser", None, Some(browser), midnight(0)),
        ] {
            store.append_rows(rows).await.unwrap();
        }
        // The Control Center may not look at them.
        for table in ["raw.other_events", "raw.user_facts"] {
            let look = format!("set role {}; select * from {table}", contracts::console::ROLE);
            let refused = shop.pg.batch_execute(&look).await.unwrap_err();
            assert!(refused.as_db_error().unwrap().message().contains("permission denied"), "{refused:?}");
            shop.pg.batch_execute("reset role").await.unwrap();
        }
        // By the browser alone: the link leads to the user.
        let erased = erase(shop, browser).await.unwrap();
        assert_eq!((erased.others, erased.facts, erased.ids, erased.addresses), (2, 1, 2, 1));
        for word in [ann, browser].map(|id| id.to_string()) {
            assert_eq!(shop.rows_with(&word).await, Vec::<String>::new());
        }
        // By the address that the person's own message told, somebody else's message is recognised.
        store.append_rows(other_event("again", Some(other), None, midnight(0))).await.unwrap();
        assert_eq!(shop.count("select count(*) from raw.other_events").await, 0);
        let refused = "select count(*) from raw.quarantine where reason = 'erased' and payload is null";
        assert_eq!(shop.count(refused).await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_other_peoples_records_have_in_any_case_takes_none_of_them_away() {
    in_shop(async |shop| {
        let mut store = shop.store().await;
        let (ann, bob) = (Uuid::from_u128(0x27), Uuid::from_u128(0x28));
        let row = |coordinates: &str, user_id, payload: &str| SetAside {
            user_id,
            ..set_aside(coordinates, payload.as_bytes(), midnight(0))
        };
        store
            .quarantine(&[
                row("1", Some(ann), "K-27,Ann@mail.example,help@shop.example,sales@shop.example,app@shop.example"),
                // Of Bob by his id, of Cem by his address, of a browser that nobody has signed in with.
                row("2", Some(bob), "K-28,Help@Shop.Example"),
                row("3", None, "K-29,cem@mail.example,SALES@shop.example"),
                row("4", None, "mailto=ANN@mail.example"),
            ])
            .await
            .unwrap();
        let browser = Some(Uuid::from_u128(0x30));
        let browser = other_event_with("of-browser", "App@shop.example", None, browser, midnight(0));
        store.append_rows(browser).await.unwrap();

        let erased = erase(shop, ann).await.unwrap();
        assert_eq!((erased.quarantined, erased.others, erased.addresses), (2, 0, 1), "{erased:?}");
        assert_eq!(erased.notes.len(), 1, "{:?}", erased.notes);
        let kept = "select string_agg(coordinates, ',' order by coordinates) from raw.quarantine where payload is not null";
        let kept: String = shop.pg.query_one(kept, &[]).await.unwrap().get(0);
        assert_eq!(kept, "2,3");
        assert_eq!(shop.count("select count(*) from raw.other_events").await, 1);
    })
    .await;
}
