//! What a supervisor of processes does for ours: whatever ends is started again.

use std::collections::BTreeMap;
use std::time::Duration;

use stack::ProcessId;
use tokio::time::Instant;

use crate::support::{Ended, Line, Process};

/// How long one that ended by itself waits to be started again; systemd's RestartSec would be set to it.
const RESTART_AFTER: Duration = Duration::from_secs(1);

/// One of our processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Relay,
    Supervisor,
    Simulator,
}

impl Role {
    const ALL: [Self; 3] = [Self::Relay, Self::Supervisor, Self::Simulator];

    const fn name(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::Supervisor => "supervisor",
            Self::Simulator => "simulator",
        }
    }
}

/// The state that a process is wanted in.
enum Kept {
    Running(Process),
    /// Started to die at a failpoint.
    Doomed(Process),
    /// To be started then.
    Due(Instant),
    /// Somebody else starts it.
    Held,
}

/// Keeps our three processes running.
pub(crate) struct Keeper<'a> {
    line: &'a Line,
    seed: u64,
    rate: u32,
    kept: BTreeMap<Role, Kept>,
    simulations: u64,
    /// Starts after an end that nobody caused on purpose, and what the last such end said.
    unasked: BTreeMap<Role, (u32, String)>,
}

impl<'a> Keeper<'a> {
    pub(crate) fn new(line: &'a Line, seed: u64, rate: u32) -> Self {
        let kept = Role::ALL.into_iter().map(|role| (role, Kept::Held)).collect();
        Self { line, seed, rate, kept, simulations: 0, unasked: BTreeMap::new() }
    }

    /// Starts what does not run.
    pub(crate) fn start_all(&mut self) {
        for role in Role::ALL {
            self.start(role);
        }
    }

    /// Starts a process.
    pub(crate) fn start(&mut self, role: Role) {
        let process = self.spawn(role, &[]);
        self.kept.insert(role, Kept::Running(process));
    }

    /// Starts a relay that is to die at a failpoint.
    pub(crate) fn start_doomed_relay(&mut self, failpoint: &str) {
        let process = self.spawn(Role::Relay, &[(relay::failpoint::VARIABLE, failpoint)]);
        self.kept.insert(Role::Relay, Kept::Doomed(process));
    }

    fn spawn(&mut self, role: Role, variables: &[(&str, &str)]) -> Process {
        let words = match role {
            Role::Relay => "relay run".to_owned(),
            Role::Supervisor => "job run".to_owned(),
            Role::Simulator => {
                self.simulations += 1;
                // Another seed each time: the same one would begin with the same users.
                let seed = self.seed.wrapping_mul(1_000).wrapping_add(self.simulations);
                let trouble = "--repeated-pct 1 --out-of-order-pct 2 --malformed-pct 1 --late-pct 1";
                format!("simulate --rate {} --duration forever --seed {seed} {trouble}", self.rate)
            }
        };
        self.line.start_with(&words, variables)
    }

    /// Starts again what has ended by itself.
    pub(crate) fn tend(&mut self) {
        for role in Role::ALL {
            match self.kept.get_mut(&role) {
                Some(Kept::Running(process)) => {
                    if let Some(ended) = process.try_ended() {
                        let (times, last) = self.unasked.entry(role).or_default();
                        *times += 1;
                        *last = why(&ended);
                        self.kept.insert(role, Kept::Due(Instant::now() + RESTART_AFTER));
                    }
                }
                Some(Kept::Due(at)) if *at <= Instant::now() => self.start(role),
                _ => {}
            }
        }
    }

    /// The process of a role, where it runs.
    pub(crate) fn process(&self, role: Role) -> Option<ProcessId> {
        match self.kept.get(&role) {
            Some(Kept::Running(process)) => ProcessId::of(process.id().cast_signed()),
            _ => None,
        }
    }

    /// Kills a process; it stays away until it is started.
    pub(crate) async fn kill_9(&mut self, role: Role) {
        if let Some(process) = self.hold(role) {
            process.kill_9().await;
        }
    }

    /// Ends a process in good order; it stays away until it is started.
    pub(crate) async fn stop(&mut self, role: Role) -> Option<Ended> {
        match self.hold(role) {
            Some(process) => Some(process.stop().await),
            None => None,
        }
    }

    /// Whether the relay that was to die has died; it stays away until it is started.
    pub(crate) fn relay_has_died(&mut self) -> bool {
        let died = match self.kept.get_mut(&Role::Relay) {
            Some(Kept::Doomed(process)) => !process.is_running(),
            _ => false,
        };
        if died {
            self.hold(Role::Relay);
        }
        died
    }

    fn hold(&mut self, role: Role) -> Option<Process> {
        match self.kept.insert(role, Kept::Held) {
            Some(Kept::Running(process) | Kept::Doomed(process)) => Some(process),
            _ => None,
        }
    }

    /// The processes that ended by themselves and were started again.
    pub(crate) fn unasked(&self) -> Vec<String> {
        let told = |(role, (times, last)): (&Role, &(u32, String))| {
            format!("{} ended by itself and was started again {times} times, last: {last}", role.name())
        };
        self.unasked.iter().map(told).collect()
    }

    /// What each process printed last, to explain a failure.
    pub(crate) fn last_words(&mut self) -> String {
        let mut told = String::new();
        for (role, kept) in &mut self.kept {
            let words = match kept {
                Kept::Running(process) | Kept::Doomed(process) => process.printed(),
                Kept::Due(_) | Kept::Held => "it does not run".to_owned(),
            };
            let lines: Vec<&str> = words.lines().collect();
            let last = lines[lines.len().saturating_sub(12)..].join("\n    ");
            told += &format!("  {}:\n    {last}\n", role.name());
        }
        told
    }
}

/// The last thing that a process said.
fn why(ended: &Ended) -> String {
    let last = ended.err.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("nothing said");
    format!("{}: {last}", ended.status)
}
