//! Another PostgreSQL under the same name.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use contracts::RelayPosition;
use relay::RelayError;
use stack::{Service, Silent, Stack};

use crate::support::{Scene, events};

#[tokio::test(flavor = "multi_thread")]
async fn a_postgresql_that_was_made_anew() {
    let scene = Scene::new("anew").await;
    let stack = stack::isolated(&[Service::Postgres], Arc::new(Silent)).await.unwrap();
    let anew = Scene::on_postgres("anew2", &stack).await;
    // Set up in full, but Kafka still has the position of the one before it.
    let kept = RelayPosition { system_id: scene.first.system_id.clone(), ..anew.first.clone() };
    anew.write_position(&kept).await;
    let error = anew.start().refusal().await;
    let RelayError::Mismatch { what, .. } = &error else { panic!("{error:?}") };
    assert_eq!(*what, "PostgreSQL's system identifier");
    assert!(error.to_string().contains("storepulse rebuild"), "{error}");
    anew.remove_topics().await;
    scene.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgresql_that_was_restored_from_a_copy() {
    let stack = stack::isolated(&[Service::Postgres], Arc::new(Silent)).await.unwrap();
    let mut scene = Scene::on_postgres("restored", &stack).await;
    events::prepare(&scene.pg).await;
    let all = events::events(0..3_000);
    let mut relay = scene.start();
    events::copy(&scene.pg, &all[..1_000]).await;
    relay.until_events(1_000).await;
    relay.stop().await;
    let data: String = scene.pg.query_one("show data_directory", &[]).await.unwrap().get(0);
    let copy = Copy { data: data.into() };
    cold(&stack, &mut scene, || copy.take()).await;

    let mut relay = scene.start();
    events::copy(&scene.pg, &all[1_000..2_000]).await;
    relay.until_events(1_000).await;
    relay.stop().await;
    let position = scene.position().lsn;

    // Put back, its log ends before the position.
    cold(&stack, &mut scene, || copy.put_back()).await;
    assert!(scene.server_end().await < position);
    let error = scene.start().refusal().await;
    assert!(matches!(error, RelayError::ServerBehind { .. }), "{error:?}");

    // Grown past it, the log alone looks well: what was accepted meanwhile would be taken for what is out.
    events::copy(&scene.pg, &all[2_000..]).await;
    let write =
        "select pg_logical_emit_message(false, 'load', repeat('x', 1 << 20)) from generate_series(1, 4)";
    scene.pg.execute(write, &[]).await.unwrap();
    scene.pg.batch_execute("checkpoint").await.unwrap();
    assert!(scene.server_end().await > position);
    for _ in 0..2 {
        let error = scene.start().refusal().await;
        assert!(matches!(error, RelayError::Restored { .. }), "{error:?}");
        assert!(error.to_string().contains("storepulse rebuild"), "{error}");
    }
    assert_eq!(scene.committed_events().len(), 2_000);
    scene.remove_topics().await;
}

/// Does something while PostgreSQL is down.
async fn cold(stack: &Stack, scene: &mut Scene, work: impl FnOnce()) {
    stack.stop(Service::Postgres, Arc::new(Silent)).await.unwrap();
    work();
    stack.start(Service::Postgres, Arc::new(Silent)).await.unwrap();
    scene.reconnect().await;
}

/// A cold copy of a cluster's files, beside them.
struct Copy {
    data: PathBuf,
}

impl Copy {
    fn path(&self) -> PathBuf {
        self.data.with_extension("copy")
    }

    fn take(&self) {
        // With owners and modes, which PostgreSQL insists on.
        let status = Command::new("cp").arg("-a").arg(&self.data).arg(self.path()).status().unwrap();
        assert!(status.success());
    }

    fn put_back(&self) {
        fs::remove_dir_all(&self.data).unwrap();
        fs::rename(self.path(), &self.data).unwrap();
    }
}
