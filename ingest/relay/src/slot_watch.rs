//! Beside a session: looks at the slot every second, warns, and reports.
//!
//! It uses the session that holds the lock, so that one relay reports at a time, and notices when that
//! session no longer answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

use crate::error::Fault;
use crate::guard::{self, GuardLimits};
use crate::lock::Lock;
use crate::progress::Reporter;
use crate::status::Desk;

/// How often the slot is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// How long the last report of a session may take.
const LAST_REPORT: Duration = Duration::from_secs(1);

/// Watches until it is ended or dropped.
pub(crate) struct SlotWatch {
    watcher: Watcher,
    done: CancellationToken,
    task: Option<JoinHandle<()>>,
}

/// What looks and reports.
#[derive(Clone)]
pub(crate) struct Watcher {
    client: Arc<Client>,
    lost: CancellationToken,
    desk: Arc<Desk>,
    limits: GuardLimits,
    /// Whether reports take beats.
    beating: Arc<AtomicBool>,
    /// The last beat that PostgreSQL has acknowledged.
    beat: Arc<AtomicI64>,
    reporter: Reporter,
}

impl SlotWatch {
    pub(crate) fn begin(lock: &Lock, desk: &Arc<Desk>, limits: GuardLimits, reporter: &Reporter) -> Self {
        let watcher = Watcher {
            client: lock.client(),
            lost: lock.lost(),
            desk: Arc::clone(desk),
            limits,
            beating: Arc::default(),
            beat: Arc::default(),
            reporter: reporter.clone(),
        };
        let done = CancellationToken::new();
        let task = tokio::spawn(watcher.clone().run(done.clone()));
        Self { watcher, done, task: Some(task) }
    }

    /// The same that looks, for a session that has passed its checks.
    pub(crate) fn watcher(&self) -> Watcher {
        self.watcher.clone()
    }

    /// Reports for the last time, if PostgreSQL answers.
    pub(crate) async fn end(&mut self, detail: &str) {
        self.done.cancel();
        let last = async {
            if let Some(task) = self.task.take() {
                // A panic in it was reported by the runtime.
                let _ = task.await;
            }
            self.watcher.report(detail).await
        };
        if !matches!(tokio::time::timeout(LAST_REPORT, last).await, Ok(Ok(()))) {
            tracing::debug!("how the session ended is not reported");
        }
    }
}

impl Drop for SlotWatch {
    fn drop(&mut self) {
        self.done.cancel();
    }
}

impl Watcher {
    /// From now on reports take beats, beginning with one that is committed when this returns: a PostgreSQL
    /// put back to any state before this session knows of none of its beats.
    pub(crate) async fn begin_beats(&self) -> Result<Arc<AtomicI64>, Fault> {
        self.beating.store(true, Ordering::Relaxed);
        self.report("").await?;
        Ok(Arc::clone(&self.beat))
    }

    async fn run(self, done: CancellationToken) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = done.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let watched = async {
                self.look().await?;
                self.report("").await
            };
            let watched = tokio::select! {
                () = done.cancelled() => return,
                watched = watched => watched,
            };
            if let Err(error) = watched {
                tracing::debug!(%error, "lock session does not answer");
                self.lost.cancel();
                return;
            }
        }
    }

    async fn look(&self) -> Result<(), tokio_postgres::Error> {
        let (slot, end) = guard::look(&self.client, &self.desk.slot).await?;
        let warning = slot.and_then(|slot| guard::judge(&slot, &self.limits));
        let mut before = None;
        self.reporter.update(|progress| {
            progress.server_lsn = end;
            progress.slot = slot;
            before = std::mem::replace(&mut progress.warning, warning);
        });
        let kind = |warning: Option<guard::Warning>| warning.map(|warning| warning.kind());
        if kind(before) != kind(warning) {
            match warning {
                Some(warning) => tracing::warn!(slot = self.desk.slot, kind = warning.kind(), "{warning}"),
                None => tracing::info!(slot = self.desk.slot, "the slot is out of danger"),
            }
        }
        Ok(())
    }

    async fn report(&self, detail: &str) -> Result<(), tokio_postgres::Error> {
        let beating = self.beating.load(Ordering::Relaxed);
        let beat = self.desk.report(&self.client, &self.reporter.snapshot(), detail, beating).await?;
        self.beat.fetch_max(beat, Ordering::Relaxed);
        Ok(())
    }
}
