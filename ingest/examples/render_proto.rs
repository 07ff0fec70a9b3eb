//! Writes the fields of an event into the definition of the collector's gRPC interface:
//! `cargo run -p ingest --example render_proto`. It stands here because the collector does not compile while
//! its message lacks a field.

use std::fs;
use std::path::Path;

use ingest::source::draft::definition;

fn main() -> std::io::Result<()> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("collector/proto/storepulse/collector/v1/collector.proto");
    let committed = fs::read_to_string(&path)?;
    fs::write(&path, definition::render(&committed))
}
