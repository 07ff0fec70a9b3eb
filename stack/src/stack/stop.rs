//! Stopping: in good order, dependents first, and by force where that takes too long.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::{Inner, SIGNAL_LIMIT};
use crate::error::StackError;
use crate::process::ProcessId;
use crate::progress::{Event, Progress};
use crate::service::Service;

/// A broker that hands over and a database that writes its last checkpoint take a few seconds.
const STOP_LIMIT: Duration = Duration::from_secs(20);
/// Executors end by themselves once their driver is gone.
const STRAY_LIMIT: Duration = Duration::from_secs(5);

/// Stops every recorded service and whatever else carries the stack's mark.
pub(super) fn all(inner: &Inner, progress: &dyn Progress) -> Result<(), StackError> {
    some(inner, &Service::every().collect(), progress)?;
    let deadline = Instant::now() + STRAY_LIMIT;
    for stray in inner.strays() {
        stray.wait_gone(deadline.saturating_duration_since(Instant::now()));
    }
    kill_all(&inner.strays());
    Ok(())
}

/// Stops some services, each before those it needs; those that do not need each other at the same time.
pub(super) fn some(
    inner: &Inner,
    services: &BTreeSet<Service>,
    progress: &dyn Progress,
) -> Result<(), StackError> {
    let mut left = services.clone();
    while !left.is_empty() {
        let needed = left.iter().flat_map(|service| service.dependencies()).copied().collect::<BTreeSet<_>>();
        let round = left.difference(&needed).copied().collect::<BTreeSet<_>>();
        left = left.intersection(&needed).copied().collect();
        std::thread::scope(|scope| {
            let stops = round.iter().map(|&service| scope.spawn(move || one(inner, service, progress)));
            let stops = stops.collect::<Vec<_>>();
            stops
                .into_iter()
                .try_for_each(|stop| stop.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })?;
    }
    Ok(())
}

fn one(inner: &Inner, service: Service, progress: &dyn Progress) -> Result<(), StackError> {
    let recorded = inner.state().processes.get(&service).map(|running| running.process);
    let Some(process) = recorded else { return Ok(()) };
    if process.is_alive() {
        let start = Instant::now();
        progress.event(Event::Stopping(service));
        let tree = process.tree();
        // SIGINT makes PostgreSQL end sessions instead of waiting for them.
        process.signal(if service == Service::Postgres { Signal::SIGINT } else { Signal::SIGTERM });
        // A frozen one would not notice.
        process.signal(Signal::SIGCONT);
        if !process.wait_gone(STOP_LIMIT) {
            progress
                .event(Event::Note(format!("{service} does not end in {} s: killed", STOP_LIMIT.as_secs())));
            kill_all(&tree);
        }
        if !process.wait_gone(SIGNAL_LIMIT) {
            return Err(StackError::Unmoved { service, pid: process.pid, signal: Signal::SIGKILL.as_str() });
        }
        progress.event(Event::Stopped(service, start.elapsed()));
    }
    inner.change(|state| {
        state.processes.remove(&service);
    })
}

/// Ends all at once. PostgreSQL gets SIGQUIT, upon which it drops everything but its shared memory, which it
/// removes.
pub(super) fn abruptly(inner: &Inner) -> Result<(), StackError> {
    let recorded = inner.state().processes.clone();
    for (service, running) in &recorded {
        if *service == Service::Postgres {
            running.process.signal(Signal::SIGCONT);
            running.process.signal(Signal::SIGQUIT);
            running.process.wait_gone(SIGNAL_LIMIT);
        }
        kill_all(&running.process.tree());
    }
    kill_all(&inner.strays());
    for (service, running) in recorded {
        if !running.process.wait_gone(SIGNAL_LIMIT) {
            return Err(StackError::Unmoved {
                service,
                pid: running.process.pid,
                signal: Signal::SIGKILL.as_str(),
            });
        }
    }
    Ok(())
}

/// SIGKILL to each, and waits until they are gone.
pub(super) fn kill_all(processes: &[ProcessId]) {
    for process in processes {
        process.signal(Signal::SIGKILL);
    }
    let deadline = Instant::now() + SIGNAL_LIMIT;
    for process in processes {
        process.wait_gone(deadline.saturating_duration_since(Instant::now()));
    }
}
