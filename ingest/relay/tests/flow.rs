//! Rows in, records out.

use crate::support::{Scene, events};

#[tokio::test(flavor = "multi_thread")]
async fn every_row_becomes_one_record_in_order_per_user() {
    let scene = Scene::new("flow").await;
    events::prepare(&scene.pg).await;
    let all = events::events(0..5_000);
    // Some before the relay starts, some while it runs, in transactions of several sizes.
    events::copy(&scene.pg, &all[..1_000]).await;
    let mut relay = scene.start();
    relay.until_streaming().await;
    let mut rest = &all[1_000..];
    for size in [1, 2, 997, 3_000] {
        let (transaction, later) = rest.split_at(size);
        events::copy(&scene.pg, transaction).await;
        rest = later;
    }
    assert!(rest.is_empty());
    let progress = relay.until_events(5_000).await;
    assert_eq!((progress.events_out, progress.rows_quarantined), (5_000, 0));
    relay.stop().await;
    scene.assert_events(&all);
    scene.remove().await;
}
