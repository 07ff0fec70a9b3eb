//! SIGINT and SIGTERM: the first asks for a clean end, the second ends at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Exit code after a second signal: 128 + SIGINT.
const ABORTED: i32 = 130;

/// A token that the first SIGINT or SIGTERM cancels.
///
/// # Errors
/// When the handlers cannot be installed.
pub(crate) fn token() -> anyhow::Result<CancellationToken> {
    let token = CancellationToken::new();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let cancelled = token.clone();
    tokio::spawn(async move {
        let mut asked = false;
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if asked {
                std::process::exit(ABORTED);
            }
            asked = true;
            eprintln!("stopping; repeat the signal to stop at once");
            cancelled.cancel();
        }
    });
    Ok(token)
}
