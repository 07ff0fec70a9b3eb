//! One namespace with relay, job, simulator and verification as processes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use contracts::endpoints::Endpoints;
use jobs::control;
use jobs::plans::CUBE_QUERY;
use jobs::progress::JobProgress;
use stack::{Isolated, Service, Silent, Stack};
use tempfile::TempDir;
use tokio::process::Command;
use tokio_postgres::Client;

use super::turn::Turn;
use super::{Ended, Process, until};

/// How long a verification of the largest data may take.
const VERIFIED_WITHIN: Duration = Duration::from_secs(900);

/// A set-up namespace with users.
pub struct Line {
    /// Where its services are, and under which namespace.
    pub endpoints: Endpoints,
    /// A connection to its database.
    pub pg: Client,
    command: PathBuf,
    folder: TempDir,
    processes: AtomicU32,
}

/// What a simulation sent and what became of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sent {
    /// Records given to the store.
    pub sent: i64,
    /// New rows.
    pub committed: i64,
    /// Repeats that the key dropped.
    pub repeated: i64,
    /// Records set aside.
    pub quarantined: i64,
}

impl Sent {
    /// The account that a simulation gave at its end.
    #[track_caller]
    pub fn of(simulation: Ended) -> Self {
        let ended = simulation.succeeded();
        let [sent, committed, repeated, quarantined, ..] = numbers(&ended.out)[..] else { panic!("{ended}") };
        assert!(committed > 0, "{ended}");
        assert_eq!(sent, committed + repeated + quarantined, "{ended}");
        Self { sent, committed, repeated, quarantined }
    }
}

impl std::ops::AddAssign for Sent {
    fn add_assign(&mut self, other: Self) {
        self.sent += other.sent;
        self.committed += other.committed;
        self.repeated += other.repeated;
        self.quarantined += other.quarantined;
    }
}

/// Runs a test in a namespace of its own on the warm stack, perhaps beside another.
pub async fn on_shared_stack(test: impl AsyncFnOnce(&Line)) {
    on_warm_services(Turn::beside_another().await, test).await;
}

/// Runs a test on the warm stack while no other does: one that stops its services, or measures them.
pub async fn alone_on_shared_stack(test: impl AsyncFnOnce(&Line)) {
    on_warm_services(Turn::alone().await, test).await;
}

async fn on_warm_services(_turn: Turn, test: impl AsyncFnOnce(&Line)) {
    let stack = stack::shared(Arc::new(Silent)).await.unwrap();
    on_services(&stack, test).await;
}

/// All services anew, for a test that kills them. Nothing else runs until both are dropped.
pub async fn isolated_stack() -> (Turn, Isolated) {
    let turn = Turn::alone().await;
    let stack = Box::pin(stack::isolated(&Service::ALL, Arc::new(Silent))).await.unwrap();
    (turn, stack)
}

/// Runs a test in a namespace of its own on the services of a stack.
pub async fn on_services<T>(stack: &Stack, test: impl AsyncFnOnce(&Line) -> T) -> T {
    let services = Endpoints::from_variables(&stack.env().unwrap()).unwrap();
    let body = async |endpoints: Endpoints| {
        let line = Line::of(endpoints, storepulse()).await;
        let _checkpoints = Checkpoints::of(&line.endpoints);
        line.run("setup --quiet").await.succeeded();
        line.run("users --count 400 --source simulated").await.succeeded();
        let outcome = test(&line).await;
        // Killed supervisors leave theirs, which would slow the test after this one.
        jobs::supervisor::stop_remains(&line.endpoints).await.unwrap();
        outcome
    };
    Box::pin(provision::in_scratch_namespace(&services, body)).await.unwrap()
}

impl Line {
    /// What a version of the command finds under a namespace; nothing is set up.
    pub async fn of(endpoints: Endpoints, command: PathBuf) -> Self {
        let pg = control::connect(&endpoints.pg_url).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        Self { endpoints, pg, command, folder, processes: AtomicU32::new(0) }
    }

    /// The folder with what its processes printed.
    #[must_use]
    pub fn outputs(&self) -> &Path {
        self.folder.path()
    }

    /// Starts a command of `storepulse`, its words separated by spaces.
    pub fn start(&self, words: &str) -> Process {
        self.start_with(words, &[])
    }

