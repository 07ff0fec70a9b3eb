//! Decoder of PostgreSQL's `pgoutput`, protocol 1: committed transactions only, one message at a time.
//!
//! Written by hand from "Logical Replication Message Formats" of the PostgreSQL 15 manual. Every read is
//! checked against the bytes that are there: whatever arrives is decoded or refused, it never panics.
//! Messages borrow from the bytes they were read from.

mod cursor;
mod message;
mod tuple;

pub use cursor::Malformed;
pub use message::{Column, Message, Relation};
pub use tuple::{Cell, Tuple};
