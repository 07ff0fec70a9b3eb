//! The relay on real services: each test has a database, a slot and topics of its own.

#![allow(missing_docs, unreachable_pub, reason = "a test binary has no readers")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking, in its helpers too")]

mod crash;
mod flow;
mod guard;
mod indefinite;
mod outages;
mod quarantine;
mod refusal;
mod replaced;
mod restart;
mod standby;
mod support;
mod users;
