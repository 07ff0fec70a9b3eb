//! Whose an event is and which visit it belongs to, where its sender does not tell: as PostgreSQL decides it,
//! once.

mod going_on;
mod model;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::validation::{Accepted, Draft, Shopper, SourceId, Visit, accept};
use contracts::vocabulary::{AgeBand, EventName, Gender};
use contracts::{Namespace, Reason, ids};
use ingest::clock::Clock;
use ingest::quarantine::{Plan, Rules, replay};
use ingest::source::draft;
use ingest::store::{EncodedRows, Filter, SetAside, Store};
use proptest::strategy::{Strategy, ValueTree};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::model::{Model, histories};
use crate::outcome::{Cut, cut_wire};
use crate::support::{Database, at, events, users, with_database};

const SOURCE: &str = "collector/web";
const NOON: &str = "2026-03-01T12:00:00Z";

/// What a sender tells of an event beside its name and its id.
#[derive(Debug, Clone, Default)]
struct Sketch {
    user: Option<String>,
    browser: Option<String>,
    visit: Option<String>,
    seconds: i64,
    number: u32,
}

impl Sketch {
    fn draft(&self) -> Draft {
        let name = |name: &Option<String>| name.as_ref().map(|name| name.parse().unwrap());
        let shopper = Shopper {
            user_id: name(&self.user),
            anonymous_id: self.browser.as_ref().map(|name| name.parse().unwrap()),
            ..Shopper::default()
        };
        let visit = Visit { session_id: name(&self.visit), ..Visit::default() };
        let at = at(NOON) + TimeDelta::seconds(self.seconds);
        let source_id = Some(SourceId::Text(format!("n-{}", self.number)));
        Draft { source_id, ..Draft::new(EventName::ViewItemList, at, shopper, visit) }
    }

    fn accepted(&self) -> Accepted {
        let draft = self.draft();
        let now = draft.occurred_at + TimeDelta::seconds(1);
        accept(draft, SOURCE, now, &ingest::rates::built_in()).unwrap()
    }
}

fn of_browser(browser: &str, seconds: i64, number: u32) -> Sketch {
    Sketch { browser: Some(browser.to_owned()), seconds, number, ..Sketch::default() }
}

fn of_user(user: &str, seconds: i64, number: u32) -> Sketch {
    Sketch { user: Some(user.to_owned()), seconds, number, ..Sketch::default() }
}

async fn append(store: &mut Store, told: &[Sketch]) -> u64 {
    let mut rows = EncodedRows::default().from_source(SOURCE);
    assert!(told.iter().all(|told| rows.take(&told.accepted())));
    store.append_rows(rows).await.unwrap().committed
}

/// What stands of an event: visitor, visit, its start in seconds after noon, and whether there was one
/// before.
type Stored = (Uuid, Uuid, i64, bool);

async fn stored(database: &Database) -> BTreeMap<u32, Stored> {
    let sql = "select event_id, user_id, session_id, session_started_at, \"returning\" from raw.events";
    let rows = database.client.query(sql, &[]).await.unwrap();
    let number = |id: &Uuid| {
        (0..10_000)
            .find(|n| ids::identity(&ids::rekeyed(at(NOON), SOURCE, &format!("n-{n}"))) == ids::identity(id))
            .unwrap()
    };
    rows.iter()
        .map(|row| {
            let started_at: DateTime<Utc> = row.get(3);
            let seconds = (started_at - at(NOON)).num_seconds();
            (number(&row.get(0)), (row.get(1), row.get(2), seconds, row.get(4)))
        })
        .collect()
}

#[tokio::test]
async fn a_pause_of_half_an_hour_ends_a_visit() {
    with_database(async |database| {
        let mut store = database.store().await;
        let minutes = [0, 29, 58, 89, 0];
        let told: Vec<Sketch> =
            minutes.iter().zip(1..).map(|(minute, number)| of_browser("b", minute * 60, number)).collect();
        assert_eq!(append(&mut store, &told[..2]).await, 2);
        assert_eq!(append(&mut store, &told[2..]).await, 3);
        let visitor = ids::anonymous_visitor(SOURCE, "b");
        let visit = |minute: i64| ids::inferred_visit(&visitor, at(NOON) + TimeDelta::minutes(minute));
        let first = (visitor, visit(0), 0, false);
        let expected = [(1, first), (2, first), (3, first), (4, (visitor, visit(89), 89 * 60, true)), (5, first)];
        assert_eq!(stored(database).await, BTreeMap::from(expected));
        // Nothing is known of a browser but what it did.
        let unknown = "select count(*) from raw.events where gender = 'unknown' and age is null and age_band = 'unknown'
            and country = 'ZZ' and city is null and latitude is null and longitude is null and device = 'unknown'
            and channel = 'unknown'";
        assert_eq!(database.count(unknown).await, 5);
        // What comes before the first known event is a visit of its own, and the next one goes on with it.
        assert_eq!(append(&mut store, &[of_browser("b", -600, 6), of_browser("b", -60, 7)]).await, 2);
        let before = (visitor, visit(-10), -600, false);
        let stored = stored(database).await;
        assert_eq!((stored[&6], stored[&7], stored[&1]), (before, before, first));
        assert_eq!(database.count("select count(*) from raw.visit").await, 3);
    })
    .await;
}

