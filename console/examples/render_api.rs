//! Writes the published description of the read API: `cargo run -p console --example render_api`.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    std::fs::write(path, console::described::render())
}
