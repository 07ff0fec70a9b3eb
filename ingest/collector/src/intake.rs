//! What both protocols have in common: room in the queue, judgement, and the wait for the commit.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use contracts::event::Currency;
use contracts::money::Rates;
use contracts::validation::Rejection;
use ingest::clock::Clock;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::gate::{Caller, Gate};
use crate::hooks::Delivery;
use crate::in_shop::InShop;
use crate::item::Item;
use crate::judged::{self, Judged};
use crate::limits::Limits;
use crate::record::SenderRecord;
use crate::refusal::Refusal;
use crate::verdict::Verdict;
use crate::waiting::{Room, Waiting};

/// Bytes that count as an event: some times what a real one has.
const EVENT_WORTH_BYTES: usize = 2048;

/// Requests at a time whose bodies are read before anybody knows whose they are.
const STRANGERS: usize = 16;

/// What takes events in, whatever the protocol.
#[derive(Debug)]
pub(crate) struct Intake {
    pub(crate) gate: Gate,
    pub(crate) limits: Limits,
    pub(crate) stopping: CancellationToken,
    rates: Rates,
    clock: Clock,
    /// A permit for each event that may wait for its commit.
    room: Arc<Semaphore>,
    /// Unbounded, because whatever is in it has its room.
    to_writer: mpsc::UnboundedSender<Waiting>,
    /// Whether the store takes what the writer has.
    healthy: watch::Receiver<bool>,
    /// A permit for each request whose key stands in its body.
    pub(crate) strangers: Semaphore,
}

/// The verdicts of a request, once its commit is through.
#[derive(Debug)]
pub(crate) struct Pending(oneshot::Receiver<Result<Vec<Verdict>, Refusal>>);

impl Intake {
    pub(crate) fn new(
        gate: Gate,
        limits: Limits,
        rates: Rates,
        clock: Clock,
        stopping: CancellationToken,
        to_writer: mpsc::UnboundedSender<Waiting>,
        healthy: watch::Receiver<bool>,
    ) -> Self {
        let room = Arc::new(Semaphore::new(limits.queued_events));
        let strangers = Semaphore::new(STRANGERS);
        Self { gate, limits, stopping, rates, clock, room, to_writer, healthy, strangers }
    }

    /// Room for so many events now, or a refusal with the time to wait.
    pub(crate) fn room(&self, caller: &Caller, events: usize, bytes: usize) -> Result<Room, Refusal> {
        let permits = self.permits(caller, events)?;
        // Before the rate is counted: who is refused for want of room has sent nothing.
        let room = Arc::clone(&self.room).try_acquire_many_owned(permits).map_err(|_| Refusal::Busy)?;
        caller.key.take(cost(permits, bytes)).map_err(|retry_after| Refusal::TooFast { retry_after })?;
        Ok(Room::of(room))
    }

    /// Room for so many events as soon as there is some: who calls this reads nothing more meanwhile.
    pub(crate) async fn room_later(
        &self,
        caller: &Caller,
        events: usize,
        bytes: usize,
    ) -> Result<Room, Refusal> {
        let permits = self.permits(caller, events)?;
        let room = async {
            while let Err(wait) = caller.key.take(cost(permits, bytes)) {
                tokio::time::sleep(wait).await;
            }
            Arc::clone(&self.room).acquire_many_owned(permits).await.map_err(|_| Refusal::Stopping)
        };
        tokio::select! {
            biased;
            room = room => Ok(Room::of(room?)),
            () = self.stopping.cancelled() => Err(Refusal::Stopping),
            () = caller.key.revoked() => Err(Refusal::Revoked),
        }
    }

    /// What the clock says that events are judged by.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// What money is converted into.
    pub(crate) const fn base_currency(&self) -> Currency {
        self.rates.base()
    }

    /// Whether events are stored now.
    pub(crate) fn is_serving(&self) -> bool {
        *self.healthy.borrow() && !self.stopping.is_cancelled()
    }

    /// What a record of a foreign request would be refused for, without storing any of it.
    pub(crate) fn rejections(&self, caller: &Caller, item: &Item) -> Vec<Rejection> {
        let Item::Records(records) = item else { return Vec::new() };
        let shop = caller.key.shop();
        let refused = records.iter().filter_map(|record| {
            let accepted = judged::accept(
                &InShop { record: record.clone(), shop },
                &caller.source,
                self.now(),
                &self.rates,
                self.limits.event_bytes,
                None,
            );
            accepted.err()
        });
        refused.collect()
    }

