//! What the tests of `spark/` judge records by is what this crate sends.

use std::fs;
use std::path::Path;

use jobs::checked;

use crate::support::EXPECTED;

#[test]
fn the_rules_and_the_sql_that_java_is_tested_with_are_the_plans() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spark/src/test/resources/judge");
    for (file, wanted) in
        [("rules.json", checked::rules(&EXPECTED)), ("refusal.sql", checked::refusal_sql(&EXPECTED))]
    {
        let found = fs::read_to_string(folder.join(file)).unwrap();
        assert_eq!(found.trim_end(), wanted, "{file}: run `cargo run -p jobs --example render_judge`");
    }
}
