//! The publications: which tables and columns leave PostgreSQL, and for which operations.
//!
//! The column lists are what keeps personal data and internal columns inside; the hash over them stands in
//! every position, so that a relay never goes on over rows of another shape.

use sha2::{Digest, Sha256};

use crate::namespace::Namespace;
use crate::{Event, User};

/// One publication, of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// Its name in PostgreSQL, with the prefix of the namespace.
    pub name: String,
    /// The schema of its table.
    pub schema: &'static str,
    /// Its table, without the schema.
    pub table: &'static str,
    /// The columns that are published, in contract order.
    pub columns: Vec<&'static str>,
    /// The operations that are published.
    pub operations: &'static [&'static str],
}

/// The publications of a namespace: events, then users.
#[must_use]
pub fn publications(namespace: &Namespace) -> [Publication; 2] {
    [
        Publication {
            name: namespace.events_publication(),
            schema: "raw",
            table: "events",
            columns: Event::FIELDS.iter().map(|field| field.name).collect(),
            // Retention drops partitions; what was published stays published.
            operations: &["insert"],
        },
        Publication {
            name: namespace.users_publication(),
            schema: "raw",
            table: "users",
            columns: User::FIELDS.iter().map(|field| field.name).collect(),
            operations: &["insert", "update", "delete"],
        },
    ]
}

impl Publication {
    /// The statement that creates it.
    #[must_use]
    pub fn create_sql(&self) -> String {
        format!(
            "create publication {} for table {}.{} ({}) with (publish = '{}', publish_via_partition_root = true)",
            self.name,
            self.schema,
            self.table,
            self.columns.iter().map(|column| format!("\"{column}\"")).collect::<Vec<_>>().join(", "),
            self.operations.join(", ")
        )
    }
}

/// SHA-256 (hex) over names, tables and columns: another one means other rows or columns in the log.
#[must_use]
pub fn hash(namespace: &Namespace) -> String {
    let mut hasher = Sha256::new();
    for publication in publications(namespace) {
        // The statement names everything that shapes the log, in order.
        hasher.update(publication.create_sql());
        hasher.update([0]);
    }
    hex::encode(hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user::PROFILE_COLUMN;

    #[test]
    fn personal_data_and_internal_columns_stay_inside() {
        for publication in publications(&Namespace::default()) {
            assert!(!publication.columns.contains(&PROFILE_COLUMN));
            assert!(!publication.columns.contains(&"tx"));
        }
    }

    #[test]
    fn the_hash_tells_namespaces_apart_and_is_stable() {
        let shop = Namespace::default();
        assert_eq!(hash(&shop).len(), 64);
        assert_eq!(hash(&shop), hash(&shop));
        assert_ne!(hash(&shop), hash(&"other".parse().unwrap()));
    }
}
