//! Processes, known by pid **and** start time: a pid that the kernel has given to somebody else is never
//! signalled.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

/// One process for as long as it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProcessId {
    /// The kernel's number, used again after the process has ended.
    pub pid: i32,
    /// When it started, in clock ticks since boot: together with the pid unique until the next boot.
    pub start_ticks: u64,
    /// Which boot that was, so that a state file that survives one claims nothing.
    pub boot: u64,
}

/// What `/proc/<pid>/stat` tells of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    state: char,
    parent: i32,
    thread_count: u32,
    start_ticks: u64,
}

impl ProcessId {
    /// The process that has this pid now.
    pub fn of(pid: i32) -> Option<Self> {
        let stat = stat(pid)?;
        Some(Self { pid, start_ticks: stat.start_ticks, boot: this_boot() })
    }

    /// This very process.
    pub fn own() -> Option<Self> {
        Self::of(std::process::id().cast_signed())
    }

    /// Whether it still runs. One that has ended and was not collected by its parent does not; but while
    /// other threads than the first are still ending, its ports and files are not free yet, so it does.
    pub fn is_alive(self) -> bool {
        self.stat().is_some_and(|stat| !matches!(stat.state, 'Z' | 'X') || stat.thread_count > 1)
    }

    /// Whether it was stopped by SIGSTOP.
    pub fn is_paused(self) -> bool {
        self.stat().is_some_and(|stat| stat.state == 'T')
    }

    fn stat(self) -> Option<Stat> {
        let stat = stat(self.pid)?;
        let same = stat.start_ticks == self.start_ticks && self.boot == this_boot();
        same.then_some(stat)
    }

    /// Sends a signal, and tells whether there was a process to receive it.
    pub fn signal(self, signal: Signal) -> bool {
        self.is_alive() && kill(Pid::from_raw(self.pid), signal).is_ok()
    }

    /// Waits until it has ended, or the time is up; tells whether it has.
    pub fn wait_gone(self, limit: Duration) -> bool {
        Self::wait(limit, || !self.is_alive())
    }

    /// Waits until it stands still after SIGSTOP, which it does once the kernel gets to it, or the time is
    /// up; tells whether it does.
    pub fn wait_paused(self, limit: Duration) -> bool {
        Self::wait(limit, || self.is_paused())
    }

    fn wait(limit: Duration, so: impl Fn() -> bool) -> bool {
        let deadline = Instant::now() + limit;
        while !so() {
            if Instant::now() >= deadline {
                return false;
            }
            // Not our child, as a rule, so there is no event to wait for.
            std::thread::sleep(Duration::from_millis(20));
        }
        true
    }

    /// It and all that descend from it.
    pub fn tree(self) -> Vec<Self> {
        let mut children = BTreeMap::<i32, Vec<Self>>::new();
        for pid in pids() {
            if let Some(stat) = stat(pid) {
                let child = Self { pid, start_ticks: stat.start_ticks, boot: self.boot };
                children.entry(stat.parent).or_default().push(child);
            }
        }
        let mut tree = vec![self];
        let mut next = 0;
        while let Some(member) = tree.get(next) {
            tree.extend(children.remove(&member.pid).unwrap_or_default());
            next += 1;
        }
        tree
    }

    /// Memory of the process itself in bytes. Pages that several processes share are divided among them,
    /// where the kernel tells.
    pub fn memory_bytes(self) -> u64 {
        let of = |file: &str, key: &str| {
            let text = fs::read_to_string(format!("/proc/{}/{file}", self.pid)).ok()?;
            let line = text.lines().find_map(|line| line.strip_prefix(key))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        of("smaps_rollup", "Pss:").or_else(|| of("status", "VmRSS:")).unwrap_or(0) * 1024
    }
}

/// Every pid there is.
pub(crate) fn pids() -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Processes whose environment carries `name=value`: all that a stack started, and what those started.
pub(crate) fn with_environment(name: &str, value: &str) -> Vec<ProcessId> {
    let wanted = format!("{name}={value}");
    let carries = |pid: &i32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
    };
    pids()
        .into_iter()
        .filter(carries)
        .filter_map(ProcessId::of)
        .filter(|process| process.is_alive())
        .collect()
}

