//! What every test stands on.

mod collector;
mod line;
mod process;
mod topic;
mod wait;

pub use collector::Collector;
pub use line::{Line, Sent, on_services, on_shared_stack, storepulse, until_says};
pub use process::{Ended, Process};
pub use topic::records;
pub use wait::until;
