//! One `storepulse` process: what it prints is kept, and it never outlives its test.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use stack::ProcessId;
use tokio::process::{Child, Command};

/// How long a process may take to end in good order; a job stops its queries first.
const GRACE: Duration = Duration::from_secs(60);
/// How long a command that ends by itself may take.
const DEADLINE: Duration = Duration::from_secs(300);

/// A running process. Dropped, it is asked to end, so that a failed test leaves no query on the shared
/// cluster.
pub struct Process {
    what: String,
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

/// What is left of a process.
pub struct Ended {
    pub what: String,
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed to standard output.
    pub out: String,
    /// What it printed to standard error.
    pub err: String,
}

impl Ended {
    /// Panics with all it printed unless it ended well.
    #[track_caller]
    pub fn succeeded(self) -> Self {
        assert!(self.status.success(), "{self}");
        self
    }

    /// Panics with all it printed unless it ended with exit code 1.
    #[track_caller]
    pub fn failed(self) -> Self {
        assert_eq!(self.status.code(), Some(1), "{self}");
        self
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { what, status, out, err } = self;
        write!(f, "`storepulse {what}` ended with {status}\n--- output\n{out}\n--- errors\n{err}")
    }
}

impl Process {
    /// Starts a command whose output goes to files in a folder.
    pub fn spawn(what: &str, mut command: Command, folder: &Path, number: u32) -> Self {
        let path = |kind: &str| folder.join(format!("{number}.{kind}"));
        let (out, err) = (path("out"), path("err"));
        command.stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
        Self { what: what.to_owned(), child: command.spawn().unwrap(), out, err }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// What it has printed to standard output, or how it ended if it did.
    pub fn output(&mut self) -> Result<String, String> {
        match self.try_ended() {
            None => Ok(fs::read_to_string(&self.out).unwrap()),
            Some(ended) => Err(ended.to_string()),
        }
    }

    /// All that it has printed so far, both ways.
    #[must_use]
    pub fn printed(&self) -> String {
        let read = |path: &Path| fs::read_to_string(path).unwrap();
        format!("{}{}", read(&self.out), read(&self.err))
    }

    /// What is left of it if it has ended.
    pub fn try_ended(&mut self) -> Option<Ended> {
        let status = self.child.try_wait().unwrap()?;
        Some(self.remains(status))
    }

    /// Waits until it ends by itself.
    pub async fn ended(self) -> Ended {
        self.ended_within(DEADLINE).await
    }

    /// As [`ended`](Self::ended), for what takes longer.
    pub async fn ended_within(mut self, deadline: Duration) -> Ended {
        let ended = tokio::time::timeout(deadline, self.child.wait()).await;
        match ended {
            Ok(status) => self.remains(status.unwrap()),
            Err(_) => {
                let printed = self.output();
                panic!("`storepulse {}` does not end; it printed {printed:?}", self.what)
            }
        }
    }

    /// As a machine that loses its power: nothing is told to anybody.
    pub async fn kill_9(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Asks it to end, as Ctrl-C does, and waits.
    pub async fn stop(self) -> Ended {
        self.signal(Signal::SIGTERM);
        self.ended().await
    }

    /// Sends it a signal; one that has ended hears nothing. Frozen by SIGSTOP it must go on before it is
    /// asked to end.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = self.child.id() {
            // It may have ended meanwhile; until it is waited for, its id is nobody else's.
            let _ = kill(Pid::from_raw(pid.cast_signed()), signal);
        }
    }

    fn remains(&self, status: ExitStatus) -> Ended {
        let read = |path: &Path| fs::read_to_string(path).unwrap();
        Ended { what: self.what.clone(), status, out: read(&self.out), err: read(&self.err) }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::SIGTERM);
        // A frozen one would not notice.
        self.signal(Signal::SIGCONT);
        let process = self.child.id().and_then(|pid| ProcessId::of(pid.cast_signed()));
        if process.is_some_and(|process| !process.wait_gone(GRACE)) {
            // Reaped by the runtime.
            let _ = self.child.start_kill();
        }
    }
}