    /// How much room so many events take; none where the key was revoked while they came. While PostgreSQL is
    /// away nobody is left to wait for it: the writer finds out when it is there again.
    fn permits(&self, caller: &Caller, events: usize) -> Result<u32, Refusal> {
        if caller.key.is_revoked() {
            return Err(Refusal::Revoked);
        }
        if !*self.healthy.borrow() {
            return Err(Refusal::Unavailable);
        }
        let limit = self.limits.request_events;
        match u32::try_from(events) {
            Ok(permits) if events <= limit => Ok(permits),
            _ => Err(Refusal::TooManyEvents { limit }),
        }
    }

    /// Judges records and hands them to the writer. Takes milliseconds for thousands: not for a thread that
    /// polls.
    pub(crate) fn judge<T: SenderRecord>(
        &self,
        caller: &Caller,
        room: Room,
        records: impl ExactSizeIterator<Item = T>,
    ) -> Result<Pending, Refusal> {
        let now = self.clock.now();
        self.hand_over(self.judged(caller, now, records, self.limits.event_bytes), room)
    }

    /// The same for a foreign request. There is a verdict for each of its records, in their order, and none
    /// for the others or for the starts of visits.
    pub(crate) fn judge_items(
        &self,
        caller: &Caller,
        room: Room,
        items: Vec<Item>,
    ) -> Result<Pending, Refusal> {
        let now = self.clock.now();
        let judged = self.judged_items(caller, now, items, self.limits.event_bytes)?;
        self.hand_over(judged, room)
    }

    /// The same for a webhook, which may tell an order as it is.
    pub(crate) fn judge_delivery(
        &self,
        caller: &Caller,
        room: Room,
        delivery: Delivery,
    ) -> Result<Pending, Refusal> {
        let now = self.clock.now();
        // A delivery is as large as all of its lines; its body was held to the limit of a request.
        let judged = self.judged_items(caller, now, delivery.items, usize::MAX)?;
        let judged = match delivery.order {
            Some(order) => {
                judged.with_order(*order, &caller.source, now, &self.rates, self.limits.event_bytes)
            }
            None => judged,
        };
        self.hand_over(judged, room)
    }

    fn judged_items(
        &self,
        caller: &Caller,
        now: DateTime<Utc>,
        items: Vec<Item>,
        event_bytes: usize,
    ) -> Result<Judged, Refusal> {
        let (mut records, mut others, mut starts) = (Vec::new(), Vec::new(), Vec::new());
        for item in items {
            match item {
                Item::Records(mapped) => records.extend(mapped),
                Item::Other(other) => others.push(*other),
                Item::Seen(other, start) => {
                    others.push(*other);
                    starts.push(start);
                }
            }
        }
        let mut judged = self.judged(caller, now, records.into_iter(), event_bytes);
        for start in starts {
            let user_agent = caller.user_agent.as_deref();
            let start = judged::accept(&*start, &caller.source, now, &self.rates, event_bytes, user_agent);
            if !judged.take_start(start, caller.country) {
                return Err(Refusal::TooManyEvents { limit: self.limits.request_events });
            }
        }
        Ok(judged.with_others(others, &caller.source, now))
    }

    fn judged<T: SenderRecord>(
        &self,
        caller: &Caller,
        now: DateTime<Utc>,
        records: impl ExactSizeIterator<Item = T>,
        event_bytes: usize,
    ) -> Judged {
        let (country, user_agent) = (caller.country, caller.user_agent.as_deref());
        let shop = caller.key.shop();
        let records = records.map(|record| InShop { record, shop });
        Judged::new(records, &caller.source, now, &self.rates, event_bytes, country, user_agent)
    }

    fn hand_over(&self, judged: Judged, room: Room) -> Result<Pending, Refusal> {
        let (answer, pending) = oneshot::channel();
        let waiting = Waiting { judged, answer, _room: room };
        self.to_writer.send(waiting).map_err(|_| Refusal::Stopping)?;
        Ok(Pending(pending))
    }
}

/// What a request counts for against the rate of its key, in events: many bytes count as many events.
fn cost(events: u32, bytes: usize) -> u32 {
    events.max(u32::try_from(bytes.div_ceil(EVENT_WORTH_BYTES)).unwrap_or(u32::MAX))
}

impl Pending {
    /// Waits for the commit.
    pub(crate) async fn verdicts(self) -> Result<Vec<Verdict>, Refusal> {
        // The writer answers all that it takes unless it dies.
        self.0.await.unwrap_or(Err(Refusal::Defect))
    }
}

/// Runs what takes the processor for milliseconds beside the threads that poll.
pub(crate) async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "a request failed");
        Err(Refusal::Defect)
    })
}
