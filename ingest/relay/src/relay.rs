//! Sessions, one after the other: the start order, and what follows a failure.

use std::sync::Arc;
use std::time::Instant;

use contracts::cause::chain;
use contracts::namespace::RELAY_LOCK;
use pgwire_replication::{Lsn, ReplicationClient, ReplicationConfig};
use tokio::sync::watch;
use tokio_postgres::config::Host;
use tokio_util::sync::CancellationToken;

use crate::backoff::Waits;
use crate::checks;
use crate::config::RelayConfig;
use crate::counts::Ledger;
use crate::error::{Fault, Interrupted, RelayError};
use crate::generations;
use crate::kafka::Producer;
use crate::lock::Lock;
use crate::position;
use crate::progress::{RelayProgress, RelayState, Reporter};
use crate::slot_watch::{SlotWatch, Watcher};
use crate::status::Desk;
use crate::stream::{self, Stream};

/// A row of ours is far below 1 MiB; the bound keeps one message from taking all memory.
const MESSAGE_BYTES_MAX: usize = 16 << 20;
/// How soon a new confirmation is sent.
const STATUS_INTERVAL: std::time::Duration = std::time::Duration::from_millis(500);

/// Relays until `cancel`, reconnecting through failures, and tells its progress to `progress`.
///
/// On `cancel` the open transaction is committed (or aborted, if Kafka does not answer within seconds) and
/// the lock is released.
///
/// # Errors
/// Only when going on could lose or repeat rows or needs a decision; see [`RelayError`].
pub async fn run(
    config: RelayConfig,
    cancel: CancellationToken,
    progress: watch::Sender<RelayProgress>,
) -> Result<(), RelayError> {
    let config = Arc::new(config);
    let reporter = Reporter::new(progress);
    let mut pg: tokio_postgres::Config =
        config.pg_url.parse().map_err(|_| RelayError::Url { reason: "it cannot be parsed" })?;
    pg.application_name("storepulse-relay").keepalives_idle(std::time::Duration::from_secs(10));
    let replication = replication_config(&config, &pg)?;
    let mut waits = Waits::new(config.limits.backoff_max);
    let desk = Arc::new(Desk::new(config.namespace.slot(), config.quarantine.clone()));
    while !cancel.is_cancelled() {
        reporter.state(RelayState::Starting);
        let began = Instant::now();
        match session(&config, &pg, &replication, &desk, &cancel, &reporter).await {
            Ok(()) => break,
            Err(Fault::Stop(error)) => {
                reporter.state(RelayState::Stopped);
                return Err(error);
            }
            Err(Fault::Retry(Interrupted::OtherGenerations)) => {
                tracing::info!("another generation of the events topic is in force; going on with it");
            }
            Err(Fault::Retry(interrupted)) => {
                let why = chain(&interrupted);
                let wait = waits.after(began);
                tracing::warn!(why, wait_ms = wait.as_millis(), "relay interrupted; starting again");
                reporter.state(RelayState::Reconnecting { why });
                tokio::select! {
                    () = cancel.cancelled() => {}
                    () = tokio::time::sleep(wait) => {}
                }
            }
        }
    }
    reporter.state(RelayState::Stopped);
    Ok(())
}

/// The start order, then the stream. `Ok` means that the end was asked for.
async fn session(
    config: &Arc<RelayConfig>,
    pg: &tokio_postgres::Config,
    replication: &ReplicationConfig,
    desk: &Arc<Desk>,
    cancel: &CancellationToken,
    reporter: &Reporter,
) -> Result<(), Fault> {
    let key = config.namespace.advisory_lock(RELAY_LOCK);
    let acquired = Lock::acquire(pg, key, cancel, reporter).await.inspect_err(|_| count_restart(reporter));
    let Some(lock) = acquired? else { return Ok(()) };
    let mut watch = SlotWatch::begin(&lock, desk, config.limits.guard, reporter);

    let start = Start {
        config: Arc::clone(config),
        replication: replication.clone(),
        pg: lock.client(),
        cancel: cancel.clone(),
        lost: lock.lost(),
        watcher: watch.watcher(),
        reporter: reporter.clone(),
    };
    // The producer's calls block, from fencing to the last commit.
    let result = match tokio::task::spawn_blocking(move || stream::run(start.run()?)).await {
        Ok(result) => result,
        Err(error) => Err(Interrupted::Thread(error).into()),
    };
    let detail = match &result {
        Ok(()) => {
            reporter.state(RelayState::Stopped);
            String::new()
        }
        Err(Fault::Stop(error)) => {
            reporter.state(RelayState::Stopped);
            chain(error)
        }
        Err(Fault::Retry(interrupted)) => {
            count_restart(reporter);
            reporter.state(RelayState::Reconnecting { why: chain(interrupted) });
            String::new()
        }
    };
    // While the lock is still held: nobody else reports meanwhile.
    watch.end(&detail).await;
    result
}

