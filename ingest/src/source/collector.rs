//! What comes through the collector: drafts of [`draft`](super::draft), told by senders that it knows by
//! name.
//!
//! Each sender is a source of its own, so that two of them may number their events alike. The server itself
//! is the crate `collector`.

/// What stands before a sender's name.
const PREFIX: &str = "collector/";

/// What a sender's records are called in `raw.quarantine` and in re-keyed ids.
#[must_use]
pub fn source(sender: &str) -> String {
    format!("{PREFIX}{sender}")
}

/// Whether records of this source came through the collector.
#[must_use]
pub fn is_source(source: &str) -> bool {
    source.starts_with(PREFIX)
}
