//! Rows in, records out.

use std::sync::Arc;

use contracts::endpoints::Endpoints;
use relay::RelayConfig;

use crate::support::running::Running;
use crate::support::{self, Scene, events};

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

/// The set-up command and the relay were written apart; here they meet.
#[tokio::test(flavor = "multi_thread")]
async fn what_set_up_provides_is_what_the_relay_needs() {
    let stack = stack::shared(Arc::new(stack::Silent)).await.unwrap();
    let services = Endpoints::from_variables(&stack.env().unwrap()).unwrap();
    let body = async |endpoints: Endpoints| {
        provision::apply(&endpoints).await.unwrap();
        let provisioned = provision::load(&endpoints).await.unwrap();
        let pg = support::connect(&endpoints.pg_url).await;
        events::prepare(&pg).await;
        events::copy(&pg, &events::events(0..100)).await;
        let mut relay = Running::start(&RelayConfig::new(&endpoints, provisioned.assigned));
        relay.until_events(100).await;
        relay.stop().await;
        // It may be run again over a relay's work.
        assert_eq!(provision::apply(&endpoints).await.unwrap(), provisioned);
    };
    provision::in_scratch_namespace(&services, body).await.unwrap();
}
