//! What every test stands on.

mod line;
mod process;
mod topic;
mod wait;

pub(crate) use line::{Line, Sent, on_services, on_shared_stack};
pub(crate) use process::{Ended, Process};
pub(crate) use topic::records;
pub(crate) use wait::until;
