//! What reads a command's output may have enough of it.

use std::io;
use std::process::Stdio;

use tokio::process::Command;

use crate::support::storepulse;

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_is_gone_ends_no_command_half_way() {
    for words in ["alerts rules", "stack env", "stack status"] {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(storepulse());
        command.args(words.split(' ')).stdout(writer).stderr(Stdio::piped()).kill_on_drop(true);
        let output = command.spawn().unwrap().wait_with_output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("panicked"), "{words}: {said}");
        assert_ne!(output.status.code(), Some(101), "{words}: {said}");
    }
}
