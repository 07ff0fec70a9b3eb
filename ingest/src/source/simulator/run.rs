//! A run: the generator on a thread of its own, the store or a courier on this task, a short queue between
//! them.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use contracts::User;
use contracts::money::{MoneyError, Rates};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::SOURCE;
use super::config::{ConfigError, Dial, Limit, Pace, Rhythm, RunConfig};
use super::courier::{Courier, CourierError, Delivered};
use super::generator::{Batch, Form, Generator};
use super::market::{self, PRICE_LISTS};
use super::truth::Truth;
use crate::clock::Clock;
use crate::store::{Appended, EncodedRows, MAX_ROWS_PER_COMMIT, Store, StoreError};

/// Batches between generator and store. When it is full the generator waits, and a paced run then sends what
/// it owes in larger batches: nothing grows but the delay, which `ingested_at` shows.
const QUEUED_BATCHES: usize = 4;

/// The most records handed to a courier at once.
const MAX_DELIVERY: usize = 5_000;

/// How far a run is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Records given to the store: committed + repeated + quarantined.
    pub sent: u64,
    /// New rows committed.
    pub committed: u64,
    /// Repeats dropped by the key.
    pub repeated: u64,
    /// Records set aside.
    pub quarantined: u64,
    /// How far the schedule has been generated, in simulated time.
    pub scheduled_to: Option<DateTime<Utc>>,
    /// How far generation is behind its schedule, by the machine's clock.
    pub behind: Duration,
}

/// What a run sent and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What was sent.
    pub truth: Truth,
    /// What PostgreSQL took and dropped.
    pub appended: Appended,
    /// What was set aside.
    pub quarantined: u64,
    /// How long it took, by the machine's clock.
    pub elapsed: Duration,
}

