//! What runs, how much memory it takes, and whether it serves.

use std::collections::BTreeSet;

use futures::future::join_all;
use serde::Serialize;

use crate::health;
use crate::process::{self, ProcessId};
use crate::service::Service;
use crate::state::State;

/// Whether a service serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// It answers in its own protocol.
    Healthy,
    /// It runs and does not answer.
    Unhealthy,
    /// It was frozen by a signal.
    Paused,
    /// It does not run.
    Stopped,
}

/// One line of the status table.
#[derive(Debug, Clone, Serialize)]
pub struct ServiceStatus {
    /// The service, or `spark-executor`.
    pub name: String,
    /// The id of its process; none while it is stopped.
    pub pid: Option<i32>,
    /// Where clients find it; executors have no such place.
    pub port: Option<u16>,
    /// Its own and its children's memory; pages shared among them count once.
    pub memory_bytes: u64,
    /// Whether it serves.
    pub health: Health,
    /// What is wrong, if anything.
    pub problem: Option<String>,
}

/// The status of each service, the executors last.
pub(crate) async fn collect(services: &BTreeSet<Service>, state: &State) -> Vec<ServiceStatus> {
    let checks = services.iter().map(|service| one(*service, state));
    let mut statuses = join_all(checks).await;
    let worker = state.alive(Service::SparkWorker).filter(|_| services.contains(&Service::SparkWorker));
    for executor in worker.into_iter().flat_map(executors) {
        statuses.push(ServiceStatus {
            name: "spark-executor".to_owned(),
            pid: Some(executor.pid),
            port: None,
            memory_bytes: executor.memory_bytes(),
            health: if executor.is_paused() { Health::Paused } else { Health::Healthy },
            problem: None,
        });
    }
    statuses
}

/// The executor processes among a worker's descendants.
pub(crate) fn executors(worker: ProcessId) -> Vec<ProcessId> {
    worker
        .tree()
        .into_iter()
        .filter(|process| process::runs_class(process.pid, "CoarseGrainedExecutorBackend"))
        .collect()
}

async fn one(service: Service, state: &State) -> ServiceStatus {
    let port = state.ports.of(service);
    let stopped = ServiceStatus {
        name: service.name().to_owned(),
        pid: None,
        port: Some(port).filter(|_| !state.ports.all_of(service).is_empty()),
        memory_bytes: 0,
        health: Health::Stopped,
        problem: None,
    };
    let Some(process) = state.alive(service) else {
        // A record without a process tells that nobody asked it to end.
        let crashed = state.processes.contains_key(&service);
        let problem =
            crashed.then(|| "it ended by itself; `stack up` starts it again, its log tells why".to_owned());
        return ServiceStatus { problem, ..stopped };
    };
    let memory_bytes = match service {
        // Its executors have lines of their own.
        Service::SparkWorker => process.memory_bytes(),
        _ => process.tree().into_iter().map(ProcessId::memory_bytes).sum(),
    };
    let running = ServiceStatus { pid: Some(process.pid), memory_bytes, ..stopped };
    if process.is_paused() {
        return ServiceStatus { health: Health::Paused, ..running };
    }
    match health::of_stack(service, state.ports, state.secrets.clone()).await {
        Ok(()) => ServiceStatus { health: Health::Healthy, ..running },
        Err(problem) => ServiceStatus { health: Health::Unhealthy, problem: Some(problem), ..running },
    }
}
