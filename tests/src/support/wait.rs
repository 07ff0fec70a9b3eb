//! Waiting for what no event announces.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

/// Long enough for a cold Spark on a machine that others use too.
const DEADLINE: Duration = Duration::from_secs(240);
const POLL: Duration = Duration::from_millis(100);

/// Asks until the answer is there; the error says what was seen instead, and is what a failure shows.
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + DEADLINE;
    let mut poll = interval(POLL);
    poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        poll.tick().await;
        match ask().await {
            Ok(answer) => return answer,
            Err(seen) if Instant::now() > deadline => {
                panic!("not within {} s: {what}; seen instead: {seen}", DEADLINE.as_secs())
            }
            Err(_) => {}
        }
    }
}
