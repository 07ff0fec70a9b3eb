//! The processes of a line, and what one of them takes of the machine.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use contracts::endpoints::Endpoints;
use tokio::process::{Child, Command};
use tokio_postgres::Client;

/// How long a process may take to say what is waited for.
const SAYS: Duration = Duration::from_secs(120);
/// How long one may take to end in good order.
const GRACE: Duration = Duration::from_secs(60);

/// Starts commands of `storepulse` in one namespace; what they print goes to files of a folder.
pub(crate) struct Commands<'a> {
    pub(crate) endpoints: &'a Endpoints,
    pub(crate) folder: &'a Path,
}

impl Commands<'_> {
    fn command(&self, words: &str) -> anyhow::Result<Command> {
        let program = std::env::current_exe()?.with_file_name("storepulse");
        ensure!(program.is_file(), "{} is missing: run `make build`", program.display());
        let mut command = Command::new(program);
        command.args(words.split(' ')).kill_on_drop(true).envs(self.endpoints.variables());
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

/// One that runs.
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

    /// Asks it to end, as Ctrl-C does; how long that took.
    pub(crate) async fn stop(mut self) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.pid()?)?);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM)?;
        tokio::time::timeout(GRACE, self.child.wait())
            .await
            .with_context(|| format!("`storepulse {}` does not end", self.words))??;
        Ok(began.elapsed())
    }
}

/// Processor time that a process has taken since it began.
pub(crate) fn processor_time(pid: u32) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name before may hold anything; what follows its last parenthesis does not.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| -> anyhow::Result<u64> {
        Ok(fields.get(index).context("/proc/PID/stat is too short")?.parse()?)
    };
    // User and system time, in ticks of 10 ms on every Linux that Debian 12 runs on.
    Ok(Duration::from_millis((ticks(11)? + ticks(12)?) * 10))
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

/// Resident memory, in MiB.
pub(crate) fn memory_mib(pid: u32) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: u32 = line.trim().trim_end_matches(" kB").trim().parse()?;
    Ok(f64::from(kib) / 1_024.0)
}
