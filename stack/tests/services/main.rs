//! The stack on real services: small ones of its own for what breaks them, the shared one for the rest.

#![expect(
    clippy::unwrap_used,
    reason = "a panic with its place is how a test reports; clippy spares only the test functions themselves"
)]

mod isolated;
mod shared;
