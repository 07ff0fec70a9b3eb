//! Closed windows against all that a snapshot sees, late records included: what reconciliation has to put right.

use std::ops::Range;

use chrono::{DateTime, Utc};
use contracts::Namespace;
use contracts::cube::GROUPINGS;
use scylla::client::session::Session;
use tokio_postgres::Transaction;

use crate::compare::Outcome;
use crate::expected::Records;
use crate::report::Difference;
use crate::row::Rows;
use crate::{VerifyError, expected, stored};

/// What the tables should hold of some closed windows, by SQL over all records that one snapshot sees.
#[derive(Debug)]
pub struct Closed {
    windows: Range<DateTime<Utc>>,
    snapshot: String,
    /// In the order of the groupings.
    expected: Vec<Rows>,
}

impl Closed {
    /// Computes it at the transaction's snapshot.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub async fn compute(
        transaction: &Transaction<'_>,
        windows: Range<DateTime<Utc>>,
    ) -> Result<Self, VerifyError> {
        let snapshot = transaction
            .query_one("select pg_current_snapshot()::text", &[])
            .await
            .map_err(VerifyError::postgres("take a snapshot"))?
            .get(0);
        let mut expected = Vec::with_capacity(GROUPINGS.len());
        for grouping in GROUPINGS {
            expected.push(expected::rows(transaction, grouping, Records::All, Some(&windows)).await?);
        }
        Ok(Self { windows, snapshot, expected })
    }

    /// The snapshot, as text of `pg_snapshot`.
    #[must_use]
    pub fn snapshot(&self) -> &str {
        &self.snapshot
    }

    /// Rows that the tables should hold.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.expected.iter().map(Rows::len).sum()
    }

    /// Reads the tables and tells what differs.
    ///
    /// # Errors
    /// When Cassandra does not answer.
    pub async fn differences(
        &self,
        session: &Session,
        namespace: &Namespace,
    ) -> Result<Vec<Difference>, VerifyError> {
        let mut differences = Vec::new();
        for (grouping, expected) in GROUPINGS.iter().zip(&self.expected) {
            let found = stored::within(session, namespace, grouping, &self.windows).await?;
            differences.extend(Outcome::table(grouping, expected, expected, &found).differences);
        }
        Ok(differences)
    }
}
