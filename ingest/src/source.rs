//! Where users and events come from.

pub mod simulator;
