//! Where users and events come from.

pub mod collector;
pub mod draft;
pub mod randomuser;
pub mod simulator;
