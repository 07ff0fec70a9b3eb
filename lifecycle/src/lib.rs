//! How data ends: by age, and because a person asks for it.
//!
//! [`retention`] moves the floor up and removes what lies before it; [`erasure`] removes a person and leaves
//! what was counted. Both close the door first, so that nothing comes in again behind them, and may be killed
//! anywhere and run again: what is gone already is not there to be removed.

mod cassandra;
mod checkpoints;
pub mod erasure;
mod error;
mod kafka;
mod repair_lock;
pub mod retention;

pub use error::LifecycleError;
