//! Group commit: what waits is committed together, one group after another.
//!
//! A group is at most a commit's rows. While one is on its way the next gathers, so the more comes the larger
//! the groups. A small group waits a little after the commit before it, because each commit becomes a
//! transaction of Kafka's too; after a pause it does not wait at all.

use std::time::Duration;

use ingest::store::{EncodedRows, MAX_ROWS_PER_COMMIT, SetAside, Store, StoreError};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, timeout_at};

use crate::judged::{Judged, JudgedEvents};
use crate::refusal::Refusal;
use crate::refusals::Refusals;
use crate::verdict::Verdict;
use crate::waiting::{Room, Waiting};

/// A group of as many events is worth a commit of its own.
const WORTH_A_COMMIT: usize = 1_000;
/// How often PostgreSQL is asked whether it is there again when nobody sends.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// Commits all that comes until nobody can send any more, and says on `healthy` whether the store takes it.
pub(crate) async fn write_all(
    store: Store,
    waiting: mpsc::UnboundedReceiver<Waiting>,
    commit_every: Duration,
    healthy: watch::Sender<bool>,
    refusals: &Refusals,
) {
    let (next_small, counted_at) = (Instant::now(), Instant::now());
    let mut writer = Writer { store, waiting, left_over: None, next_small, healthy, refusals, counted_at };
    while let Some(group) = writer.gather().await {
        writer.next_small = Instant::now() + commit_every;
        writer.commit(group).await;
        if refusals.is_due(writer.counted_at) {
            writer.count_refusals().await;
        }
    }
    writer.count_refusals().await;
}

struct Writer<'a> {
    store: Store,
    waiting: mpsc::UnboundedReceiver<Waiting>,
    /// What did not fit into the last group.
    left_over: Option<Waiting>,
    /// When a small group may be committed.
    next_small: Instant,
    healthy: watch::Sender<bool>,
    refusals: &'a Refusals,
    /// When they were last written down.
    counted_at: Instant,
}

/// Requests that share a commit.
#[derive(Default)]
struct Group {
    rows: EncodedRows,
    set_aside: Vec<SetAside>,
    /// In the order of their rows.
    members: Vec<Member>,
    events: usize,
}

struct Member {
    events: JudgedEvents,
    answer: oneshot::Sender<Result<Vec<Verdict>, Refusal>>,
    _room: Room,
}

impl Group {
    /// Takes a request in, or gives it back where it does not fit.
    fn add(&mut self, waiting: Waiting) -> Option<Waiting> {
        let events = waiting.judged.len();
        if self.events + events > MAX_ROWS_PER_COMMIT {
            return Some(waiting);
        }
        let Waiting { judged: Judged { rows, set_aside, events: judged, .. }, answer, _room } = waiting;
        if self.rows.merge(rows).is_err() {
            debug_assert!(false, "there are no more rows than events");
            // Without its rows it must not be acknowledged.
            let _ = answer.send(Err(Refusal::Defect));
            return None;
        }
        self.events += events;
        self.set_aside.extend(set_aside);
        self.members.push(Member { events: judged, answer, _room });
        None
    }
}

impl Writer<'_> {
    /// The next group, or nothing once nobody can send any more.
    async fn gather(&mut self) -> Option<Group> {
        let mut next = match self.left_over.take() {
            Some(waiting) => waiting,
            None => self.next().await?,
        };
        let mut group = Group::default();
        loop {
            if let Some(waiting) = group.add(next) {
                self.left_over = Some(waiting);
                return Some(group);
            }
            next = match self.waiting.try_recv() {
                Ok(waiting) => waiting,
                Err(_) if group.events >= WORTH_A_COMMIT => return Some(group),
                Err(_) => match timeout_at(self.next_small, self.waiting.recv()).await {
                    Ok(Some(waiting)) => waiting,
                    Ok(None) | Err(_) => return Some(group),
                },
            };
        }
    }

    /// Waits for a request; meanwhile finds out when PostgreSQL is there again, and writes down who was
    /// refused.
    async fn next(&mut self) -> Option<Waiting> {
        loop {
            let is_healthy = *self.healthy.borrow();
            tokio::select! {
                biased;
                waiting = self.waiting.recv() => return waiting,
                () = self.refusals.due(self.counted_at), if is_healthy => self.count_refusals().await,
                () = sleep(PROBE_EVERY), if !is_healthy => {
                    let answers = self.store.known(&[]).await.is_ok();
                    self.healthy.send_if_modified(|healthy| std::mem::replace(healthy, answers) != answers);
                }
            }
        }
    }

    /// Counts that cannot be written wait for the next time: they hold up nobody.
    async fn count_refusals(&mut self) {
        let taken = self.refusals.take();
        let refused = taken.requests();
        if !refused.is_empty()
            && let Err(error) = self.store.count_refused_requests(&refused).await
        {
            tracing::warn!(error = &error as &dyn std::error::Error, "refused requests were not counted yet");
            self.refusals.put_back(taken);
        }
        self.counted_at = Instant::now();
    }

    /// What waits behind a group that failed would only fail later, one patience after another.
    fn refuse_waiting(&mut self) {
        let left_over = self.left_over.take();
        for waiting in left_over.into_iter().chain(std::iter::from_fn(|| self.waiting.try_recv().ok())) {
            let _ = waiting.answer.send(Err(Refusal::Unavailable));
        }
    }

    async fn commit(&mut self, group: Group) {
        let Group { rows, set_aside, members, .. } = group;
        let committed = async {
            let told = self.store.append_rows_telling(rows).await?;
            self.store.quarantine(&set_aside).await?;
            Ok::<_, StoreError>(told)
        }
        .await;
        let answers = committed.is_ok();
        self.healthy.send_if_modified(|healthy| std::mem::replace(healthy, answers) != answers);
        let mut told = match committed {
            Ok(told) => told,
            Err(error) => {
                let requests = members.len();
                tracing::error!(error = &error as &dyn std::error::Error, requests, "events were not stored");
                for member in members {
                    // Whoever has gone meanwhile is not acknowledged, which is safe.
                    let _ = member.answer.send(Err(Refusal::Unavailable));
                }
                self.refuse_waiting();
                return;
            }
        };
        for member in members {
            let _ = member.answer.send(Ok(member.events.verdicts(&mut told)));
        }
    }
}
