//! Chaos: whatever dies or stands still under load, each event counts once.
//!
//! A [`Plan`] follows from its seed alone. [`run`] lets it befall a line of processes on a stack of its own,
//! brings back what a supervisor of processes would bring back, and measures after each fault how long it
//! takes from there until a fresh event is in Cassandra. At the end everything drains, and [`Verdict`]
//! compares PostgreSQL with Kafka and with Cassandra.

mod fault;
mod flow;
mod harness;
mod keeper;
mod plan;
mod report;
mod verdict;

pub use fault::{Fault, Place, Victim};
pub use harness::{Settings, arm, run};
pub use plan::{Plan, Round};
pub use report::{Recovered, Report, TARGET};
pub use verdict::{Committed, Verdict, committed_ids};