    /// Starts one with more variables in its environment.
    pub fn start_with(&self, words: &str, variables: &[(&str, &str)]) -> Process {
        let mut command = Command::new(&self.command);
        command
            .args(words.split(' '))
            .env("STOREPULSE_LOG", "warn,relay=info,jobs=info,rdkafka=off,librdkafka=error")
            .env_remove(relay::failpoint::VARIABLE)
            .envs(self.endpoints.variables())
            .envs(variables.iter().copied());
        let number = self.processes.fetch_add(1, Ordering::Relaxed);
        Process::spawn(words, command, self.folder.path(), number)
    }

    /// Runs a command to its end.
    pub async fn run(&self, words: &str) -> Ended {
        self.start(words).ended().await
    }

    /// Starts a relay and returns once rows flow.
    pub async fn relay(&self) -> Process {
        let mut relay = self.start("relay run");
        until_says(&mut relay, "streaming").await;
        relay
    }

    /// Starts a job and returns once its query runs.
    pub async fn job(&self) -> Process {
        self.job_with("").await
    }

    /// Starts one with more options.
    pub async fn job_with(&self, options: &str) -> Process {
        // Closer than usual: every verification waits for the tables beside the cube.
        let mut job = self.start(format!("job run --beside-pct 40 {options}").trim_end());
        self.until_running(&mut job).await;
        job
    }

    /// Waits until the query of a job that was started runs.
    pub async fn until_running(&self, job: &mut Process) {
        let holder = contracts::process_name::of(job.id());
        until("the job runs", async || {
            job.output().unwrap_or_else(|ended| panic!("{ended}"));
            match control::latest(&self.pg, CUBE_QUERY).await.unwrap() {
                Some(run) if run.holder == holder && run.state == "running" => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    }

    /// What the job's supervisor last reported.
    pub async fn progress(&self) -> JobProgress {
        let run = control::latest(&self.pg, CUBE_QUERY).await.unwrap();
        run.and_then(|run| run.progress).unwrap_or_default()
    }

    /// Waits until the supervisor at work has seen this many records read.
    pub async fn until_read(&self, records: i64) -> JobProgress {
        until(&format!("{records} records are read"), async || {
            let progress = self.progress().await;
            if progress.input_rows >= records { Ok(progress) } else { Err(format!("{progress:?}")) }
        })
        .await
    }

    /// Writes a file that lives as long as the line, and returns its path.
    pub fn file(&self, name: &str, content: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    /// Simulates to the end.
    pub async fn simulate(&self, options: &str) -> Sent {
        Sent::of(self.run(&format!("simulate {options}")).await)
    }

    /// Drains and verifies: the tables are right to the last digit, and nothing sent is missing anywhere.
    pub async fn assert_verified(&self, sent: Sent) {
        let verified = self.start("verify").ended_within(VERIFIED_WITHIN).await.succeeded();
        let events = numbers(&verified.out)[0];
        let late = verified.out.split("; ").find(|part| part.contains("late events"));
        let late = late.map_or(0, |part| numbers(part)[0]);
        assert_eq!(events + late, sent.committed, "{verified}");
        assert_eq!(self.count("select count(*) from raw.events").await, sent.committed);
        let set_aside = "select count(*) from raw.quarantine where source = 'simulator'";
        assert_eq!(self.count(set_aside).await, sent.quarantined);
    }

    /// The one number that a query gives.
    pub async fn count(&self, sql: &str) -> i64 {
        self.pg.query_one(sql, &[]).await.unwrap().get(0)
    }
}

/// Removes the checkpoints of a namespace, also where its test failed; the rest is removed by who made it.
struct Checkpoints(PathBuf);

impl Checkpoints {
    fn of(endpoints: &Endpoints) -> Self {
        let root = PathBuf::from(endpoints.checkpoint_root.trim_start_matches("file://"));
        Self(root.join(endpoints.namespace.to_string()))
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        // A test that started no job left none.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Waits until a process has said something, and panics with all it printed where it ends instead.
pub async fn until_says(process: &mut Process, words: &str) {
    until(&format!("a process says {words:?}"), async || {
        let output = process.output().unwrap_or_else(|ended| panic!("{ended}"));
        if output.contains(words) { Ok(()) } else { Err(output) }
    })
    .await;
}

/// The command, built beside this program.
#[must_use]
pub fn storepulse() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    // A test lies in a folder beneath the command's, the chaos command beside it.
    let mut beside = program.ancestors().skip(1).take(2).map(|folder| folder.join("storepulse"));
    beside.find(|command| command.is_file()).unwrap_or_else(|| {
        panic!(
            "`storepulse` is not built beside {}: run `cargo build --package storepulse`",
            program.display()
        )
    })
}

/// The whole numbers in a text, in their order.
fn numbers(text: &str) -> Vec<i64> {
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}