#[tokio::test]
async fn a_told_visit_lasts_as_long_as_it_is_told_and_is_of_one_visitor() {
    with_database(async |database| {
        let mut store = database.store().await;
        let named = |browser: &str, visit: &str, seconds, number| Sketch {
            visit: Some(visit.to_owned()),
            ..of_browser(browser, seconds, number)
        };
        let told = [
            named("a", "1772366400", 0, 1),
            named("a", "1772366400", 7_200, 2),
            named("b", "1772366400", 60, 3),
            named("a", "1772373600", 7_300, 4),
            // Beside it, and of no account to it.
            of_browser("a", 100, 5),
        ];
        append(&mut store, &told[..1]).await;
        append(&mut store, &told[1..]).await;
        let stored = stored(database).await;
        let visitor = ids::anonymous_visitor(SOURCE, "a");
        let first = ids::named_visit(SOURCE, &visitor, "1772366400");
        assert_eq!((stored[&1], stored[&2]), ((visitor, first, 0, false), (visitor, first, 0, false)));
        assert_ne!(stored[&3].1, first);
        assert_eq!((stored[&3].2, stored[&3].3), (60, false));
        assert_eq!((stored[&4].2, stored[&4].3), (7_300, true));
        assert_eq!(stored[&5].1, ids::inferred_visit(&visitor, at(NOON) + TimeDelta::seconds(100)));
    })
    .await;
}

#[tokio::test]
async fn who_was_told_with_a_browser_has_what_it_does_from_then_on() {
    with_database(async |database| {
        let mut store = database.store().await;
        let both = |user: &str, seconds, number| Sketch {
            browser: Some("b".to_owned()),
            ..of_user(user, seconds, number)
        };
        append(&mut store, &[of_browser("b", 0, 1)]).await;
        // Within a batch a link holds for all of it.
        append(&mut store, &[of_browser("b", 10, 2), both("ann", 20, 3)]).await;
        append(&mut store, &[of_browser("b", 30, 4)]).await;
        // The newest decides, in whatever order they come.
        append(&mut store, &[both("bob", 15, 5)]).await;
        append(&mut store, &[of_browser("b", 40, 6)]).await;
        append(&mut store, &[both("bob", 50, 7)]).await;
        append(&mut store, &[of_browser("b", 60, 8)]).await;
        let [ann, bob] = ["ann", "bob"].map(|name| ids::named_user(SOURCE, name));
        let browser = ids::anonymous_visitor(SOURCE, "b");
        let visitors: Vec<Uuid> = stored(database).await.into_values().map(|stored| stored.0).collect();
        assert_eq!(visitors, [browser, ann, ann, ann, bob, ann, bob, bob]);
        // No words of the sender are anywhere.
        for table in ["events", "visit", "visitor", "visitor_link"] {
            let sql = format!("select count(*) from raw.{table} t where t::text ~ 'ann|bob'");
            assert_eq!(database.count(&sql).await, 0, "{table}");
        }
    })
    .await;
}

#[tokio::test]
async fn facts_about_a_user_are_those_of_now_and_what_is_told_stands() {
    with_database(async |database| {
        let mut store = database.store().await;
        let known = users(1).remove(0);
        store.upsert_users(std::slice::from_ref(&known)).await.unwrap();
        let id = known.user.user_id.to_string();
        append(&mut store, &[of_user(&id, 0, 1), of_user("somebody else", 0, 2)]).await;
        let mut told = of_user(&id, 60, 3).draft();
        (told.shopper.age, told.shopper.country) = (Some(99), Some("JP".parse().unwrap()));
        let now = at(NOON) + TimeDelta::minutes(2);
        let mut rows = EncodedRows::default();
        assert!(rows.take(&accept(told, SOURCE, now, &ingest::rates::built_in()).unwrap()));
        store.append_rows(rows).await.unwrap();
        let sql = "select string_agg(concat_ws(',', gender, age, age_band, country, city, latitude, longitude), ' ' order by occurred_at,
            gender) from raw.events";
        let stored: String = database.client.query_one(sql, &[]).await.unwrap().get(0);
        let user = &known.user;
        let whole = format!(
            "{},{},{},{},{},{},{}",
            user.gender, user.age, user.age_band, user.country, user.city, user.latitude, user.longitude
        );
        let expected = format!("{whole} {0},{1},ZZ {2},99,65+,JP", Gender::Unknown, AgeBand::Unknown, user.gender);
        assert_eq!(stored, expected);
    })
    .await;
}

