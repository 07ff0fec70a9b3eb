//! A commit that was not answered.

use tokio_postgres::Client;

use super::committed::Written;
use super::connection::Wait;
use super::error::{Failure, StoreError, classify};

/// A transaction about to commit: what is needed to find out later whether it did.
pub(super) struct Commit {
    pub(super) xid: String,
    pub(super) written: Written,
}

/// What became of a transaction.
pub(super) enum Outcome {
    Committed(Written),
    Aborted,
    /// The connection died again before the answer.
    Lost(Commit),
}

/// Asks what became of a transaction whose commit was not answered.
pub(super) async fn outcome(client: &Client, commit: Commit, wait: &mut Wait) -> Result<Outcome, StoreError> {
    loop {
        let status = client.query_one("select pg_xact_status($1::text::xid8)", &[&commit.xid]).await;
        let status: Option<String> = match status {
            Ok(row) => row.get(0),
            Err(source) if classify(&source) == Failure::ConnectionLost => {
                wait.after(source).await?;
                return Ok(Outcome::Lost(commit));
            }
            Err(source) => return Err(StoreError::Refused { what: "tell a transaction's status", source }),
        };
        match status.as_deref() {
            Some("committed") => return Ok(Outcome::Committed(commit.written)),
            Some("aborted") => return Ok(Outcome::Aborted),
            // The old backend has not noticed yet that its client is gone.
            Some(_) if wait.poll().await => {}
            _ => return Err(StoreError::OutcomeUnknown { xid: commit.xid }),
        }
    }
}
