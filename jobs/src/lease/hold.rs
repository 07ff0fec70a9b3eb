//! Taking the lease, and keeping it in the background for as long as it is held.

use std::sync::Arc;
use std::time::{Duration, Instant};

use contracts::secret::Address;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

use super::register::{self, Seen};
use super::{Lease, Lost, RENEW_EVERY, Tenure};
use crate::control::{self, ControlError};

/// How often one who waits looks at the row: PostgreSQL tells nobody when a lease expires.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How soon a renewal that failed is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How long PostgreSQL may take; a server that hangs must not cost more than one renewal.
const ANSWER: Duration = Duration::from_secs(3);

/// What to do while another holds the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Give up as soon as the holder renews; wait out one that is silent.
    UntilRenewed,
    /// Wait for as long as it takes, also while PostgreSQL is away.
    StandBy,
}

/// How asking for a lease ended.
#[derive(Debug)]
pub enum Acquired {
    /// It is ours.
    Held(Hold),
    /// Its holder is alive.
    Busy(Lease),
    /// The end was asked for first.
    Cancelled,
}

/// Takes a job's lease, once it is free.
///
/// `waiting` hears of the lease in the way, each time it is looked at.
///
/// # Errors
/// When PostgreSQL cannot be used; when standing by, only if it never could.
pub async fn acquire(
    pg_url: &str,
    job: &'static str,
    patience: Patience,
    cancel: &CancellationToken,
    mut waiting: impl FnMut(&Lease),
) -> Result<Acquired, ControlError> {
    let holder = contracts::process_name::this();
    let mut client = control::connect(pg_url).await?;
    let mut first: Option<Lease> = None;
    loop {
        let asked_at = Instant::now();
        let attempt = tokio::select! {
            () = cancel.cancelled() => return Ok(Acquired::Cancelled),
            attempt = tokio::time::timeout(ANSWER, try_take(&client, job, &holder)) => attempt,
        };
        match attempt {
            Ok(Ok(Attempt::Taken(lease))) => {
                let tenure = Tenure::since(asked_at);
                return Ok(Acquired::Held(Hold::begin(pg_url, job, client, lease.fencing, tenure)));
            }
            Ok(Ok(Attempt::Held(lease))) => {
                waiting(&lease);
                let first = first.get_or_insert_with(|| lease.clone());
                if patience == Patience::UntilRenewed && *first != lease {
                    return Ok(Acquired::Busy(lease));
                }
            }
            Ok(Err(error)) if patience == Patience::UntilRenewed || first.is_none() => return Err(error),
            Ok(Err(_)) | Err(_) => {
                tracing::warn!("postgresql does not answer, waiting for it and the job's lease");
                if let Ok(Ok(again)) = tokio::time::timeout(ANSWER, control::connect(pg_url)).await {
                    client = again;
                }
            }
        }
        tokio::select! {
            () = cancel.cancelled() => return Ok(Acquired::Cancelled),
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

enum Attempt {
    Taken(Lease),
    Held(Lease),
}

async fn try_take(client: &Client, job: &str, holder: &str) -> Result<Attempt, ControlError> {
    loop {
        let Seen { lease, now } = register::ensured(client, job).await?;
        let Some(taken) = lease.taken(holder, now) else { return Ok(Attempt::Held(lease)) };
        if register::replace(client, job, &lease, &taken).await? {
            return Ok(Attempt::Taken(taken));
        }
    }
}

/// Where a holder stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Standing {
    Held(Tenure),
    Lost(Lost),
}

/// A lease that is being renewed. [Release](Self::release) it; one that is dropped is released in the
/// background.
#[derive(Debug)]
pub struct Hold {
    fencing: i64,
    standing: watch::Receiver<Standing>,
    hurry: Arc<Notify>,
    done: CancellationToken,
    keeper: Option<JoinHandle<()>>,
}

impl Hold {
    fn begin(pg_url: &str, job: &'static str, client: Client, fencing: i64, tenure: Tenure) -> Self {
        let (sender, standing) = watch::channel(Standing::Held(tenure));
        let hurry = Arc::new(Notify::new());
        let done = CancellationToken::new();
        let keeper = Keeper {
            pg_url: pg_url.into(),
            job,
            fencing,
            client: Some(client),
            standing: sender,
            hurry: Arc::clone(&hurry),
            done: done.clone(),
        };
        Self { fencing, standing, hurry, done, keeper: Some(tokio::spawn(keeper.run())) }
    }

    /// The number of this hold.
    #[must_use]
    pub const fn fencing(&self) -> i64 {
        self.fencing
    }

    /// Whether nobody else can have the lease at this moment.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        matches!(&*self.standing.borrow(), Standing::Held(tenure) if tenure.is_valid(Instant::now()))
    }

    /// Renews, and returns once PostgreSQL has granted it: for as long as PostgreSQL is away, this waits.
    ///
    /// # Errors
    /// When another holder has the job.
    pub async fn confirm(&self) -> Result<(), Lost> {
        let since = Instant::now();
        self.hurry.notify_one();
        self.await_standing(|standing| match standing {
            Standing::Held(tenure) if tenure.renewed_since(since) => Some(Ok(())),
            Standing::Held(_) => None,
            Standing::Lost(lost) => Some(Err(lost.clone())),
        })
        .await
    }

    /// Returns when another holder has the job.
    pub async fn lost(&self) -> Lost {
        self.await_standing(|standing| match standing {
            Standing::Held(_) => None,
            Standing::Lost(lost) => Some(lost.clone()),
        })
        .await
    }

    async fn await_standing<T>(&self, mut wanted: impl FnMut(&Standing) -> Option<T>) -> T {
        let mut standing = self.standing.clone();
        loop {
            if let Some(answer) = wanted(&standing.borrow_and_update()) {
                return answer;
            }
            if standing.changed().await.is_err() {
                // The keeper ends only when the lease is lost, which was seen above, or given up by us.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Frees the lease for the next one, if it is still ours and PostgreSQL answers; otherwise it expires.
    pub async fn release(mut self) {
        self.done.cancel();
        if let Some(keeper) = self.keeper.take() {
            // It has a deadline of its own; a panic in it was reported by the runtime.
            let _ = keeper.await;
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.done.cancel();
    }
}

/// Renews until the lease is lost or given up.
struct Keeper {
    pg_url: Address,
    job: &'static str,
    fencing: i64,
    client: Option<Client>,
    standing: watch::Sender<Standing>,
    hurry: Arc<Notify>,
    done: CancellationToken,
}

impl Keeper {
    async fn run(mut self) {
        let mut pause = RENEW_EVERY;
        loop {
            tokio::select! {
                biased;
                () = self.done.cancelled() => return self.release().await,
                () = self.hurry.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
            let asked_at = Instant::now();
            pause = match self.change(Lease::renewed).await {
                Ok(Ok(())) => {
                    self.standing.send_replace(Standing::Held(Tenure::since(asked_at)));
                    RENEW_EVERY
                }
                Ok(Err(lost)) => {
                    self.standing.send_replace(Standing::Lost(lost));
                    return;
                }
                Err(why) => {
                    if pause == RENEW_EVERY {
                        tracing::warn!(job = self.job, why, "lease not renewed; tried again until it is");
                    }
                    self.client = None;
                    RETRY_AFTER
                }
            };
        }
    }

    /// Rewrites the row by one of the rules; the inner error says that it is another's.
    async fn change(
        &mut self,
        rule: impl Fn(&Lease, i64, chrono::DateTime<chrono::Utc>) -> Option<Lease>,
    ) -> Result<Result<(), Lost>, String> {
        let work = async {
            let client = match self.client.take() {
                Some(client) if !client.is_closed() => client,
                _ => control::connect(&self.pg_url).await?,
            };
            let changed = loop {
                let Seen { lease, now } = register::ensured(&client, self.job).await?;
                let Some(new) = rule(&lease, self.fencing, now) else {
                    break Err(Lost { holder: lease.holder, fencing: lease.fencing });
                };
                if register::replace(&client, self.job, &lease, &new).await? {
                    break Ok(());
                }
            };
            self.client = Some(client);
            Ok::<_, ControlError>(changed)
        };
        match tokio::time::timeout(ANSWER, work).await {
            Ok(Ok(changed)) => Ok(changed),
            Ok(Err(error)) => Err(format!("{error}: {}", error.source)),
            Err(_) => Err(format!("postgresql did not answer within {} s", ANSWER.as_secs())),
        }
    }

    async fn release(mut self) {
        match self.change(Lease::released).await {
            Ok(_) => {}
            Err(why) => tracing::warn!(job = self.job, why, "lease not released; it expires by itself"),
        }
    }
}
