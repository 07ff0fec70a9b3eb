//! Sources of users and events, and the PostgreSQL store they are kept in.
//!
//! - [`source::randomuser`]: users from the randomuser.me API, or from a local server that speaks the same
//!   JSON, through the same client.
//! - [`source::simulator`]: shoppers' events, causal and seeded, with the exact truth of what was sent.
//! - [`store`]: binary COPY into `raw.events` with repeats counted; users; quarantine. Acknowledged means
//!   committed.
//! - [`quarantine`]: what was set aside, looked at and judged again.
//! - [`rates`]: the dated rates that money is converted with.

pub mod clock;
pub mod quarantine;
pub mod rates;
pub mod source;
pub mod store;
