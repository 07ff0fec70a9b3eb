//! Writes the published description of the HTTP interface: `cargo run -p collector --example render_openapi`.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    std::fs::write(path, collector::openapi::text(&collector::openapi::render()))
}
