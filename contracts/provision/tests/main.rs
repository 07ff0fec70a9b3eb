//! Set-up and what it leaves behind, on real services.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod moved;
mod rights;
mod set_up;
mod support;
