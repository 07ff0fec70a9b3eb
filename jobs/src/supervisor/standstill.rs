//! Waiting while somebody wants the job to stand still. The supervisor stays, and keeps the lease, so that
//! whoever starts processes does not undo it and there is somebody to tell that it may go on.

use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Reporter, told};
use crate::lease::{Hold, Lost};
use crate::progress::{JobProgress, JobState};

/// How often PostgreSQL is asked whether it may go on.
const POLL: Duration = Duration::from_secs(1);

/// What comes after it.
pub(super) enum Next {
    /// To run.
    Run {
        /// The wishes for a restart so far: the next submission answers them.
        restart_no: i64,
        /// Whether it stood still before.
        was_held: bool,
    },
    /// To end.
    End,
    /// Another supervisor has it.
    Lost(Lost),
}

/// Returns when the job is to run, at once where nobody holds it.
pub(super) async fn until_wanted(
    cancel: &CancellationToken,
    progress: &watch::Sender<JobProgress>,
    reporter: &mut Reporter<'_>,
    hold: &Hold,
) -> Next {
    let mut poll = tokio::time::interval(POLL);
    poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut was_held = false;
    loop {
        let asked = reporter.report(progress).await;
        if asked.stop {
            return Next::End;
        }
        let Some(why) = asked.held else {
            if was_held {
                told(progress, JobState::Starting, String::new());
            }
            return Next::Run { restart_no: asked.restart_no, was_held };
        };
        was_held = true;
        progress.send_if_modified(|job| {
            let changed = job.state != JobState::Held || job.detail != why;
            (job.state, job.detail) = (JobState::Held, why);
            changed
        });
        // The first one comes at once, so that the state is told without delay.
        tokio::select! {
            () = cancel.cancelled() => return Next::End,
            lost = hold.lost() => return Next::Lost(lost),
            _ = poll.tick() => {}
        }
    }
}
