//! Closed rows against all that a snapshot sees, late records included: what reconciliation has to put right.

use std::ops::Range;

use chrono::{DateTime, Utc};
use contracts::Namespace;
use contracts::family::Family;
use scylla::client::session::Session;
use tokio_postgres::Transaction;

use crate::compare::Outcome;
use crate::expected::Records;
use crate::report::Difference;
use crate::row::Rows;
use crate::{VerifyError, expected, stored};

/// What the tables of a family should hold in a range of its axis where all is closed, by SQL over all
/// records that one snapshot sees.
#[derive(Debug)]
pub struct Closed {
    family: &'static Family,
    range: Range<DateTime<Utc>>,
    snapshot: String,
    /// In the order of the tables.
    expected: Vec<Rows>,
}

impl Closed {
    /// Computes it at the transaction's snapshot.
    ///
    /// # Errors
    /// When PostgreSQL does not answer, or its snapshots do not see all that is stored.
    pub async fn compute(
        transaction: &Transaction<'_>,
        family: &'static Family,
        range: Range<DateTime<Utc>>,
    ) -> Result<Self, VerifyError> {
        let snapshot = provision::cluster::snapshot(transaction, family, &range).await?;
        let mut expected = Vec::with_capacity(family.tables.len());
        for grouping in family.tables {
            expected.push(expected::rows(transaction, family, grouping, Records::All, Some(&range)).await?);
        }
        Ok(Self { family, range, snapshot, expected })
    }

    /// The range of the family's axis.
    #[must_use]
    pub fn range(&self) -> &Range<DateTime<Utc>> {
        &self.range
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
        for (grouping, expected) in self.family.tables.iter().zip(&self.expected) {
            let found = stored::within(session, namespace, self.family, grouping, &self.range).await?;
            differences.extend(Outcome::table(grouping, expected, expected, &found).differences);
        }
        Ok(differences)
    }
}
