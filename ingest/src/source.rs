//! Where users and events come from.

pub mod draft;
pub mod randomuser;
pub mod simulator;
