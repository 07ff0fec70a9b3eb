//! PostgreSQL: where uniqueness is decided, once.
//!
//! - **Acknowledged means committed.** A method returns after the commit; `synchronous_commit` stays on.
//! - **A repeat is counted and dropped** by the key of `raw.events`, within a batch too.
//! - **An id that is made of a source's id claims it** (`identity`): with another time it is a repeat all the
//!   same. Events that bring a UUIDv7 of their time claim nothing, and cost nothing for it.
//! - **Counts stay exact when the connection dies in a commit.** Every transaction knows its own id before it
//!   commits; after reconnecting, `pg_xact_status` tells whether it did, and only a transaction that did not
//!   is sent again.
//! - **A file moves on with its rows**: how far a file of past events was read is committed with what was
//!   read.
//! - **What is counted is what is committed**: each transaction adds its counts, by minute, to `ops.ledger`.
//! - **What is before the retention floor or about an erased person is set aside in the same commit**,
//!   without its bytes.
//! - **What has no place in the figures** is kept in `raw.other_events`, in the same commit (`other_events`).
//! - **A refund pays back what is left** of its order (`orders`); one of a whole order becomes one of each
//!   line whose purchase is stored.
//! - **What a sender left open is told by PostgreSQL** (`visitors`) before the rows are made: whose an event
//!   is, its visit, and what is known of the user. A batch in which nothing is open costs nothing for it.
//! - A transaction holds at most [`MAX_ROWS_PER_COMMIT`] rows, so that the relay can follow.
//!
//! The store connects again by itself, with back-off, for at most its [patience](Store::with_patience).

mod admission;
mod appended;
mod base_currency;
mod committed;
mod connection;
mod error;
mod events;
mod files;
mod held;
mod identity;
mod orders;
mod other_events;
mod outcome;
mod quarantine;
mod quarantined;
mod refused_requests;
mod replay;
mod rows;
mod screening;
mod shape;
mod shared_line;
mod shop_order;
mod tally;
mod user_facts;
mod users;
mod visit_starts;
mod visitors;

pub use admission::Refused;
pub use appended::Appended;
pub use committed::{Committed, Fresh};
pub use connection::Store;
pub use error::StoreError;
pub use files::{FileKey, FileState, FileStep, Passed};
pub use other_events::{Kept, OtherEvent, OtherKind, OtherNames};
pub use quarantine::{SetAside, kept_once};
pub use quarantined::{Count, Filter, Outcome, Quarantined};
pub use refused_requests::RefusedRequests;
pub use replay::{Judgement, Verdict};
pub use rows::{EncodedRows, MAX_ROWS_PER_COMMIT};
pub use shape::UsersShape;
pub use shop_order::{
    LineRefund, Share, ShopLine, ShopOrder, ShopRefund, ShopSums, UnreadLine, UnreadRefund,
};
pub use user_facts::{UserFacts, UserStatement};
pub use users::{Upserted, UserRecord};
