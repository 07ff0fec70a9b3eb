//! Waiting for what no event announces.

use std::time::Duration;

/// Long enough for a cold Spark on a machine that others use too.
const DEADLINE: Duration = Duration::from_secs(240);

/// Asks until the answer is there; the error says what was seen instead, and is what a failure shows.
pub async fn until<T>(what: &str, ask: impl AsyncFnMut() -> Result<T, String>) -> T {
    stack::until(what, DEADLINE, ask).await
}
