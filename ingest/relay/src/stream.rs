//! The session's core: rows in, Kafka transactions out.
//!
//! It runs in a thread of its own, as the producer's calls block, and the replication client runs on a small
//! runtime in the same thread: handing rows over between threads one by one cost more than everything else
//! together. A Kafka transaction is committed when nothing more has arrived, or when it is full or old; so it
//! is short when the relay is idle and grows with the backlog, because rows pile up while the previous one is
//! committed.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use contracts::RelayPosition;
use futures::FutureExt;
use pgwire_replication::{Lsn, ReplicationClient, ReplicationEvent};
use tokio::runtime::Runtime;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::batch::Batch;
use crate::config::RelayConfig;
use crate::counts::Ledger;
use crate::error::{Fault, Interrupted, RelayError};
use crate::failpoint::{Failpoint, Place};
use crate::generations::Generations;
use crate::kafka::Producer;
use crate::latency::Latency;
use crate::output::{Output, Table, Written};
use crate::pace::{self, Held, Pace};
use crate::pgoutput::Message;
use crate::position;
use crate::progress::Reporter;
use crate::quarantine::{self, Entry};
use crate::tracker::{self, Tracker};

/// How many messages are handled before looking up whether to stop.
const ATTENTION_MESSAGES: u32 = 256;
/// Turns of the runtime after which nothing more is there.
const TURNS: u32 = 4;
/// How long the rows of a backlog gather in the socket before they are taken.
const GATHER: Duration = Duration::from_millis(1);

/// Everything a session needs, in the state that the start order left it.
pub(crate) struct Stream {
    pub(crate) config: Arc<RelayConfig>,
    /// What the client runs on: a runtime of this thread alone.
    pub(crate) runtime: Runtime,
    pub(crate) client: ReplicationClient,
    pub(crate) producer: Producer,
    pub(crate) position: RelayPosition,
    pub(crate) generations: Generations,
    /// Cancelled when others are in force.
    pub(crate) changed: (CancellationToken, DropGuard),
    /// What is counted as committed.
    pub(crate) ledger: Ledger,
    pub(crate) pg: Arc<tokio_postgres::Client>,
    pub(crate) cancel: CancellationToken,
    pub(crate) lost: CancellationToken,
    /// The last beat that PostgreSQL has acknowledged.
    pub(crate) beat: Arc<AtomicI64>,
    pub(crate) reporter: Reporter,
}

struct Core {
    config: Arc<RelayConfig>,
    runtime: Runtime,
    client: ReplicationClient,
    producer: Producer,
    /// The last position that is committed.
    position: RelayPosition,
    position_value: Vec<u8>,
    positions_topic: String,
    ledger: Ledger,
    pg: Arc<tokio_postgres::Client>,
    cancel: CancellationToken,
    lost: CancellationToken,
    /// Other generations are in force.
    changed: CancellationToken,
    beat: Arc<AtomicI64>,
    reporter: Reporter,
    output: Output,
    tracker: Tracker,
    batch: Batch,
    latency: Latency,
    failpoint: Failpoint,
    /// When the transaction being delivered was committed in PostgreSQL.
    commit_time_us: i64,
    pace: Pace,
}

enum Next {
    Event(ReplicationEvent),
    Quiet,
    Cancelled,
    Changed,
}

/// Runs until the end is asked for or something fails. Blocks.
pub(crate) fn run(stream: Stream) -> Result<(), Fault> {
    let Stream {
        config,
        runtime,
        client,
        producer,
        mut position,
        generations,
        ledger,
        changed: (changed, _watching),
        pg,
        cancel,
        lost,
        beat,
        reporter,
    } = stream;
    let place = tracker::Place {
        lsn: position.lsn,
        partial_lsn: position.partial_lsn,
        partial_rows: u64::try_from(position.partial_rows).unwrap_or(0),
    };
    let newest = generations.newest();
    let first_of_generation = position.topic_generation != newest.number;
    (position.topic_generation, position.generation_id) = (newest.number, newest.id);
    let mut core = Core {
        output: Output::new(&config, &generations),
        positions_topic: config.namespace.positions_topic(),
        config,
        client,
        producer,
        position,
        position_value: Vec::new(),
        ledger,
        pg,
        cancel,
        lost,
        changed,
        beat,
        reporter,
        runtime,
        tracker: Tracker::new(place),
        batch: Batch::default(),
        latency: Latency::new(),
        failpoint: Failpoint::from_env(),
        commit_time_us: 0,
        pace: Pace::new(Instant::now()),
    };
    // From this transaction on the new generation is complete, and its position says so.
    let result = if first_of_generation { core.commit() } else { Ok(()) }.and_then(|()| core.pump());
    if result.is_err() {
        core.producer.abort();
    }
    result
}

