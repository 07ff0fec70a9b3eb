//! The upsert sink: one query, several Cassandra tables, per-row write time. Its Java side is in `spark/`.

use contracts::cube::CUBE;
use contracts::family::{CUBE_FAMILY, Family};
use contracts::ledger::{CUBE_COUNTS, JUDGED_COUNTS};
use contracts::measure::MEASURE;
use spark_connect_rs::DataFrameWriter;
use spark_connect_rs::streaming::DataStreamWriter;

/// The data source's short name, as registered in the jar.
pub const FORMAT: &str = "storepulse-cassandra";

/// The Cassandra side of a query. How often a write is tried again the sink says by itself
/// (`SinkOptions.java`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CassandraSink {
    pub keyspace: String,
}

impl CassandraSink {
    /// Sets a streaming writer to this sink, with the tables of the cube and what it counts for the ledger as
    /// routes.
    pub(crate) fn stream(&self, writer: DataStreamWriter) -> DataStreamWriter {
        let options = self.options(cube_tables()).into_iter().chain([event_time()]);
        options.fold(writer.format(FORMAT), |writer, (name, value)| writer.option(name, &value))
    }

    /// Sets a streaming writer to this sink, for a family beside the cube: without a lag, which nobody waits
    /// for.
    pub(crate) fn stream_of(&self, family: &Family, writer: DataStreamWriter) -> DataStreamWriter {
        let options = self.options(tables(family)).into_iter();
        options.fold(writer.format(FORMAT), |writer, (name, value)| writer.option(name, &value))
    }

    /// Sets a streaming writer to this sink, for what was judged.
    pub(crate) fn stream_of_ledger(&self, writer: DataStreamWriter) -> DataStreamWriter {
        let options = self.options([JUDGED_COUNTS.name].into_iter()).into_iter();
        options.fold(writer.format(FORMAT), |writer, (name, value)| writer.option(name, &value))
    }

    /// A family's tables for a batch: rows are in Cassandra when `save` returns.
    pub(crate) fn batch(&self, family: &Family, writer: DataFrameWriter) -> DataFrameWriter {
        self.batch_into(tables(family), writer)
    }

    /// What the cube's stream writes, for a batch.
    pub(crate) fn batch_of_cube(&self, writer: DataFrameWriter) -> DataFrameWriter {
        self.batch_into(cube_tables(), writer)
    }

    fn batch_into<'a>(
        &self,
        tables: impl Iterator<Item = &'a str>,
        writer: DataFrameWriter,
    ) -> DataFrameWriter {
        let writer = writer.format(FORMAT).mode("append");
        let options = self.options(tables).into_iter();
        options.fold(writer, |writer, (name, value)| writer.option(name, &value))
    }

    fn options<'a>(&self, tables: impl Iterator<Item = &'a str>) -> Vec<(&'static str, String)> {
        vec![
            ("keyspace", self.keyspace.clone()),
            ("routes", tables.map(|table| format!("{table}={table}")).collect::<Vec<_>>().join(",")),
            ("route.column", CUBE.route.name().to_owned()),
            ("writetime.column", CUBE.write_time.name().to_owned()),
        ]
    }
}

fn tables(family: &Family) -> impl Iterator<Item = &'static str> + use<> {
    family.tables.iter().map(|grouping| grouping.table)
}

/// Those of the cube, and the one that it counts in for the ledger.
fn cube_tables() -> impl Iterator<Item = &'static str> {
    tables(&CUBE_FAMILY).chain([CUBE_COUNTS.name])
}

fn event_time() -> (&'static str, String) {
    ("event_time.column", MEASURE.last_occurred_at.name().to_owned())
}
