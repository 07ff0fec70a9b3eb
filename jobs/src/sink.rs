//! The upsert sink: one query, several Cassandra tables, per-row write time. Its Java side is in `spark/`.

use contracts::cube::{CUBE, GROUPINGS, MEASURE};
use spark_connect_rs::DataFrameWriter;
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
    /// Sets a streaming writer to this sink, with the cube's tables as routes.
    pub(crate) fn stream(&self, writer: DataStreamWriter) -> DataStreamWriter {
        let writer = writer.format(FORMAT);
        self.options().into_iter().fold(writer, |writer, (name, value)| writer.option(name, &value))
    }

    /// The same for a batch: rows are in Cassandra when `save` returns.
    pub(crate) fn batch(&self, writer: DataFrameWriter) -> DataFrameWriter {
        let writer = writer.format(FORMAT).mode("append");
        self.options().into_iter().fold(writer, |writer, (name, value)| writer.option(name, &value))
    }

    fn options(&self) -> [(&'static str, String); 6] {
        let routes =
            GROUPINGS.iter().map(|grouping| format!("{0}={0}", grouping.table)).collect::<Vec<_>>().join(",");
        [
            ("keyspace", self.keyspace.clone()),
            ("routes", routes),
            ("route.column", CUBE.route.name().to_owned()),
            ("writetime.column", CUBE.write_time.name().to_owned()),
            ("event_time.column", MEASURE.last_occurred_at.name().to_owned()),
            ("retries", self.retries.to_string()),
        ]
    }
}