impl Core {
    fn pump(&mut self) -> Result<(), Fault> {
        let mut handled = 0u32;
        loop {
            match self.next()? {
                Next::Event(event) => {
                    self.handle(event)?;
                    if pace::is_full(&self.config.limits, self.batch.rows, self.batch.bytes) {
                        self.commit()?;
                    }
                    handled = handled.wrapping_add(1);
                    if handled.is_multiple_of(ATTENTION_MESSAGES) {
                        if self.lost.is_cancelled() {
                            return Err(Interrupted::LockLost.into());
                        }
                        if self.changed.is_cancelled() {
                            return self.give_way();
                        }
                        if self.cancel.is_cancelled() {
                            return self.finish();
                        }
                        if pace::is_old(&self.config.limits, &self.held(), Instant::now()) {
                            self.commit()?;
                        }
                    }
                }
                Next::Quiet => {
                    if self.pace.is_due(&self.config.limits, &self.held(), Instant::now()) {
                        self.commit()?;
                    }
                }
                Next::Cancelled => return self.finish(),
                Next::Changed => return self.give_way(),
            }
        }
    }

    /// What has arrived, or what to do when nothing arrives for as long as it is worth waiting.
    fn next(&mut self) -> Result<Next, Fault> {
        if let Some(received) = self.client.recv().now_or_never() {
            return event(received?);
        }
        if self.batch.rows >= self.config.limits.eager_rows {
            // PostgreSQL sends row by row; taking them as they come would cost two switches of threads a row.
            std::thread::sleep(GATHER);
        }
        let patience = self.pace.patience(&self.config.limits, &self.held(), Instant::now());
        let Self { client, cancel, lost, changed, runtime, .. } = self;
        runtime.block_on(async {
            tokio::select! {
                biased;
                () = cancel.cancelled() => Ok(Next::Cancelled),
                () = changed.cancelled() => Ok(Next::Changed),
                () = lost.cancelled() => Err(Interrupted::LockLost.into()),
                received = client.recv() => event(received?),
                () = wait(patience) => Ok(Next::Quiet),
            }
        })
    }

    fn held(&self) -> Held {
        Held {
            opened: self.batch.opened,
            rows: self.batch.rows,
            in_transaction: self.tracker.in_transaction(),
            moved: self.has_moved(),
        }
    }

    /// Whether the log went on without rows for us.
    fn has_moved(&self) -> bool {
        self.tracker.place().lsn > self.position.lsn
    }

    fn handle(&mut self, event: ReplicationEvent) -> Result<(), Fault> {
        match event {
            ReplicationEvent::XLogData { data, .. } => self.message(&data)?,
            ReplicationEvent::Begin { final_lsn, commit_time_micros, .. } => {
                self.tracker.begin(final_lsn.as_u64())?;
                self.commit_time_us = commit_time_micros;
            }
            ReplicationEvent::Commit { lsn, end_lsn, commit_time_micros } => {
                let rows = self.tracker.commit(lsn.as_u64(), end_lsn.as_u64())?;
                self.batch.complete(commit_time_micros, rows);
            }
            ReplicationEvent::KeepAlive { wal_end, reply_requested, .. } => {
                self.tracker.idle(wal_end.as_u64())?;
                if reply_requested {
                    self.pace.asked();
                }
            }
            // Messages that applications put into the log are not ours; no stop was asked for.
            ReplicationEvent::Message { .. } | ReplicationEvent::StoppedAt { .. } => {}
        }
        Ok(())
    }

    fn message(&mut self, data: &[u8]) -> Result<(), Fault> {
        let near = self.tracker.near();
        let message = Message::decode(data).map_err(|source| RelayError::Message { near, source })?;
        match &message {
            Message::Insert { .. } | Message::Update { .. } | Message::Delete { .. } => {
                if self.tracker.row()? {
                    self.row(&message, data)?;
                }
            }
            Message::Relation(relation) => self.output.relation(relation)?,
            Message::Truncate { relations } => {
                return Err(RelayError::Truncated { tables: self.output.names(relations) }.into());
            }
            // The boundaries come as events of their own.
            Message::Begin { .. } | Message::Commit { .. } | Message::Origin | Message::Type => {}
        }
        Ok(())
    }