#[tokio::test]
async fn two_at_once_decide_the_same() {
    const BROWSERS: u32 = 300;
    with_database(async |database| {
        for round in 0..5_i64 {
            let of = |writer: u32| {
                let mut told: Vec<Sketch> = (0..BROWSERS)
                    .map(|n| {
                        of_browser(
                            &format!("b{n}"),
                            round * 3_600,
                            n + writer * BROWSERS + round as u32 * 1_000,
                        )
                    })
                    .collect();
                // In other orders, which must not matter.
                if writer == 1 {
                    told.reverse();
                }
                told
            };
            let (mut one, mut other) = (database.store().await, database.store().await);
            let (first, second) = (of(0), of(1));
            let (a, b) = tokio::join!(append(&mut one, &first), append(&mut other, &second));
            assert_eq!((a, b), (u64::from(BROWSERS), u64::from(BROWSERS)));
        }
        let visits = "select count(distinct (user_id, session_id, session_started_at)) from raw.events";
        assert_eq!(database.count(visits).await, 5 * i64::from(BROWSERS));
        assert_eq!(database.count("select count(*) from raw.visit").await, 5 * i64::from(BROWSERS));
        let first = "select count(distinct session_id) from raw.events where not \"returning\"";
        assert_eq!(database.count(first).await, i64::from(BROWSERS));
    })
    .await;
}

#[tokio::test]
async fn a_lost_answer_changes_no_decision() {
    for cut in [Cut::AfterCommit, Cut::BeforeCommit] {
        with_database(async |database| {
            let mut store = Store::connect(&cut_wire(database, cut, 1).await).await.unwrap();
            let told = [of_browser("b", 0, 1), of_browser("b", 60, 2)];
            assert_eq!(append(&mut store, &told).await, 2);
            // As a client does that got no answer.
            assert_eq!(append(&mut store, &told).await, 0);
            let stored = stored(database).await;
            assert_eq!((stored[&1], stored[&1].2, stored[&1].3), (stored[&2], 0, false));
            assert_eq!(database.count("select count(*) from raw.visit").await, 1);
        })
        .await;
    }
}

#[tokio::test]
async fn an_event_that_tells_everything_leaves_no_trace_of_a_visitor() {
    with_database(async |database| {
        database.store().await.append(&events(10, at(NOON))).await.unwrap();
        let traces = "select (select count(*) from raw.visit) + (select count(*) from raw.visitor) + (select count(*) from raw.visitor_link)";
        assert_eq!(database.count(traces).await, 0);
    })
    .await;
}

#[tokio::test]
async fn what_passes_out_of_quarantine_finds_its_visit() {
    with_database(async |database| {
        let mut store = database.store().await;
        append(&mut store, &[of_browser("b", 0, 1)]).await;
        store
            .quarantine(&[SetAside {
                source: SOURCE.to_owned(),
                coordinates: "1".to_owned(),
                reason: Reason::MissingRate,
                detail: "no rate".to_owned(),
                payload: draft::write(&of_browser("b", 600, 2).draft()),
                user_id: None,
                quarantined_at: at(NOON),
            }])
            .await
            .unwrap();
        let rules = Rules { namespace: Namespace::default(), rates: ingest::rates::built_in() };
        let plan = Plan { filter: Filter::default(), rules, dry_run: false };
        let clock = Clock::starting_at(at(NOON) + TimeDelta::hours(1));
        let replayed = replay(&mut store, &plan, &clock, &CancellationToken::new(), |_| {}).await.unwrap();
        assert_eq!(replayed.accepted, 1);
        let stored = stored(database).await;
        assert_eq!(stored[&1], stored[&2]);
    })
    .await;
}

#[tokio::test]
async fn any_history_in_any_order_has_the_visits_that_one_would_write_down() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    with_database(async |database| {
        let mut store = database.store().await;
        for _ in 0..60 {
            database
                .client
                .batch_execute(
                    "delete from raw.events; delete from raw.event_identity; delete from raw.visit; delete from raw.visitor",
                )
                .await
                .unwrap();
            let history = histories().new_tree(&mut runner).unwrap().current();
            let mut model = Model::default();
            let mut expected = BTreeMap::new();
            for batch in &history {
                expected.extend(model.take(batch));
                assert_eq!(append(&mut store, batch).await, batch.len() as u64);
            }
            let stored = stored(database).await;
            let found: BTreeMap<u32, (i64, bool)> =
                stored.into_iter().map(|(number, (_, _, start, returning))| (number, (start, returning))).collect();
            assert_eq!(found, expected, "{history:?}");
            // Visits of one visitor and one id never overlap.
            let overlapping = "select count(*) from raw.visit a join raw.visit b using (visitor_id, told_id)
                where a.started_at < b.started_at and a.last_at >= b.started_at";
            assert_eq!(database.count(overlapping).await, 0);
        }
    })
    .await;
}

#[tokio::test]
async fn postgresql_gives_a_visit_the_id_that_the_contract_gives_it() {
    with_database(async |database| {
        for number in 0..500u128 {
            let visitor = Uuid::new_v5(&Uuid::NAMESPACE_OID, &number.to_be_bytes());
            let at = at(NOON) + TimeDelta::microseconds(i64::try_from(number).unwrap() * 1_234_567);
            let row =
                database.client.query_one("select raw.visit_id($1, $2)", &[&visitor, &at]).await.unwrap();
            assert_eq!(row.get::<_, Uuid>(0), ids::inferred_visit(&visitor, at));
        }
    })
    .await;
}
