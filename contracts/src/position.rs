//! The relay's position: where in PostgreSQL's log the committed part of the topics ends.

use uuid::Uuid;

use crate::avro::{ReadError, Reader, write_long, write_str, write_uuid};

/// Written into the compacted positions topic by every Kafka transaction of the relay, keyed by the slot's
/// name; whoever reads it back knows exactly which rows are in the topics and which are not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayPosition {
    /// PostgreSQL's system identifier: another one means another cluster.
    pub system_id: String,
    /// Its timeline: another one means a restored or promoted cluster.
    pub timeline: i32,
    /// The replication slot.
    pub slot: String,
    /// SHA-256 (hex) over publications, tables and column lists: another one means other rows or columns.
    pub publication_hash: String,
    /// The generation of the events topic, from 1.
    pub topic_generation: i32,
    /// The id of that generation, as carried in every record's header.
    pub generation_id: Uuid,
    /// End LSN of the last PostgreSQL transaction that is out completely. Everything up to here may be
    /// confirmed.
    pub lsn: u64,
    /// Final (commit) LSN of the transaction that is out only in part; 0 when there is none.
    pub partial_lsn: u64,
    /// How many rows of that transaction are out.
    pub partial_rows: i64,
}

impl RelayPosition {
    /// The schema as registered.
    #[must_use]
    pub fn schema() -> serde_json::Value {
        let string = |name: &str, doc: &str| serde_json::json!({"name": name, "type": "string", "doc": doc});
        let long = |name: &str, doc: &str| serde_json::json!({"name": name, "type": "long", "doc": doc});
        serde_json::json!({
            "type": "record", "name": "RelayPosition", "namespace": crate::avro::NAMESPACE,
            "doc": "Where in PostgreSQL's log the committed part of the topics ends.",
            "fields": [
                string("system_id", "PostgreSQL's system identifier."),
                long("timeline", "PostgreSQL's timeline."),
                string("slot", "The replication slot."),
                string("publication_hash", "SHA-256 over publications, tables and columns."),
                long("topic_generation", "Generation of the events topic."),
                {"name": "generation_id", "type": {"type": "string", "logicalType": "uuid"}, "doc": "Id of that generation."},
                long("lsn", "End LSN of the last transaction that is out completely."),
                long("partial_lsn", "Final LSN of the transaction that is out in part, or 0."),
                long("partial_rows", "Rows of it that are out."),
            ],
        })
    }

    /// Appends the Avro body.
    pub fn write_avro(&self, out: &mut Vec<u8>) {
        write_str(out, &self.system_id);
        write_long(out, i64::from(self.timeline));
        write_str(out, &self.slot);
        write_str(out, &self.publication_hash);
        write_long(out, i64::from(self.topic_generation));
        write_uuid(out, &self.generation_id);
        write_long(out, self.lsn.cast_signed());
        write_long(out, self.partial_lsn.cast_signed());
        write_long(out, self.partial_rows);
    }

    /// Reads an Avro body.
    ///
    /// # Errors
    /// When it is malformed or a value is out of range.
    pub fn read_avro(body: &[u8]) -> Result<Self, ReadError> {
        let mut reader = Reader::new(body);
        let system_id = reader.str()?.to_owned();
        let timeline = int("timeline", reader.long()?)?;
        let slot = reader.str()?.to_owned();
        let publication_hash = reader.str()?.to_owned();
        let topic_generation = int("topic_generation", reader.long()?)?;
        let generation_id = reader.str()?.parse().map_err(|error: uuid::Error| ReadError::Value {
            field: "generation_id",
            message: error.to_string(),
        })?;
        let lsn = reader.long()?.cast_unsigned();
        let partial_lsn = reader.long()?.cast_unsigned();
        let partial_rows = reader.long()?;
        reader.finish()?;
        Ok(Self {
            system_id,
            timeline,
            slot,
            publication_hash,
            topic_generation,
            generation_id,
            lsn,
            partial_lsn,
            partial_rows,
        })
    }
}

fn int(field: &'static str, value: i64) -> Result<i32, ReadError> {
    i32::try_from(value).map_err(|_| ReadError::Value { field, message: format!("{value} is out of range") })
}