/// Counts before the last report of a session, so that it is in it.
fn count_restart(reporter: &Reporter) {
    reporter.update(|progress| {
        progress.restarts += 1;
        progress.awaiting_kafka_since = None;
    });
}

/// What the start order needs once the lock is held.
struct Start {
    config: Arc<RelayConfig>,
    replication: ReplicationConfig,
    pg: Arc<tokio_postgres::Client>,
    cancel: CancellationToken,
    lost: CancellationToken,
    watcher: Watcher,
    reporter: Reporter,
}

impl Start {
    /// Fences, reads position and counts, checks, starts replication. Blocks.
    fn run(self) -> Result<Stream, Fault> {
        let Self { config, mut replication, pg, cancel, lost, watcher, reporter } = self;
        let producer = Producer::open(&config, cancel.clone(), reporter.clone())?;
        // Only now is it certain that no older relay commits another one.
        let stored = position::read(&config)?;
        let ledger = Ledger::read(&config)?;
        if let Some(stored) = &stored {
            replication = replication.with_start_lsn(Lsn::from_u64(stored.position.lsn));
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Interrupted::Runtime)?;
        let (client, server, position, generations, beat) = runtime.block_on(async {
            // The session that is asked who it is is the one that will stream.
            let mut client = ReplicationClient::connect_gated(replication).await?;
            let server = client.identify_system().await?;
            let (position, generations) = checks::check(&pg, &config, &server, stored).await?;
            // Only from here on: a beat of PostgreSQL as it was before the checks would hide that it is an
            // older one.
            let beat = watcher.begin_beats().await?;
            client.start().await?;
            client.wait_started().await?;
            Ok::<_, Fault>((client, server, position, generations, beat))
        })?;
        for generation in generations.all() {
            producer.find(&config.namespace.events_topic(generation.number))?;
        }
        producer.find(&config.namespace.users_topic())?;
        tracing::info!(
            lsn = %Lsn::from_u64(position.lsn),
            partial_rows = position.partial_rows,
            "relay streams from its position"
        );
        reporter.update(|progress| {
            progress.state = RelayState::Streaming;
            progress.awaiting_kafka_since = None;
            progress.committed_lsn = position.lsn;
            progress.server_lsn = server.xlogpos.as_u64();
        });
        // On the runtime around, not on the one of this thread, which runs only while the stream waits.
        let changed = generations::watch(Arc::clone(&pg), generations.clone());
        Ok(Stream {
            config,
            runtime,
            client,
            producer,
            position,
            generations,
            ledger,
            changed,
            pg,
            cancel,
            lost,
            beat,
            reporter,
        })
    }
}

fn replication_config(
    config: &RelayConfig,
    pg: &tokio_postgres::Config,
) -> Result<ReplicationConfig, RelayError> {
    let need = |reason| RelayError::Url { reason };
    let user = pg.get_user().ok_or(need("it names no user"))?;
    let database = pg.get_dbname().ok_or(need("it names no database"))?;
    let password = std::str::from_utf8(pg.get_password().unwrap_or_default())
        .map_err(|_| need("its password is not UTF-8"))?;
    let host = match pg.get_hosts() {
        [Host::Tcp(host)] => host.clone(),
        #[cfg(unix)]
        [Host::Unix(directory)] => directory.to_string_lossy().into_owned(),
        _ => return Err(need("it must name exactly one host")),
    };
    let namespace = &config.namespace;
    let publications = [namespace.events_publication(), namespace.users_publication()];
    Ok(ReplicationConfig::new(host, user, password, database, namespace.slot(), publications)
        .with_port(pg.get_ports().first().copied().unwrap_or(5432))
        .with_binary(true)
        .with_buffer_size(config.limits.buffered_messages)
        .with_status_interval(STATUS_INTERVAL)
        .with_wakeup_interval(std::time::Duration::from_secs(5))
        .with_max_message_size(MESSAGE_BYTES_MAX)
        .with_application_name("storepulse-relay"))
}
