//! The pages in Chromium: `tests/browser`, with a namespace of its own, whose relay, job, simulator and
//! console it starts itself.

use std::path::Path;
use std::process::Command;

use crate::support::{alone_on_shared_stack, storepulse};

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_show_what_is() {
    let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser/run");
    alone_on_shared_stack(async |line| {
        let mut test = Command::new(&run);
        test.envs(line.endpoints.variables()).env("STOREPULSE_BIN", storepulse());
        let ended = tokio::task::spawn_blocking(move || test.output()).await.unwrap().unwrap();
        let printed = String::from_utf8_lossy(&ended.stdout);
        let errors = String::from_utf8_lossy(&ended.stderr);
        println!("{printed}");
        assert!(ended.status.success(), "{printed}\n{errors}");
    })
    .await;
}
