//! The processes of a line, and what one of them takes of the machine.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use contracts::endpoints::Endpoints;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use stack::ProcessId;
use tokio::process::{Child, Command};
use tokio_postgres::Client;

/// How long a process may take to say what is waited for.
const SAYS: Duration = Duration::from_secs(120);
/// How long one may take to end in good order.
const GRACE: Duration = Duration::from_secs(60);
/// How much of what one printed explains a failure.
const LAST_LINES: usize = 12;

/// Starts commands of `storepulse` in one namespace; what they print goes to files of a folder.
pub(crate) struct Commands<'a> {
    pub(crate) endpoints: &'a Endpoints,
    pub(crate) folder: &'a Path,
}

impl Commands<'_> {
    fn command(&self, words: &str) -> anyhow::Result<Command> {
        let mut command = Command::new(storepulse()?);
        command.args(words.split(' ')).kill_on_drop(true).envs(self.endpoints.variables());
        // Ctrl-C reaches this program alone, which then ends the others in good order.
        command.process_group(0);
        Ok(command)
    }

    /// Sets up the namespace, with users, and starts the relay and the job of its line.
    pub(crate) async fn line(&self) -> anyhow::Result<[Process; 2]> {
        self.run("setup --quiet").await?;
        self.run("users --count 2000 --source simulated").await?;
        let mut relay = self.start("relay run")?;
        relay.says("streaming").await?;
        Ok([relay, self.start("job run")?])
    }

    /// Runs one to its end and returns what it printed.
    pub(crate) async fn run(&self, words: &str) -> anyhow::Result<String> {
        let output = self.command(words)?.output().await?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(
            output.status.success(),
            "`storepulse {words}`: {printed}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(printed)
    }

    /// Starts one that goes on until it is stopped.
    pub(crate) fn start(&self, words: &str) -> anyhow::Result<Process> {
        self.start_with(words, &[])
    }

    /// The same, with variables of its own.
    pub(crate) fn start_with(&self, words: &str, variables: &[(&str, &str)]) -> anyhow::Result<Process> {
        let output = self.folder.join(words.replace([' ', ':', '/'], "-"));
        let file = File::create(&output)?;
        let child = self
            .command(words)?
            .envs(variables.iter().copied())
            .stderr(file.try_clone()?)
            .stdout(Stdio::from(file))
            .spawn()
            .context("spawn")?;
        Ok(Process { words: words.to_owned(), child, output })
    }
}

/// The command, which is built beside this program.
pub(crate) fn storepulse() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name("storepulse");
    ensure!(program.is_file(), "{} is missing: run `make build`", program.display());
    Ok(program)
}

/// How many events are stored.
pub(crate) async fn stored(postgres: &Client) -> anyhow::Result<f64> {
    let stored: i64 = postgres.query_one("select count(*) from raw.events", &[]).await?.get(0);
    Ok(stored as f64)
}

