//! An hour under load: `tests/browser/load`, with a namespace of its own.

use std::path::Path;
use std::process::Command;

use crate::long_tests;
use crate::support::{alone_on_shared_stack, storepulse};

#[tokio::test(flavor = "multi_thread")]
async fn under_load_no_memory_grows() {
    if !long_tests() {
        eprintln!(
            "SKIPPED: an hour under load; `make test-all` runs it, STOREPULSE_LOAD_MIN=8 STOREPULSE_LOAD_WARM_MIN=0 for a trial"
        );
        return;
    }
    let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser/load");
    alone_on_shared_stack(async |line| {
        let mut load = Command::new(&run);
        load.envs(line.endpoints.variables()).env("STOREPULSE_BIN", storepulse());
        let ended = tokio::task::spawn_blocking(move || load.output()).await.unwrap().unwrap();
        let printed = String::from_utf8_lossy(&ended.stdout);
        let errors = String::from_utf8_lossy(&ended.stderr);
        println!("{printed}");
        assert!(ended.status.success(), "{printed}\n{errors}");
    })
    .await;
}
