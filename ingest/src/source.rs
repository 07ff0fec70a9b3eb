//! Where users and events come from.

pub mod randomuser;
pub mod simulator;
