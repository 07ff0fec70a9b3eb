//! A collector as an operator runs it: the command, on an address of its own, to be killed and started again.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;

use collector::keys::NewKey;
use tempfile::NamedTempFile;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::{Scene, free_port, in_time};

/// What is the same at every start.
pub(crate) struct Operated {
    pg_url: String,
    keys: NamedTempFile,
    pub(crate) http: SocketAddr,
}

impl Operated {
    pub(crate) fn new(scene: &Scene, key: &NewKey) -> Self {
        let mut keys = NamedTempFile::new().unwrap();
        writeln!(keys, "{}", key.line).unwrap();
        let http = SocketAddr::from(([127, 0, 0, 1], free_port()));
        Self { pg_url: scene.url.clone(), keys, http }
    }

    /// Starts it, and returns once it listens. Killed when dropped.
    pub(crate) async fn start(&self) -> Child {
        let mut child = Command::new(storepulse())
            .args(["collect", "--grpc", "127.0.0.1:0", "--http", &self.http.to_string(), "--keys"])
            .arg(self.keys.path())
            .env(contracts::endpoints::variable::PG_URL, &self.pg_url)
            .env("STOREPULSE_LOG", "error")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = in_time(lines.next_line()).await.unwrap().expect("the collector ended");
        assert!(line.starts_with("collecting on "), "{line}");
        child
    }
}

/// The command, built beside this program.
fn storepulse() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let command = program.ancestors().nth(2).unwrap().join("storepulse");
    assert!(command.is_file(), "{} is missing: cargo build --package storepulse", command.display());
    command
}
