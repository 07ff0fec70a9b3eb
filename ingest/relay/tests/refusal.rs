//! When the relay must not go on.

use contracts::{RelayPosition, publications};
use relay::RelayError;

use crate::support::{Scene, events, until};

/// Runs a relay that is expected to stop by itself, and removes the scene.
async fn refused(scene: Scene) -> RelayError {
    let error = scene.start().refusal().await;
    scene.remove().await;
    error
}

async fn advance_slot(scene: &Scene) {
    events::put_user(&scene.pg, 1, 30).await;
    scene
        .pg
        .execute(
            "select pg_replication_slot_advance($1, pg_current_wal_flush_lsn())",
            &[&scene.config.namespace.slot()],
        )
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_ahead_of_the_position() {
    let scene = Scene::new("ahead").await;
    advance_slot(&scene).await;
    let error = refused(scene).await;
    assert!(matches!(error, RelayError::SlotAhead { .. }), "{error:?}");
    assert!(error.to_string().contains("storepulse rebuild"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_position() {
    let scene = Scene::new("noposition").await;
    scene.erase_position().await;
    let error = scene.start().refusal().await;
    assert!(matches!(error, RelayError::PositionMissing { .. }), "{error:?}");
    advance_slot(&scene).await;
    let error = refused(scene).await;
    assert!(matches!(error, RelayError::PositionLost { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kafka_that_was_wiped() {
    let scene = Scene::new("wiped").await;
    events::prepare(&scene.pg).await;
    let mut relay = scene.start();
    events::copy(&scene.pg, &events::events(0..10)).await;
    relay.until_events(10).await;
    until("the slot is used", async || (scene.confirmed().await > scene.first.lsn).then_some(())).await;
    relay.stop().await;
    scene.remove_topics().await;
    let error = scene.start().refusal().await;
    assert!(matches!(error, RelayError::PositionsTopicMissing { .. }), "{error:?}");
    assert!(error.to_string().contains("storepulse rebuild"), "{error}");

    // Set up again, it is as empty: the slot has been used, and nobody knows up to where.
    scene.create_topics().await;
    let error = refused(scene).await;
    assert!(matches!(error, RelayError::PositionLost { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgresql_that_was_put_back() {
    let scene = Scene::new("putback").await;
    events::prepare(&scene.pg).await;
    let mut relay = scene.start();
    events::copy(&scene.pg, &events::events(0..10)).await;
    relay.until_events(10).await;
    relay.stop().await;
    // As a copy of the data would have it that is a moment older and has gone on since: its log is beyond the
    // position.
    scene.pg.execute("update ops.relay_status set beat = 0", &[]).await.unwrap();
    events::copy(&scene.pg, &events::events(10..20)).await;
    for _ in 0..2 {
        let error = scene.start().refusal().await;
        assert!(matches!(error, RelayError::Restored { .. }), "not even the second time: {error:?}");
    }
    let status = scene.status().await.unwrap();
    assert_eq!(status.state, "stopped");
    assert!(status.detail.contains("storepulse rebuild"), "{status:?}");
    assert_eq!(scene.committed_events().len(), 10);
    scene.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_of_something_else() {
    let scene = Scene::new("mismatch").await;
    let first = scene.first.clone();
    let other = |change: &dyn Fn(&mut RelayPosition)| {
        let mut position = first.clone();
        change(&mut position);
        position
    };
    for (what, position) in [
        ("system identifier", other(&|p| p.system_id = "1".into())),
        ("timeline", other(&|p| p.timeline += 1)),
        ("hash of the publications", other(&|p| p.publication_hash = "0".into())),
        ("generation of the events topic", other(&|p| p.topic_generation += 1)),
        ("id of the generation", other(&|p| p.generation_id = events::user_id(1))),
    ] {
        scene.write_position(&position).await;
        let error = scene.start().refusal().await;
        assert!(matches!(error, RelayError::Mismatch { .. }), "{error:?}");
        assert!(error.to_string().contains(what), "{error}");
    }
    scene.write_position(&other(&|p| p.lsn = u64::MAX >> 1)).await;
    let error = refused(scene).await;
    assert!(matches!(error, RelayError::ServerBehind { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_publication() {
    let scene = Scene::new("publication").await;
    let [events, users] = publications::publications(&scene.config.namespace);
    let set = format!("alter publication {} set (publish = 'insert, update')", users.name);
    scene.pg.batch_execute(&set).await.unwrap();
    let error = scene.start().refusal().await;
    assert!(matches!(error, RelayError::Publication { .. }), "{error:?}");
    assert!(error.to_string().contains("it publishes insert, update, not insert, update, delete"), "{error}");

    let narrow = format!(
        "drop publication {0}; {1}; alter publication {2} set table raw.events (event_id, user_id)",
        users.name,
        users.create_sql(),
        events.name
    );
    scene.pg.batch_execute(&narrow).await.unwrap();
    let error = refused(scene).await;
    assert!(error.to_string().contains("lacks column event_name"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_slot() {
    let scene = Scene::new("slot").await;
    let slot = scene.config.namespace.slot();
    scene.pg.execute("select pg_drop_replication_slot($1)", &[&slot]).await.unwrap();
    let error = scene.start().refusal().await;
    assert!(matches!(error, RelayError::SlotMissing { .. }), "{error:?}");
    let other = "select pg_create_logical_replication_slot($1, 'test_decoding')";
    scene.pg.execute(other, &[&slot]).await.unwrap();
    let error = refused(scene).await;
    assert!(matches!(error, RelayError::SlotForeign { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_of_another_type() {
    let scene = Scene::new("shape").await;
    let [_, users] = publications::publications(&scene.config.namespace);
    let retype = format!(
        "drop publication {0}; alter table raw.users alter age type bigint; {1}",
        users.name,
        users.create_sql()
    );
    scene.pg.batch_execute(&retype).await.unwrap();
    events::put_user(&scene.pg, 1, 30).await;
    let error = refused(scene).await;
    assert!(matches!(error, RelayError::Shape { .. }), "{error:?}");
}
