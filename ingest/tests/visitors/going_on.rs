//! Visits that go on: when their visitor signs in, and where clocks differ a little.

use std::collections::BTreeSet;

use super::*;

fn both(user: &str, browser: &str, seconds: i64, number: u32) -> Sketch {
    Sketch { browser: Some(browser.to_owned()), ..of_user(user, seconds, number) }
}

/// The visits of all events, with their starts.
async fn visits(database: &Database) -> BTreeSet<(Uuid, i64)> {
    stored(database).await.into_values().map(|(_, visit, start, _)| (visit, start)).collect()
}

#[tokio::test]
async fn a_visit_goes_on_when_its_visitor_signs_in() {
    with_database(async |database| {
        let mut store = database.store().await;
        append(&mut store, &[of_browser("b", 0, 1)]).await;
        append(&mut store, &[of_browser("b", 60, 2)]).await;
        append(&mut store, &[both("ann", "b", 1_500, 3)]).await;
        append(&mut store, &[of_browser("b", 2_400, 4), of_user("ann", 3_600, 5)]).await;
        let [ann, browser] = [ids::named_user(SOURCE, "ann"), ids::anonymous_visitor(SOURCE, "b")];
        let visit = ids::inferred_visit(&browser, at(NOON));
        let first: Vec<Stored> = stored(database).await.into_values().collect();
        let expected = [browser, browser, ann, ann, ann].map(|visitor| (visitor, visit, 0, false));
        assert_eq!(first, expected);
        assert_eq!(database.count("select count(*) from raw.visit").await, 1);
        // Told again, nothing is another one's; and after a pause there is another visit, of one who came
        // back.
        let again = [of_browser("b", 0, 1), both("ann", "b", 1_500, 3)];
        assert_eq!(append(&mut store, &again).await, 0);
        append(&mut store, &[both("ann", "b", 5_401, 6)]).await;
        let sixth = (ann, ids::inferred_visit(&ann, at(NOON) + TimeDelta::seconds(5_401)), 5_401, true);
        assert_eq!(stored(database).await[&6], sixth);
        // Who signs in there next has a visit of his own.
        append(&mut store, &[both("bob", "b", 5_460, 7)]).await;
        assert_eq!(stored(database).await[&7].2, 5_460);
    })
    .await;
}

#[tokio::test]
async fn a_sign_in_goes_on_with_one_visit_and_overlaps_none() {
    with_database(async |database| {
        let mut store = database.store().await;
        // After a pause it is another one.
        append(&mut store, &[of_browser("a", 0, 1)]).await;
        append(&mut store, &[both("ann", "a", 1_801, 2)]).await;
        assert_eq!(visits(database).await.len(), 2);
        // Who is in a visit elsewhere stays in that, and the browser's stays by itself.
        append(&mut store, &[of_user("bob", 10_000, 3), of_browser("b", 10_100, 4)]).await;
        append(&mut store, &[both("bob", "b", 10_200, 5)]).await;
        let known = stored(database).await;
        assert_eq!((known[&4].2, known[&5].2), (10_100, 10_000));
        // Of two browsers at once one goes on, in the same call and told at once with the sign-in.
        append(&mut store, &[of_browser("c", 20_000, 6), of_browser("d", 20_010, 7)]).await;
        append(&mut store, &[both("eve", "c", 20_100, 8), both("eve", "d", 20_101, 9)]).await;
        let known = stored(database).await;
        assert_eq!((known[&8].2, known[&9].2), (20_000, 20_000));
        let overlapping = "select count(*) from raw.visit a join raw.visit b using (visitor_id, told_id)
            where a.started_at < b.started_at and a.last_at >= b.started_at";
        assert_eq!(database.count(overlapping).await, 0);
        // A visit that its sender names is of its browser, as it was.
        let named = |told: Sketch| Sketch { visit: Some("v".to_owned()), ..told };
        append(&mut store, &[named(of_browser("f", 0, 10))]).await;
        append(&mut store, &[named(both("fay", "f", 60, 11))]).await;
        let known = stored(database).await;
        assert_eq!(known[&10].1, known[&11].1);
    })
    .await;
}

#[tokio::test]
async fn an_event_shortly_before_its_visit_is_from_its_start_on() {
    with_database(async |database| {
        let mut store = database.store().await;
        let named =
            |seconds, number| Sketch { visit: Some("v".to_owned()), ..of_browser("b", seconds, number) };
        append(&mut store, &[named(60, 1), of_browser("a", 60, 2)]).await;
        append(&mut store, &[named(57, 3), of_browser("a", 57, 4)]).await;
        append(&mut store, &[named(50, 5), of_browser("a", 50, 6)]).await;
        assert_eq!(database.count("select count(*) from raw.visit").await, 2);
        let rows = "select count(distinct (user_id, session_id, session_started_at)) from raw.events";
        assert_eq!(database.count(rows).await, 2);
        let early = "select count(*) from raw.events where occurred_at < session_started_at";
        assert_eq!(database.count(early).await, 0);
        // What is longer before is not what clocks do.
        append(&mut store, &[named(49, 7), of_browser("a", 49, 8)]).await;
        assert_eq!(database.count("select count(*) from raw.visit").await, 4);
    })
    .await;
}