/// Waits until the job has read all that was committed.
pub(crate) async fn drained(postgres: &Client, within: Duration) -> anyhow::Result<()> {
    let deadline = Instant::now() + within;
    let read = "
        select coalesce((select (progress->>'input_rows')::bigint from ops.job_run
                         order by started_at desc limit 1), 0),
               (select count(*) from raw.events)";
    loop {
        let row = postgres.query_one(read, &[]).await?;
        let (read, committed): (i64, i64) = (row.get(0), row.get(1));
        if read >= committed {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "{read} of {committed} events are read after {within:?}");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// One that runs. Dropped, it is asked to end, so that an error leaves no query on a cluster that others use.
pub(crate) struct Process {
    words: String,
    child: Child,
    output: PathBuf,
}

impl Process {
    /// Waits until it has printed something, and returns all that it printed by then.
    pub(crate) async fn says(&mut self, what: &str) -> anyhow::Result<String> {
        let deadline = Instant::now() + SAYS;
        loop {
            let printed = std::fs::read_to_string(&self.output)?;
            if printed.contains(what) {
                return Ok(printed);
            }
            ensure!(self.child.try_wait()?.is_none(), "`storepulse {}` ended: {printed}", self.words);
            ensure!(
                Instant::now() < deadline,
                "`storepulse {}` does not say {what:?}: {printed}",
                self.words
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) fn pid(&self) -> anyhow::Result<u32> {
        self.child.id().with_context(|| format!("`storepulse {}` has ended", self.words))
    }

    /// The last lines that it printed, to explain a failure.
    pub(crate) fn last_words(&self) -> String {
        let printed = std::fs::read_to_string(&self.output).unwrap_or_default();
        let lines: Vec<&str> = printed.lines().collect();
        let last = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n    ");
        format!("`storepulse {}`:\n    {last}", self.words)
    }

    /// Waits until it has ended by itself, and well; returns all that it printed.
    pub(crate) async fn succeeds(mut self, within: Duration) -> anyhow::Result<String> {
        let ended = tokio::time::timeout(within, self.child.wait())
            .await
            .with_context(|| format!("not ended after {within:?}: {}", self.last_words()))??;
        ensure!(ended.success(), "ended with {ended}: {}", self.last_words());
        Ok(std::fs::read_to_string(&self.output)?)
    }

    /// Asks it to end, as Ctrl-C does; how long that took.
    pub(crate) async fn stop(mut self) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let pid = Pid::from_raw(self.pid()?.cast_signed());
        kill(pid, Signal::SIGTERM)?;
        tokio::time::timeout(GRACE, self.child.wait())
            .await
            .with_context(|| format!("`storepulse {}` does not end", self.words))??;
        Ok(began.elapsed())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let Some(pid) = self.child.id() else { return };
        // Until it is waited for, its id is nobody else's. The runtime waits for it, and kills one that goes
        // on.
        let Some(process) = ProcessId::of(pid.cast_signed()) else { return };
        process.signal(Signal::SIGTERM);
        process.wait_gone(GRACE);
    }
}

/// Whose processor time counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    /// That of the process.
    Itself,
    /// That of the process, of all that descend from it, and of those of them that have ended.
    Family,
}

/// Processor time that a process, or its family, has taken since it began; none once it has ended.
pub(crate) fn processor_time(process: ProcessId, of: Of) -> Duration {
    // User and system time, and those of ended children.
    let (processes, fields) = match of {
        Of::Itself => (vec![process], 11..13),
        Of::Family => (process.tree(), 11..15),
    };
    let ticks = |process: ProcessId| -> Option<u64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.pid)).ok()?;
        // The name before may hold anything; what follows its last parenthesis does not.
        let (_, numbers) = stat.rsplit_once(')')?;
        let numbers: Vec<&str> = numbers.split_whitespace().collect();
        numbers.get(fields.clone())?.iter().map(|number| number.parse::<u64>().ok()).sum()
    };
    let ticks: u64 = processes.into_iter().filter_map(ticks).sum();
    // Of 10 ms on every Linux that Debian 12 runs on.
    Duration::from_millis(ticks * 10)
}

/// Processor time that all programs of this machine have taken since it was started.
pub(crate) fn machine_time() -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string("/proc/stat")?;
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu ")).context("/proc/stat has no `cpu`")?;
    let ticks: Vec<u64> = line.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    // User, nice and system; idle and waiting are the fourth and fifth; interrupts are the next two.
    let busy = [0, 1, 2, 5, 6].iter().filter_map(|index| ticks.get(*index)).sum::<u64>();
    Ok(Duration::from_millis(busy * 10))
}

/// One of the figures of `/proc/PID/status` about memory, such as `VmRSS` or `VmHWM`, in MiB.
pub(crate) fn memory_mib(pid: u32, which: &str) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib =
        status.lines().find_map(|line| line.strip_prefix(which)?.strip_prefix(':')?.strip_suffix(" kB"));
    Ok(kib.with_context(|| format!("no {which}"))?.trim().parse::<f64>()? / 1_024.0)
}
