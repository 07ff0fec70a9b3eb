//! Starts a process apart from the command that starts it: in a session of its own, with its output in a
//! file.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, OnceLock};
use std::thread;

use nix::unistd::User;

use crate::error::{Doing, StackError};
use crate::launch::Launch;
use crate::postgres::as_account;
use crate::private::SHUT_TO_OTHERS;
use crate::process::ProcessId;

/// A process just started by us.
#[derive(Debug, Clone)]
pub(crate) struct Spawned {
    pub(crate) process: ProcessId,
    exit: Arc<OnceLock<ExitStatus>>,
}

impl Spawned {
    /// How it ended, as far as is known.
    pub(crate) fn exit_status(&self) -> String {
        self.exit.get().map_or_else(|| "it is gone".to_owned(), ToString::to_string)
    }
}

/// Starts it, as another account where one is named. With `tied`, it is killed when this process ends in
/// whatever way: for stacks that belong to a test.
pub(crate) fn spawn(
    launch: &Launch,
    account: Option<&User>,
    log: &Path,
    directory: &Path,
    tied: bool,
) -> Result<Spawned, StackError> {
    // The log before the last start is kept: it tells why that one ended.
    let _ = fs::rename(log, log.with_extension("log.1"));
    let output = File::create(log).doing(|| format!("create {}", log.display()))?;
    let error_output = output.try_clone().doing(|| format!("open {}", log.display()))?;

    // Each of these programs replaces itself by the next, so the pid stays.
    let mut words = SHUT_TO_OTHERS.map(str::to_owned).to_vec();
    words.push("setsid".to_owned());
    let mut as_account = as_account(account);
    if tied {
        if as_account.is_empty() {
            as_account.push("setpriv".to_owned());
        }
        // PostgreSQL removes its shared memory on SIGQUIT; on SIGKILL it could not.
        let signal = if account.is_some() { "QUIT" } else { "KILL" };
        as_account.extend(["--pdeathsig".to_owned(), signal.to_owned()]);
    }
    words.extend(as_account);
    words.extend_from_slice(&launch.words);

    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).env_clear().envs(&launch.environment).current_dir(directory);
    command.stdin(Stdio::null()).stdout(output).stderr(error_output);

    // The thread that starts a tied process must live as long: the kernel takes its end for the parent's. It
    // also collects the process when that ends, so that no zombie is left.
    let exit = Arc::new(OnceLock::new());
    let (sender, receiver) = mpsc::channel::<io::Result<ProcessId>>();
    let thread_exit = Arc::clone(&exit);
    thread::Builder::new()
        .name("stack-child".to_owned())
        .spawn(move || {
            let mut child = match command.spawn() {
                Ok(child) => child,
                Err(error) => {
                    let _ = sender.send(Err(error));
                    return;
                }
            };
            let gone = || io::Error::other("it ended at once");
            let _ = sender.send(ProcessId::of(child.id().cast_signed()).ok_or_else(gone));
            if let Ok(status) = child.wait() {
                let _ = thread_exit.set(status);
            }
        })
        .doing(|| "start a thread".to_owned())?;
    let process = receiver.recv().map_err(io::Error::other).and_then(|process| process);
    let process = process.doing(|| format!("start {}", launch.words[0]))?;
    Ok(Spawned { process, exit })
}
