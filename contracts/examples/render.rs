//! Writes the derived Avro and CQL files: `cargo run -p contracts --example render`.

use std::fs;
use std::path::Path;

use contracts::{Namespace, cassandra, topics};

fn main() -> std::io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for topic in topics::topics(&Namespace::default(), 1, topics::EVENTS_PARTITIONS) {
        let name = topic.subject.trim_end_matches("-value").to_owned();
        let text = serde_json::to_string_pretty(&topic.schema)?;
        fs::write(root.join("avro").join(format!("{name}.avsc")), text + "\n")?;
    }
    fs::write(root.join("cql/tables.cql"), cassandra::rendered())
}
