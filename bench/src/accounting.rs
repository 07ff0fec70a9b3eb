//! What each part of a line takes of the machine: processor time by events, and memory.

use std::time::Duration;

use serde::Serialize;
use stack::{ProcessId, Service, Stack};

use crate::processes::{Of, processor_time};

/// Parts whose processor time counts from a moment on.
pub(crate) struct Account {
    parts: Vec<Part>,
}

struct Part {
    name: String,
    process: ProcessId,
    of: Of,
    before: Duration,
}

/// What one part took.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Taken {
    /// A service, or a process of ours.
    pub(crate) part: String,
    /// Seconds of processor time for a million events.
    pub(crate) processor_s_per_million: f64,
    /// Resident memory at the end, in MiB; pages that several processes share are divided among them.
    pub(crate) memory_mib: f64,
}

impl Account {
    /// Begins with nothing.
    pub(crate) const fn new() -> Self {
        Self { parts: Vec::new() }
    }

    /// Begins with all services of a stack that run, and its executors.
    pub(crate) fn of(stack: &Stack) -> Self {
        let mut account = Self::new();
        for service in stack.services() {
            account = account.with_service(stack, service);
        }
        account
    }

    /// Adds a service, where it runs; with Spark's worker also its executors, which count for themselves.
    pub(crate) fn with_service(mut self, stack: &Stack, service: Service) -> Self {
        let Ok(process) = stack.process(service) else { return self };
        let of = if service == Service::SparkWorker { Of::Itself } else { Of::Family };
        self.add(service.name(), process, of);
        if service == Service::SparkWorker {
            for executor in stack.executors().unwrap_or_default() {
                self.add("spark-executor", executor, Of::Family);
            }
        }
        self
    }

    /// Adds a process of ours, without those that it has started.
    pub(crate) fn with(mut self, name: &str, pid: u32) -> Self {
        if let Some(process) = ProcessId::of(pid.cast_signed()) {
            self.add(name, process, Of::Itself);
        }
        self
    }

    fn add(&mut self, name: &str, process: ProcessId, of: Of) {
        let before = processor_time(process, of);
        self.parts.push(Part { name: name.to_owned(), process, of, before });
    }

    /// What each part has taken since for so many events. Parts that have ended are left out.
    pub(crate) fn taken(&self, events: f64) -> Vec<Taken> {
        let alive = self.parts.iter().filter(|part| part.process.is_alive());
        let taken = alive.map(|part| {
            let time = processor_time(part.process, part.of).saturating_sub(part.before);
            let processes = match part.of {
                Of::Itself => vec![part.process],
                Of::Family => part.process.tree(),
            };
            let memory_bytes: u64 = processes.into_iter().map(ProcessId::memory_bytes).sum();
            Taken {
                part: part.name.clone(),
                processor_s_per_million: time.as_secs_f64() / events * 1e6,
                memory_mib: memory_bytes as f64 / f64::from(1 << 20),
            }
        });
        taken.collect()
    }
}

/// The medians of several runs, part by part as the first run has them.
pub(crate) fn medians<'a>(runs: impl Iterator<Item = &'a [Taken]>) -> Vec<Taken> {
    let runs: Vec<&[Taken]> = runs.collect();
    let Some(first) = runs.first() else { return Vec::new() };
    let median = |part: &str, figure: fn(&Taken) -> f64| {
        let of_part = runs.iter().flat_map(|run| run.iter()).filter(|taken| taken.part == part);
        crate::spread(&mut of_part.map(figure).collect::<Vec<_>>()).1
    };
    let parts = first.iter().map(|taken| Taken {
        part: taken.part.clone(),
        processor_s_per_million: median(&taken.part, |taken| taken.processor_s_per_million),
        memory_mib: median(&taken.part, |taken| taken.memory_mib),
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(processor_s_per_million: f64, memory_mib: f64) -> Taken {
        Taken { part: "relay".to_owned(), processor_s_per_million, memory_mib }
    }

    #[test]
    fn work_of_this_process_is_counted_for_it() {
        let account = Account::new().with("bench", std::process::id());
        let began = std::time::Instant::now();
        // The kernel counts in ticks of 10 ms.
        while began.elapsed() < Duration::from_millis(300) {
            std::hint::spin_loop();
        }
        let taken = account.taken(1e6);
        assert_eq!(taken.len(), 1);
        assert!(taken[0].processor_s_per_million >= 0.03, "{taken:?}");
        assert!(taken[0].memory_mib > 1.0, "{taken:?}");
    }

    #[test]
    fn a_part_that_has_ended_is_left_out() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let account = Account::new().with("short", child.id());
        child.wait().unwrap();
        assert!(account.taken(1.0).is_empty());
    }

    #[test]
    fn each_figure_has_a_median_of_its_own() {
        let runs = [vec![taken(1.0, 30.0)], vec![taken(9.0, 10.0)], vec![taken(2.0, 20.0)]];
        assert_eq!(medians(runs.iter().map(Vec::as_slice)), [taken(2.0, 20.0)]);
    }
}
