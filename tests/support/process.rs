//! One `storepulse` process: what it prints is kept, and it never outlives its test.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

/// How long a process may take to end in good order; a job stops its queries first.
const GRACE: Duration = Duration::from_secs(60);
/// How long a command that ends by itself may take.
const DEADLINE: Duration = Duration::from_secs(300);

/// A running process. Dropped, it is asked to end, so that a failed test leaves no query on the shared cluster.
pub(crate) struct Process {
    what: String,
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

/// What is left of a process.
pub(crate) struct Ended {
    pub(crate) what: String,
    pub(crate) status: ExitStatus,
    /// What it printed to standard output.
    pub(crate) out: String,
    /// What it printed to standard error.
    pub(crate) err: String,
}

impl Ended {
    /// Panics with all it printed unless it ended well.
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert!(self.status.success(), "{self}");
        self
    }

    /// Panics with all it printed unless it ended with exit code 1.
    #[track_caller]
    pub(crate) fn failed(self) -> Self {
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
    pub(crate) fn spawn(what: &str, mut command: Command, folder: &Path, number: u32) -> Self {
        let path = |kind: &str| folder.join(format!("{number}.{kind}"));
        let (out, err) = (path("out"), path("err"));
        command.stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
        Self { what: what.to_owned(), child: command.spawn().unwrap(), out, err }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// What it has printed to standard output, or how it ended if it did.
    pub(crate) fn output(&mut self) -> Result<String, String> {
        match self.child.try_wait().unwrap() {
            None => Ok(fs::read_to_string(&self.out).unwrap()),
            Some(status) => Err(self.remains(status).to_string()),
        }
    }

    /// What it has printed to standard error, or how it ended if it did.
    pub(crate) fn errors(&mut self) -> Result<String, String> {
        self.output().map(|_| fs::read_to_string(&self.err).unwrap())
    }

    /// Waits until it ends by itself.
    pub(crate) async fn ended(mut self) -> Ended {
        let ended = tokio::time::timeout(DEADLINE, self.child.wait()).await;
        match ended {
            Ok(status) => self.remains(status.unwrap()),
            Err(_) => {
                let printed = self.output();
                panic!("`storepulse {}` does not end; it printed {printed:?}", self.what)
            }
        }
    }

    /// As a machine that loses its power: nothing is told to anybody.
    pub(crate) async fn kill_9(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Sends it a signal; frozen by SIGSTOP it must go on before it is asked to end.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.id().cast_signed()), signal).unwrap();
    }

    /// Asks it to end, as Ctrl-C does, and waits.
    pub(crate) async fn stop(self) -> Ended {
        self.ask_to_end();
        self.ended().await
    }

    fn ask_to_end(&self) {
        if let Some(pid) = self.child.id() {
            // It may have ended meanwhile; until it is waited for, its id is nobody else's.
            let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGTERM);
            // A test that failed may have left it frozen.
            let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGCONT);
        }
    }

    fn remains(&self, status: ExitStatus) -> Ended {
        let read = |path: &Path| fs::read_to_string(path).unwrap();
        Ended { what: self.what.clone(), status, out: read(&self.out), err: read(&self.err) }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.ask_to_end();
        let deadline = Instant::now() + GRACE;
        while let Ok(None) = self.child.try_wait() {
            if Instant::now() > deadline {
                // Reaped by the runtime.
                let _ = self.child.start_kill();
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
