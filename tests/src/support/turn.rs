//! Whose turn it is: tests on the shared stack mostly wait, so two of them run side by side; one that stops
//! services, measures them or starts a stack of its own runs alone.

use tokio::sync::{Semaphore, SemaphorePermit};

/// The cluster has one executor: more jobs at once would only time each other out.
const SIDE_BY_SIDE: u32 = 2;

static TURNS: Semaphore = Semaphore::const_new(SIDE_BY_SIDE as usize);

/// Ends with the test that has it.
pub struct Turn {
    _permit: SemaphorePermit<'static>,
}

impl Turn {
    /// Waits until at most one other test runs.
    pub async fn beside_another() -> Self {
        Self::of(1).await
    }

    /// Waits until no other test runs, and lets none begin.
    pub async fn alone() -> Self {
        Self::of(SIDE_BY_SIDE).await
    }

    async fn of(turns: u32) -> Self {
        // Nobody closes it.
        Self { _permit: TURNS.acquire_many(turns).await.unwrap() }
    }
}
