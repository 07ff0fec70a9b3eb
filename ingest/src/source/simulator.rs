//! A causal, seeded shopper simulator.
//!
//! Shoppers come from `raw.users`. A visit starts, looks at lists and products, fills a cart, checks out,
//! pays and buys (a line a product, sharing the order's id); some lines are paid back in a later visit. The
//! seed fixes everything but time; ids hold the run's start, and with a virtual clock two runs are identical
//! to the bit.
//!
//! The rate is exact: the schedule of events is fixed first, and each slot of it goes to the visit that has
//! waited longest, or to a new visit when nobody is due. The daily rhythm decides *who* shops, by the local
//! hour of each country; only [`Rhythm::Daily`] moves the total too, around the same average.
//!
//! A run reports the exact [`Truth`] of what it sent, counted from the accepted events themselves.

mod catalogue;
mod config;
mod courier;
mod dice;
mod disturb;
mod floor;
mod generator;
mod market;
mod population;
mod run;
mod truth;
mod visit;

pub use config::{ConfigError, Dial, Limit, Pace, Rhythm, RunConfig};
pub use courier::{Courier, CourierError, Delivered};
pub use run::{Progress, Report, SimulateError, measure_throughput, run, run_through};
pub use truth::{Measures, Truth};

/// What the simulator calls itself in `raw.quarantine` and in re-keyed ids.
pub const SOURCE: &str = "simulator";
