//! What was set aside, looked at and judged again.
//!
//! - [`judge()`] says what a record is by today's rules, from its bytes alone: a draft by
//!   [`accept`](contracts::validation::accept), a user by the parser that read the page, a Kafka record by
//!   the contract's decoder and [`readmit`](contracts::validation::readmit).
//! - [`replay()`] judges all that is open and stores what passes. Each event counts once, however often it is
//!   replayed: the key of `raw.events` decides, and the event and the mark on its row are one transaction.
//!   Ids and money of an event stay as they were; `ingested_at` is the time of the replay, when it really
//!   comes in, so that an old one is late and left to reconciliation.
//! - [`describe()`] shows a record's bytes to a person, without what a terminal would obey.

mod describe;
mod judge;
mod replay;

pub use describe::{Payload, describe};
pub use judge::{Rules, judge};
pub use replay::{Example, Plan, Replayed, replay};
