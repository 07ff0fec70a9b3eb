//! What every test stands on.

mod collector;
mod line;
mod process;
mod topic;
mod turn;
mod wait;

pub use collector::Collector;
pub use line::{
    Line, Sent, alone_on_shared_stack, isolated_stack, on_services, on_shared_stack, storepulse, until_says,
};
pub use process::{Ended, Process};
pub use topic::records;
pub use turn::Turn;
pub use wait::until;
