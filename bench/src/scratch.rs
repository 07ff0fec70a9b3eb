//! Namespaces that come and go, also where somebody asks a benchmark to end: their slots and topics would
//! stay in a stack that others use.

use std::sync::atomic::{AtomicBool, Ordering};

use contracts::endpoints::Endpoints;
use tokio::signal::unix::{SignalKind, signal};

/// Whether a signal is answered here.
static AT_WORK: AtomicBool = AtomicBool::new(false);

/// The end of what was interrupted and has cleaned up.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub(crate) struct Interrupted;

/// Runs something in a namespace of its own, and removes that after, also after a signal.
pub(crate) async fn in_scratch_namespace<T>(
    services: &Endpoints,
    body: impl AsyncFnOnce(Endpoints) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let interruptible = async |endpoints: Endpoints| {
        tokio::select! {
            done = body(endpoints) => done,
            signal = interrupted() => {
                signal?;
                Err(Interrupted.into())
            }
        }
    };
    AT_WORK.store(true, Ordering::Relaxed);
    let ended = provision::in_scratch_namespace(services, interruptible).await;
    AT_WORK.store(false, Ordering::Relaxed);
    ended?
}

/// Whether the first signal makes something end by itself.
pub(crate) fn answers_signals() -> bool {
    AT_WORK.load(Ordering::Relaxed)
}

/// The next signal that asks to end.
pub(crate) async fn interrupted() -> anyhow::Result<()> {
    let [mut interrupt, mut terminate, mut hangup] =
        [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?];
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}
