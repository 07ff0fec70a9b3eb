//! Two relays.

use relay::RelayState;

use crate::support::{Scene, events};

#[tokio::test(flavor = "multi_thread")]
async fn a_second_relay_stands_by_and_takes_over() {
    let scene = Scene::new("standby").await;
    events::prepare(&scene.pg).await;
    let all = events::events(0..3_000);
    let mut first = scene.start();
    events::copy(&scene.pg, &all[..1_000]).await;
    first.until_events(1_000).await;

    let mut second = scene.start();
    second.until("standing by", |progress| progress.state == RelayState::Standby).await;
    let third = scene.start();
    events::copy(&scene.pg, &all[1_000..2_000]).await;
    first.until_events(2_000).await;
    // One that stands by ends when asked to.
    third.stop().await;
    assert_eq!(second.progress.borrow().state, RelayState::Standby);

    first.stop().await;
    second.until_streaming().await;
    events::copy(&scene.pg, &all[2_000..]).await;
    second.until_events(1_000).await;
    second.stop().await;
    scene.assert_events(&all);
    scene.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_takes_over_from_a_killed_one() {
    let scene = Scene::new("killed").await;
    events::prepare(&scene.pg).await;
    let all = events::events(0..20_000);
    events::copy(&scene.pg, &all).await;
    let first = scene.spawn(Some("relay-after-produce:9000"));
    scene.until_locked().await;
    let mut second = scene.start();
    first.died().await;
    second.until_streaming().await;
    let out = scene.committed_events().len() as u64;
    second.until("all out", |progress| progress.events_out + out >= 20_000).await;
    second.stop().await;
    scene.assert_events(&all);
    scene.remove().await;
}
