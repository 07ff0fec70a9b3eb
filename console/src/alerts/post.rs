//! Tells targets what the outbox has for them: each in a task of its own, so that one that is slow holds up
//! no other.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::Utc;
use tokio::sync::Notify;

use super::outbox::{Delivery, Outbox};
use super::send::{self, attempt};
use super::targets::Target;
use crate::app::App;

/// What is to be told, and who waits for it.
pub(crate) struct Post {
    http: reqwest::Client,
    outbox: Mutex<Outbox>,
    /// Something was put in.
    came: Notify,
    /// An attempt has ended.
    settled: Notify,
    /// A silence was made or ended here.
    silenced: Notify,
}

impl Post {
    pub(crate) fn new() -> Result<Self, reqwest::Error> {
        Ok(Self {
            http: send::client()?,
            outbox: Mutex::default(),
            came: Notify::new(),
            settled: Notify::new(),
            silenced: Notify::new(),
        })
    }

    pub(super) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    pub(super) fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something was put in: whoever waits looks again.
    pub(super) fn look(&self) {
        self.came.notify_waiters();
    }

    /// A silence was made or ended: it holds before anything is judged again.
    pub(crate) fn has_silenced(&self) {
        self.silenced.notify_one();
    }

    /// Until that has happened.
    pub(super) async fn silenced(&self) {
        self.silenced.notified().await;
    }

    /// Until an attempt has ended.
    pub(super) async fn settled(&self) {
        self.settled.notified().await;
    }
}

/// Tells one target until the console stops. What is cut off then is told again by whoever is next, under the
/// same key.
pub(super) async fn deliver(app: App, target: Target) {
    loop {
        let came = app.post.came.notified();
        tokio::pin!(came);
        // Before the outbox is looked at: what comes in between is not missed.
        came.as_mut().enable();
        let (due, wait) = due(&app, &target);
        let Some(delivery) = due else {
            tokio::select! {
                () = app.stop.cancelled() => return,
                () = came => {}
                () = tokio::time::sleep(wait) => {}
            }
            continue;
        };
        let attempted = tokio::select! {
            () = app.stop.cancelled() => return,
            attempted = attempt(&app.post.http, &target, &delivery) => attempted,
        };
        tracing::info!(
            target_name = target.name,
            rule = delivery.rule,
            news = delivery.label.news,
            outcome = ?attempted.outcome,
            answer = attempted.answer,
            "an alert was told"
        );
        app.post.outbox().settle(&delivery.label, attempted, Utc::now());
        app.post.settled.notify_one();
    }
}

/// What is due, and how long to wait where nothing is.
fn due(app: &App, target: &Target) -> (Option<Delivery>, Duration) {
    /// An outbox that is empty is looked at again now and then, whatever is missed.
    const IDLE: Duration = Duration::from_secs(60);
    let (outbox, now) = (app.post.outbox(), Utc::now());
    let due = outbox.due(&target.name, now).cloned();
    let wait = outbox.next_at(&target.name).map_or(IDLE, |at| (at - now).to_std().unwrap_or_default());
    (due, wait.clamp(Duration::from_millis(50), IDLE))
}