/// Whether a process maps a file below a folder, as far as `/proc` lets us see.
pub(crate) fn maps_any_below(folder: &Path) -> bool {
    // The kernel names files by paths without links.
    let Ok(folder) = folder.canonicalize() else { return false };
    let is_below = |line: &str| line.find('/').is_some_and(|at| Path::new(&line[at..]).starts_with(&folder));
    pids().into_iter().any(|pid| {
        let maps = fs::read(format!("/proc/{pid}/maps")).unwrap_or_default();
        String::from_utf8_lossy(&maps).lines().any(is_below)
    })
}

/// Whether a class is named on the command line of a process.
pub(crate) fn runs_class(pid: i32, class: &str) -> bool {
    let raw = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    raw.split(|byte| *byte == 0).any(|word| word.ends_with(class.as_bytes()))
}

/// The command line of a process, cut to a readable length.
pub(crate) fn command_line(pid: i32) -> Option<String> {
    let raw = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let text = String::from_utf8_lossy(&raw).replace('\0', " ");
    let text = text.trim();
    if text.chars().count() <= 80 {
        return Some(text.to_owned());
    }
    Some(text.chars().take(77).chain("...".chars()).collect())
}

fn stat(pid: i32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The name of the program stands in parentheses and may hold spaces and parentheses itself.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, after_name) = text.rsplit_once(')')?;
    let fields = after_name.split_whitespace().collect::<Vec<_>>();
    Some(Stat {
        state: fields.first()?.chars().next()?,
        parent: fields.get(1)?.parse().ok()?,
        thread_count: fields.get(17)?.parse().ok()?,
        start_ticks: fields.get(19)?.parse().ok()?,
    })
}

/// The first half of the kernel's identifier of this boot.
fn this_boot() -> u64 {
    static THIS_BOOT: OnceLock<u64> = OnceLock::new();
    *THIS_BOOT.get_or_init(|| {
        let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let digits = text.chars().filter(char::is_ascii_hexdigit).take(16).collect::<String>();
        u64::from_str_radix(&digits, 16).unwrap_or(0)
    })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_recycled_pid_is_not_the_same_process() {
        let own = ProcessId::own().unwrap();
        assert!(own.is_alive());
        let earlier = ProcessId { start_ticks: own.start_ticks - 1, ..own };
        assert!(!earlier.is_alive());
        // Were it sent, the signal would end this test.
        assert!(!earlier.signal(Signal::SIGKILL));
        let before_the_boot = ProcessId { boot: !own.boot, ..own };
        assert!(!before_the_boot.signal(Signal::SIGKILL));
    }

    #[test]
    fn an_uncollected_child_is_dead() {
        let mut child = Command::new("true").spawn().unwrap();
        let process = ProcessId::of(child.id().cast_signed()).unwrap();
        assert!(process.wait_gone(Duration::from_secs(5)));
        child.wait().unwrap();
    }

    #[test]
    fn descendants_are_found_and_marked_by_environment() {
        let marker = format!("stack-process-test-{}", std::process::id());
        let mut child = Command::new("sh")
            .args(["-c", "sleep 60 & echo; wait"])
            .env("STOREPULSE_TEST_MARKER", &marker)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        // The line tells that the grandchild is there.
        let mut line = [0];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut line).unwrap();
        let process = ProcessId::of(child.id().cast_signed()).unwrap();
        let tree = process.tree();
        assert_eq!(tree.len(), 2);
        let grandchild = tree[1];
        let deadline = Instant::now() + Duration::from_secs(5);
        // Until exec the child's environment is its parent's.
        while with_environment("STOREPULSE_TEST_MARKER", &marker).len() != 2 && Instant::now() < deadline {
            std::thread::yield_now();
        }
        assert_eq!(with_environment("STOREPULSE_TEST_MARKER", &marker).len(), 2);
        for member in tree {
            member.signal(Signal::SIGKILL);
        }
        child.wait().unwrap();
        assert!(grandchild.wait_gone(Duration::from_secs(5)));
    }

    #[test]
    fn a_name_with_parentheses_does_not_confuse() {
        let text = format!("7 (a) b (c) S 3 {}2 0 99 0 0", "0 ".repeat(15));
        let stat = parse_stat(&text).unwrap();
        assert_eq!(stat, Stat { state: 'S', parent: 3, thread_count: 2, start_ticks: 99 });
    }
}
