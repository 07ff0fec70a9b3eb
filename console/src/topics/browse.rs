//! What a browser of topics is asked: a search, whether there is a topic, whether it is ours.

use tokio_util::sync::CancellationToken;

use super::Browser;
use super::run::Run;
use super::search::{Found, Search, SearchError};

impl Browser {
    /// Searches until enough is found, nothing is left or the budget is spent. Dropped, it ends soon.
    pub(crate) async fn search(&self, search: Search) -> Result<Found, SearchError> {
        let loan = self.lend().ok_or(SearchError::Busy)??;
        let left = CancellationToken::new();
        let _left = left.clone().drop_guard();
        let run = Run::new(self, search, left);
        match tokio::task::spawn_blocking(move || run.all(loan)).await {
            Ok(found) => found,
            // Only a panic gets here, or a runtime that shuts down.
            Err(_) => Err(SearchError::Left),
        }
    }

    /// Whether Kafka has a topic, asked now: one that was made a moment ago is there already.
    pub(crate) async fn has(&self, topic: &str) -> Result<bool, SearchError> {
        let loan = self.lend().ok_or(SearchError::Busy)??;
        let topic = topic.to_owned();
        let asked = tokio::task::spawn_blocking(move || {
            let partitions = loan.reader.partitions(&topic)?;
            loan.done();
            Ok(partitions.is_some())
        });
        asked.await.unwrap_or(Err(SearchError::Left))
    }

    /// Whether a topic is one of the contract's.
    pub(crate) fn ours(&self, topic: &str) -> bool {
        let namespace = &self.endpoints.namespace;
        namespace.generation_of(topic).is_some()
            || [
                namespace.users_topic(),
                namespace.quarantine_topic(),
                namespace.positions_topic(),
                namespace.ledger_topic(),
            ]
            .iter()
            .any(|ours| ours == topic)
    }
}
