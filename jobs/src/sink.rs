//! The upsert sink: one query, several Cassandra tables, per-row write time. Its Java side is in `spark/`.

use contracts::cube::{CUBE, GROUPINGS, MEASURE};
use contracts::ledger::{CUBE_COUNTS, JUDGED_COUNTS};
use spark_connect_rs::streaming::DataStreamWriter;

/// The data source's short name, as registered in the jar.
pub const FORMAT: &str = "storepulse-cassandra";

/// The Cassandra side of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CassandraSink {
    /// The keyspace.
    pub keyspace: String,
    /// How often a write that timed out is tried again before its task fails.
    pub retries: u32,
}

impl CassandraSink {
    /// Sets a writer to this sink, with the cube's tables as routes.
    pub(crate) fn configure(&self, writer: DataStreamWriter) -> DataStreamWriter {
        let tables = GROUPINGS.iter().map(|grouping| grouping.table).chain([CUBE_COUNTS.name]);
        self.routed(writer, tables).option("event_time.column", MEASURE.last_occurred_at.name())
    }

    /// Sets a writer to this sink, for what was judged.
    pub(crate) fn configure_ledger(&self, writer: DataStreamWriter) -> DataStreamWriter {
        self.routed(writer, [JUDGED_COUNTS.name])
    }

    fn routed<'a>(
        &self,
        writer: DataStreamWriter,
        tables: impl IntoIterator<Item = &'a str>,
    ) -> DataStreamWriter {
        let routes = tables.into_iter().map(|table| format!("{table}={table}")).collect::<Vec<_>>().join(",");
        writer
            .format(FORMAT)
            .option("keyspace", &self.keyspace)
            .option("routes", &routes)
            .option("route.column", CUBE.route.name())
            .option("writetime.column", CUBE.write_time.name())
            .option("retries", &self.retries.to_string())
    }
}
