//! Retention and erasure on the real services, each test in a namespace of its own.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod erasure;
mod migrated;
mod retention;
mod support;
