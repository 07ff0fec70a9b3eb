//! Where users and events come from.

pub mod collector;
pub mod context;
pub mod draft;
pub mod randomuser;
pub mod scrub;
pub mod simulator;
pub mod users;

/// What the source of a record from a file of past events begins with, before the shop's name.
pub const FILE_PREFIX: &str = "file:";
