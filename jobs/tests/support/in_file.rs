//! Records handed to Spark in a file, for more of them than a plan should carry: the driver keeps none.

use std::fs::File;
use std::path::Path;

use apache_avro::types::Value as Avro;
use apache_avro::{Schema, Writer};
use spark_connect_rs::functions::{col, expr};
use spark_connect_rs::{DataFrame, SparkSession};

use super::{Record, record_time, with_headers};

/// Records in the shape of Spark's Kafka source; offsets count from 0.
pub(crate) fn kafka_records(session: &SparkSession, records: &[Record], file: &Path) -> DataFrame {
    write(records, file);
    let path = format!("file://{}", file.display());
    in_shape(&session.read().format("avro").load(Some(&path)))
}

/// A stream of the files of a folder, one a micro-batch, the oldest first; offsets count from 0 in each.
pub(crate) fn kafka_stream(session: &SparkSession, folder: &Path) -> DataFrame {
    let stream = session
        .read_stream()
        .format("avro")
        .schema("offset bigint, value binary, generation string")
        .option("maxFilesPerTrigger", "1");
    in_shape(&stream.load(Some(&format!("file://{}", folder.display()))))
}

/// Writes records into a file.
pub(crate) fn write(records: &[Record], file: &Path) {
    let schema = r#"{"type": "record", "name": "Record", "fields": [
        {"name": "offset", "type": "long"},
        {"name": "value", "type": ["null", "bytes"]},
        {"name": "generation", "type": ["null", "string"]}]}"#;
    let schema = Schema::parse_str(schema).unwrap();
    let mut writer = Writer::new(&schema, File::create(file).unwrap()).unwrap();
    let or_null = |value: Option<Avro>| match value {
        Some(value) => Avro::Union(1, Box::new(value)),
        None => Avro::Union(0, Box::new(Avro::Null)),
    };
    for (offset, record) in records.iter().enumerate() {
        let fields = [
            ("offset", Avro::Long(i64::try_from(offset).unwrap())),
            ("value", or_null(record.value.clone().map(Avro::Bytes))),
            ("generation", or_null(record.generation.clone().map(Avro::String))),
        ];
        let fields = fields.map(|(name, value)| (name.to_owned(), value));
        writer.append_value(Avro::Record(fields.into())).unwrap();
    }
    writer.flush().unwrap();
}

fn in_shape(records: &DataFrame) -> DataFrame {
    let timestamp = format!("timestamp_micros({} + 3000000 * offset)", record_time(0).timestamp_micros());
    let rows = records.select([
        expr("'t.events.g1'").alias("topic"),
        expr("3").alias("partition"),
        col("offset"),
        expr(&timestamp).alias("timestamp"),
        col("value"),
        col("generation"),
    ]);
    with_headers(&rows)
}
