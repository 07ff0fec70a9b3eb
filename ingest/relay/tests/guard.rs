//! What others see of a relay, and the warning before a slot is lost.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use relay::guard::{self, GuardLimits, WalStatus};
use relay::quarantine::QuarantineProgress;
use relay::{RelayError, RelayState};
use stack::{Service, Silent};
use tokio::sync::watch;
use tokio_postgres::Client;

use crate::support::running::Running;
use crate::support::{DEADLINE, Scene, connect, events, until};

/// What else stands in the row.
#[derive(Debug)]
struct More {
    reported_at: DateTime<Utc>,
    state_since: DateTime<Utc>,
    latency_us: Option<(i64, i64)>,
    quarantine: Option<(String, String)>,
}

async fn more(scene: &Scene) -> Option<More> {
    let select = "select reported_at, state_since, latency_p50_us, latency_p99_us, quarantine_state, quarantine_detail \
                  from ops.relay_status where slot = $1";
    let row = scene.pg.query_opt(select, &[&scene.config.namespace.slot()]).await.unwrap()?;
    let quarantine: Option<String> = row.get(4);
    Some(More {
        reported_at: row.get(0),
        state_since: row.get(1),
        latency_us: row.get::<_, Option<i64>>(2).zip(row.get(3)),
        quarantine: quarantine.map(|state| (state, row.get(5))),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_reports_what_it_does() {
    let scene = Scene::new("reports").await;
    events::prepare(&scene.pg).await;
    assert_eq!(scene.status().await, None);
    let (quarantine, progress) = watch::channel(QuarantineProgress::default());
    quarantine.send_modify(|quarantine| quarantine.state = RelayState::Streaming);
    let mut relay = Running::start(&scene.config.clone().with_quarantine(progress));
    events::copy(&scene.pg, &events::events(0..100)).await;
    relay.until_events(100).await;
    let reported =
        async || scene.status().await.filter(|status| status.streams() && status.events_out == 100);
    let status = until("the relay reports its 100 events", reported).await;
    assert_eq!(status.holder, contracts::process_name::this());
    assert!(status.committed_lsn.is_some_and(|lsn| lsn <= status.server_lsn), "{status:?}");

    // Latencies, the quarantine beside it, and since when all that is so: the same after further reports.
    let more = async || more(&scene).await.filter(|more| more.latency_us.is_some());
    let first = until("the relay reports its latency", more).await;
    let (p50, p99) = first.latency_us.unwrap();
    assert!(0 < p50 && p50 <= p99, "{p50} {p99}");
    assert_eq!(first.quarantine, Some(("streaming".to_owned(), String::new())));
    let why = "kafka is away".to_owned();
    quarantine.send_modify(|quarantine| quarantine.state = RelayState::Reconnecting { why });
    let reconnecting = Some(("reconnecting".to_owned(), "kafka is away".to_owned()));
    let told = async || self::more(&scene).await.filter(|more| more.quarantine == reconnecting);
    let later = until("the quarantine's trouble is in the status", told).await;
    assert!(later.reported_at > first.reported_at);
    assert_eq!(later.state_since, first.state_since);

    // One that stands by leaves the row to its holder.
    let mut second = scene.start();
    second.until("standing by", |progress| progress.state == RelayState::Standby).await;
    second.stop().await;
    assert!(scene.status().await.unwrap().streams());

    relay.stop().await;
    let status = scene.status().await.unwrap();
    assert_eq!(status.state, "stopped");
    assert!(!status.streams());
    let stopped = self::more(&scene).await.unwrap();
    assert!(stopped.state_since > later.state_since, "{stopped:?}");

    let slot = scene.config.namespace.slot();
    scene.pg.execute("select pg_drop_replication_slot($1)", &[&slot]).await.unwrap();
    scene.start().refusal().await;
    let status = scene.status().await.unwrap();
    assert!(status.detail.contains("storepulse rebuild"), "{status:?}");
    scene.pg.execute("select pg_create_logical_replication_slot($1, 'pgoutput')", &[&slot]).await.unwrap();
    scene.remove().await;
}

/// Log of this many MiB that holds nothing for us.
async fn write_log(client: &Client, mib: i32) {
    let write =
        "select pg_logical_emit_message(false, 'load', repeat('x', 1 << 20)) from generate_series(1, $1)";
    client.execute(write, &[&mib]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warning_comes_before_the_slot_is_lost() {
    let stack = stack::isolated(&[Service::Postgres], Arc::new(Silent)).await.unwrap();
    let mut scene = Scene::on_postgres("lostslot", &stack).await;
    scene.config.limits.guard = GuardLimits { retained_bytes: 24 << 20, safe_percent: 50 };
    scene.pg.batch_execute("alter system set max_slot_wal_keep_size = '96MB'").await.unwrap();
    scene.pg.batch_execute("select pg_reload_conf()").await.unwrap();
    events::prepare(&scene.pg).await;
    let mut relay = scene.start();
    relay.until_streaming().await;
    assert_eq!(relay.progress.borrow().warning, None);

    // A transaction that stays open holds back the log of a relay that does its work.
    let open = connect(&scene.config.pg_url).await;
    open.batch_execute("begin; select pg_current_xact_id()").await.unwrap();
    write_log(&scene.pg, 32).await;
    events::copy(&scene.pg, &events::events(0..100)).await;
    relay.until_events(100).await;
    let kind = |wanted: &'static str| {
        move |progress: &relay::RelayProgress| {
            progress.warning.is_some_and(|warning| warning.kind() == wanted)
        }
    };
    relay.until("warned of the log kept", kind("retained_log")).await;
    write_log(&scene.pg, 32).await;
    relay.until("warned of the log left", kind("safe_log_below")).await;
    let slot = scene.config.namespace.slot();
    let select = "select warning = 'safe_log_below' from ops.relay_status where slot = $1";
    let warned = async || {
        let warned: Option<bool> = scene.pg.query_one(select, &[&slot]).await.unwrap().get(0);
        (warned == Some(true)).then_some(())
    };
    until("the warning is in the status", warned).await;
    relay.stop().await;

    // Nobody listens, and nobody relays: load goes on until a checkpoint gives the slot up.
    let lost = async {
        loop {
            write_log(&scene.pg, 16).await;
            scene.pg.batch_execute("checkpoint").await.unwrap();
            let (health, _) = guard::look(&scene.pg, &slot).await.unwrap();
            if health.unwrap().wal_status == WalStatus::Lost {
                return;
            }
        }
    };
    tokio::time::timeout(DEADLINE, lost).await.unwrap();
    let error = scene.start().refusal().await;
    assert!(matches!(error, RelayError::SlotLost { .. }), "{error:?}");
    assert!(error.to_string().contains("storepulse rebuild"), "{error}");
    let status = scene.status().await.unwrap();
    assert!(status.state == "stopped" && status.detail.contains("is lost"), "{status:?}");
    drop(open);
    scene.remove_topics().await;
}