impl Report {
    /// Whether every record sent is committed, repeated or quarantined.
    #[must_use]
    pub const fn is_accounted_for(&self) -> bool {
        self.truth.sent == self.appended.committed + self.appended.repeated + self.quarantined
    }
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// The configuration cannot be run.
    #[error("the simulation cannot start")]
    Config(#[from] ConfigError),
    /// The rates do not hold on the run's first day: every such line would go to quarantine.
    #[error("the rates do not cover the start of the run; give it a newer rates file or another start")]
    Rates(#[source] MoneyError),
    /// PostgreSQL stayed away or refused.
    #[error("events could not be stored")]
    Store(#[from] StoreError),
    /// The courier gave up.
    #[error("events could not be delivered")]
    Courier(#[source] CourierError),
    /// The generator's thread failed.
    #[error("the generator failed, which is a defect")]
    Generator(#[source] tokio::task::JoinError),
}

/// Runs a simulation until its limit or until it is cancelled; either way everything generated is stored
/// first, and the truth covers exactly that.
///
/// # Errors
/// When it cannot start, or the store fails for good.
pub async fn run(
    config: &RunConfig,
    rates: Rates,
    store: &mut Store,
    users: &[User],
    clock: &Clock,
    cancel: &CancellationToken,
    progress: &watch::Sender<Progress>,
) -> Result<Report, SimulateError> {
    check(config, users, clock)?;
    store.settle_base_currency(rates.base()).await?;
    let storing = async |batches: &mut mpsc::Receiver<Batch>| {
        store_all(store, batches, progress).await.map_err(SimulateError::Store)
    };
    drive(config, Form::Rows, rates, users, clock, cancel, progress, storing).await
}

/// As [`run`] by the machine's clock, with a courier in the store's place. Records are judged here too, but
/// only for the truth: what became of them is what the courier says.
///
/// # Errors
/// When it cannot start, or the courier gives up.
pub async fn run_through(
    config: &RunConfig,
    rates: Rates,
    courier: &mut impl Courier,
    users: &[User],
    cancel: &CancellationToken,
    progress: &watch::Sender<Progress>,
) -> Result<Report, SimulateError> {
    let clock = Clock::wall();
    check(config, users, &clock)?;
    let delivering = async |batches: &mut mpsc::Receiver<Batch>| {
        deliver_all(courier, batches, progress).await.map_err(SimulateError::Courier)
    };
    drive(config, Form::Drafts, rates, users, &clock, cancel, progress, delivering).await
}

fn check(config: &RunConfig, users: &[User], clock: &Clock) -> Result<(), ConfigError> {
    config.check(clock)?;
    if users.is_empty() { Err(ConfigError::NoUsers) } else { Ok(()) }
}

/// Generates until the end, while `carry_all` takes the batches to where they belong.
#[expect(clippy::too_many_arguments, reason = "what both kinds of run are made of")]
async fn drive(
    config: &RunConfig,
    form: Form,
    rates: Rates,
    users: &[User],
    clock: &Clock,
    cancel: &CancellationToken,
    progress: &watch::Sender<Progress>,
    carry_all: impl AsyncFnOnce(&mut mpsc::Receiver<Batch>) -> Result<Delivered, SimulateError>,
) -> Result<Report, SimulateError> {
    let start = clock.now();
    check_rates(&rates, users, start)?;
    let began = Instant::now();
    let generator = Generator::new(config, form, rates, users, start);
    let (to_carry, mut batches) = mpsc::channel(QUEUED_BATCHES);
    let driver = Driver {
        generator,
        pace: config.pace,
        clock: clock.clone(),
        cancel: cancel.clone(),
        to_carry,
        progress: progress.clone(),
        start,
        began,
        batch: Batch { rows: EncodedRows::default().from_source(SOURCE), ..Batch::default() },
    };
    let handle = Handle::current();
    let generating = tokio::task::spawn_blocking(move || driver.generate(&handle));

    let carried = carry_all(&mut batches).await;
    // The generator stops at its next batch once nobody takes them.
    drop(batches);
    let truth = generating.await.map_err(SimulateError::Generator)?;
    let Delivered { appended, quarantined } = carried?;
    Ok(Report { truth, appended, quarantined, elapsed: began.elapsed() })
}

/// Events a second that are generated and committed when nothing paces them: what the bench reports.
///
/// # Errors
/// As [`run`].
pub async fn measure_throughput(
    store: &mut Store,
    users: &[User],
    records: u64,
    seed: u64,
) -> Result<f64, SimulateError> {
    let config = RunConfig {
        seed,
        events_per_s: 100_000.0,
        pace: Pace::Unpaced,
        limit: Limit::Records(records),
        rhythm: Rhythm::Flat,
        dial: Dial::default(),
    };
    let clock = Clock::starting_at(Utc::now());
    let (progress, _) = watch::channel(Progress::default());
    let report =
        run(&config, crate::rates::built_in(), store, users, &clock, &CancellationToken::new(), &progress)
            .await?;
    #[expect(clippy::cast_precision_loss, reason = "a count of rows")]
    let committed = report.appended.committed as f64;
    Ok(committed / report.elapsed.as_secs_f64())
}

fn check_rates(rates: &Rates, users: &[User], start: DateTime<Utc>) -> Result<(), SimulateError> {
    for user in users {
        let list = &PRICE_LISTS[market::price_list(user.country)];
        if let Some(currency) = market::currency(list) {
            rates.rate(currency, start.date_naive()).map_err(SimulateError::Rates)?;
        }
    }
    Ok(())
}

async fn store_all(
    store: &mut Store,
    batches: &mut mpsc::Receiver<Batch>,
    progress: &watch::Sender<Progress>,
) -> Result<Delivered, StoreError> {
    let mut total = Delivered::default();
    let mut left_over = None;
    loop {
        let Some(mut batch) = (match left_over.take() {
            Some(batch) => Some(batch),
            None => batches.recv().await,
        }) else {
            return Ok(total);
        };
        // What queued up meanwhile shares the commit.
        while batch.rows.rows() < MAX_ROWS_PER_COMMIT
            && let Ok(Batch { rows, set_aside, .. }) = batches.try_recv()
        {
            batch.set_aside.extend(set_aside);
            if let Err(rows) = batch.rows.merge(rows) {
                left_over = Some(Batch { rows, ..Batch::default() });
                break;
            }
        }
        let appended = store.append_rows(batch.rows).await?;
        total.appended += appended;
        store.quarantine(&batch.set_aside).await?;
        total.quarantined += batch.set_aside.len() as u64 + appended.refused;
        tell(&total, progress);
    }
}

async fn deliver_all(
    courier: &mut impl Courier,
    batches: &mut mpsc::Receiver<Batch>,
    progress: &watch::Sender<Progress>,
) -> Result<Delivered, CourierError> {
    let mut total = Delivered::default();
    while let Some(Batch { mut drafts, .. }) = batches.recv().await {
        while drafts.len() < MAX_DELIVERY
            && let Ok(queued) = batches.try_recv()
        {
            drafts.extend(queued.drafts);
        }
        let delivered = courier.deliver(drafts).await?;
        total.appended += delivered.appended;
        total.quarantined += delivered.quarantined;
        tell(&total, progress);
    }
    Ok(total)
}

fn tell(total: &Delivered, progress: &watch::Sender<Progress>) {
    let Delivered { appended, quarantined } = *total;
    progress.send_modify(|progress| {
        progress.committed = appended.committed;
        progress.repeated = appended.repeated;
        progress.quarantined = quarantined;
        progress.sent = appended.committed + appended.repeated + quarantined;
    });
}

/// The generator's thread.
struct Driver {
    generator: Generator,
    pace: Pace,
    clock: Clock,
    cancel: CancellationToken,
    to_carry: mpsc::Sender<Batch>,
    progress: watch::Sender<Progress>,
    start: DateTime<Utc>,
    began: Instant,
    batch: Batch,
}

impl Driver {
    fn generate(mut self, handle: &Handle) -> Truth {
        let mut batch = std::mem::take(&mut self.batch);
        let flush = |batch: &mut Batch| {
            let rows = EncodedRows::with_capacity(batch.rows.rows()).from_source(SOURCE);
            let fresh = Batch { rows, ..Batch::default() };
            batch.is_empty() || self.to_carry.blocking_send(std::mem::replace(batch, fresh)).is_ok()
        };
        let mut wanted = true;
        while wanted
            && !self.cancel.is_cancelled()
            && let Some(tick) = self.generator.next_tick()
        {
            let behind = match self.pace {
                Pace::Unpaced => None,
                Pace::OpenLoop { speed } => {
                    let due = self.began + in_machine_time(tick.to - self.start, speed);
                    if !handle.block_on(wait_until(due, &self.cancel)) {
                        // The tick's records were never made: the schedule ends before it.
                        self.generator.give_up(&tick);
                        break;
                    }
                    Some(due.elapsed())
                }
            };
            self.clock.advance_to(tick.to);
            let ingested_at = if self.clock.stands_still() { tick.to } else { self.clock.now() };
            wanted = self.generator.fill(&tick, ingested_at, &mut batch, flush);
            // A paced run that keeps up sends each tick at once; otherwise batches fill up.
            if let Some(behind) = behind {
                if behind < KEEPS_UP {
                    wanted &= flush(&mut batch);
                }
                self.progress.send_modify(|progress| progress.behind = behind);
            }
            self.progress.send_modify(|progress| progress.scheduled_to = Some(tick.to));
        }
        if wanted {
            let ingested_at = self.clock.now();
            let _ = self.generator.fill_held(ingested_at, &mut batch, flush) && flush(&mut batch);
        }
        tracing::info!(records = self.generator.sent(), "simulation generated");
        self.generator.into_truth()
    }
}

/// Behind its schedule by less than this, a run counts as keeping up.
const KEEPS_UP: Duration = Duration::from_millis(20);

fn in_machine_time(simulated: chrono::TimeDelta, speed: f64) -> Duration {
    simulated.to_std().unwrap_or(Duration::ZERO).div_f64(speed)
}

/// Waits for a moment; `false` when cancelled first.
async fn wait_until(due: Instant, cancel: &CancellationToken) -> bool {
    tokio::select! {
        biased;
        () = cancel.cancelled() => false,
        () = tokio::time::sleep_until(due.into()) => true,
    }
}
