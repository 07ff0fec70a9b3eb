//! A collector in a process of its own, to be killed: this test binary, run again with one test chosen.

use std::process::Stdio;

use collector::Limits;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use super::{Scene, config, in_time};

const VARIABLE: &str = "COLLECTOR_TEST_CHILD";
/// What stands before the port in the child's output.
const READY: &str = "child listens on ";

/// The child's whole life; as a test of its own it has nothing to do.
#[tokio::test(flavor = "multi_thread")]
async fn process() {
    let Ok(setting) = std::env::var(VARIABLE) else { return };
    let (pg_url, keys) = setting.split_once('\n').unwrap();
    let running = collector::start(config(pg_url, keys, Limits::default())).await.unwrap();
    println!("\n{READY}{} {}", running.grpc, running.http);
    running.until(&CancellationToken::new()).await.unwrap();
}

/// Killed when dropped.
pub(crate) struct Process {
    child: Child,
    /// Where its gRPC is.
    pub(crate) grpc: String,
    /// Where its HTTP is.
    pub(crate) http: String,
}

impl Scene {
    /// Starts a collector that can be killed.
    pub(crate) async fn spawn(&self) -> Process {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "support::child::process", "--nocapture"])
            .env(VARIABLE, format!("{}\n{}", self.url, self.key.line))
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let addresses = in_time(async {
            loop {
                let line = lines.next_line().await.unwrap().expect("the child ended");
                if let Some(addresses) = line.strip_prefix(READY) {
                    return addresses.to_owned();
                }
            }
        })
        .await;
        let (grpc, http) = addresses.split_once(' ').unwrap();
        Process { child, grpc: format!("http://{grpc}"), http: format!("http://{http}") }
    }
}

impl Process {
    /// The most memory that it has ever held, in MiB.
    pub(crate) fn peak_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id().unwrap())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        kib / 1024
    }

    /// As a machine that loses its power.
    pub(crate) async fn kill_9(mut self) {
        self.child.kill().await.unwrap();
    }
}
