//! What follows from the circumstances of an event: device, channel, and whether a program sent it.
//!
//! Pure functions of what browsers and shops tell anyway. Each answers nothing rather than a guess: what nobody knows is stored as unknown.

mod bot;
mod channel;
mod device;

pub use bot::is_bot;
pub use channel::{Group, Origin, channel, group};
pub use device::device;

#[cfg(test)]
mod tests;
