//! Writes the rules and the SQL that the tests of `spark/` judge records by:
//! `cargo run -p jobs --example render_judge`.

use std::fs;
use std::path::Path;

use jobs::checked::{self, Expected};
use uuid::Uuid;

fn main() -> std::io::Result<()> {
    // Those of the tests of this crate.
    let expected = Expected {
        event_schema_id: 0x0102_0304,
        generation_id: Uuid::from_u128(0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c),
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spark/src/test/resources/judge");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("rules.json"), checked::rules(&expected) + "\n")?;
    fs::write(folder.join("refusal.sql"), checked::refusal_sql(&expected) + "\n")
}
