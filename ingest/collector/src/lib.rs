//! Real events over gRPC and HTTP, into the one validation and the one store.
//!
//! - **Acknowledged means committed.** A request is answered after the commit that holds its events, each
//!   with its own [`Verdict`]; those of one request are committed together. What is not answered may be sent
//!   again: the key of `raw.events` drops what was there, and its verdict says so.
//! - **Group commit.** Requests are judged side by side and committed one group after another (`writer`).
//! - **Nothing grows.** Requests at a time, their bytes, events a request, bytes an event, events in the
//!   queue, connections, and events a second of a key are bounded ([`Limits`]); events are counted before
//!   they are read. What is too fast is refused with the time to wait, or, on a stream, read more slowly.
//!   Each name of a key has a share of its own (`share`).
//! - A rejected event goes to `raw.quarantine`, under its sender's name and the digest of its bytes, so that
//!   sending it again adds nothing. A request that cannot be read at all is refused as a whole and kept
//!   nowhere.
//! - Keys are compared in constant time and known only by their digests ([`keys`]). Their file is followed
//!   ([`KeyFile`]): a key whose line goes is refused within two seconds, and its open streams end. There is
//!   no TLS here: a proxy in front ends it, and by default both ports listen on 127.0.0.1.
//!
//! Both protocols are thin: `grpc` and `http` read a request into records that can be `SenderRecord`, and
//! hand them to the `intake`.

mod bucket;
mod client;
mod connections;
mod ga4;
mod gate;
mod grpc;
mod hooks;
mod http;
mod in_shop;
mod intake;
mod item;
mod judged;
mod key_file;
pub mod keys;
mod limits;
pub mod openapi;
mod origin;
pub mod place;
mod record;
mod refusal;
mod refusals;
pub mod segment;
mod server;
mod share;
mod verdict;
mod waiting;
mod writer;

pub use client::{Remote, RemoteError};
pub use grpc::proto;
pub use hooks::{Hooks, HooksError};
pub use key_file::{KeyFile, KeyFileError};
pub use keys::Keys;
pub use limits::{Limits, LimitsError};
pub use origin::{Origin, OriginError};
pub use server::{CollectorConfig, CollectorError, Running, start};
pub use verdict::Verdict;