    fn row(&mut self, row: &Message<'_>, data: &[u8]) -> Result<(), Fault> {
        let written = self.output.write(&mut self.producer, row)?;
        self.batch.row();
        match written {
            Written::Out { table, bytes, ingested_at_us } => {
                self.batch.produced(table, bytes);
                if let Some(ingested_at_us) = ingested_at_us {
                    self.ledger.produced(ingested_at_us);
                }
                self.failpoint.reach(Place::AfterProduce);
            }
            Written::Refused { table, ingested_at_us, error } => {
                self.batch.quarantined();
                if table == Table::Events {
                    self.ledger.quarantined(ingested_at_us, self.commit_time_us);
                }
                let (transaction, number) = self.tracker.row_number();
                let coordinates = format!("{}/{number}", Lsn::from_u64(transaction));
                tracing::warn!(%error, coordinates, "row cannot be published; quarantined");
                let (size_bytes, sha256) = quarantine::fingerprint(data);
                let entry = Entry {
                    source: &self.config.namespace.slot(),
                    coordinates: &coordinates,
                    reason: contracts::Reason::UndecodableRow,
                    detail: &contracts::cause::chain(&error),
                    payload: Some(data),
                    size_bytes,
                    sha256: &sha256,
                };
                // Before the position passes it: a crash repeats the row, and the repeat is ignored.
                self.runtime
                    .block_on(quarantine::store(&self.pg, &entry))
                    .map_err(Interrupted::Quarantine)?;
            }
        }
        Ok(())
    }

    /// Commits what is in the transaction together with its counts and the position that says so, then tells
    /// PostgreSQL.
    fn commit(&mut self) -> Result<(), Fault> {
        let began = Instant::now();
        let place = self.tracker.place();
        self.ledger.write(&mut self.producer)?;
        self.position.lsn = place.lsn;
        self.position.partial_lsn = place.partial_lsn;
        self.position.partial_rows = i64::try_from(place.partial_rows).unwrap_or(i64::MAX);
        position::encode(&self.position, self.config.assigned.position_schema_id, &mut self.position_value);
        self.producer.send(
            &self.positions_topic,
            self.position.slot.as_bytes(),
            Some(&self.position_value),
            &position::headers(self.beat.load(Ordering::Relaxed)),
        )?;
        self.failpoint.reach(Place::BeforeKafkaCommit);
        self.producer.commit()?;
        self.failpoint.reach(Place::AfterKafkaCommit);
        self.client.update_applied_lsn(Lsn::from_u64(place.lsn));
        let now = Instant::now();
        self.pace.committed(began, now);
        let (rows, bytes) = (self.batch.rows, self.batch.bytes);
        tracing::trace!(rows, bytes, took = ?self.pace.last_commit_took(), "transaction committed");
        self.batch.committed(place.lsn, now, &mut self.latency, &self.reporter);
        Ok(())
    }

    /// Ends in good order so that the next session begins with the generations now in force.
    fn give_way(&mut self) -> Result<(), Fault> {
        self.finish()?;
        Err(Interrupted::OtherGenerations.into())
    }

    /// Commits what is there, or aborts it; either way the next start goes on rightly.
    fn finish(&mut self) -> Result<(), Fault> {
        if (self.batch.opened.is_some() || self.has_moved())
            && let Err(fault) = self.commit()
        {
            tracing::warn!(
                ?fault,
                "last transaction not committed; its rows are delivered again at the next start"
            );
            self.producer.abort();
        }
        Ok(())
    }
}

/// Waits, but at least until the replication client has had its turn to take what lies in the socket.
async fn wait(patience: Duration) {
    if patience.is_zero() {
        // Each turn of the runtime looks at its sockets once; the client then needs one to read.
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
        }
    } else {
        tokio::time::sleep(patience).await;
    }
}

fn event(received: Option<ReplicationEvent>) -> Result<Next, Fault> {
    received.map(Next::Event).ok_or(Fault::Retry(Interrupted::ReplicationEnded))
}
