//! Writes Prometheus's alerts from the table of rules: `cargo run -p console --example render_alerts`.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../services/prometheus/alerts.yml");
    std::fs::write(path, console::alerts::render(&console::alerts::Settings::default()))
}
