//! Starts the real services as local processes, health-gated; the fixture of every test. In containers it
//! starts the same ones.
//!
//! A [`Stack`] is a set of services with a folder of its own: rendered configuration, data, logs, and a state
//! file that names every process by pid and start time. It outlives the program that started it;
//! [`Stack::down`] ends it from any other.
//!
//! A [`Container`] becomes the service that it is for. Stack and container each make a `Site` of what they
//! find, and a launch follows from the site alone.
//!
//! What holds:
//! - Every port is on 127.0.0.1, except Spark Connect's, which cannot be bound and asks for a secret.
//! - A service is ready when it answers in its own protocol, and is started only when what it needs is ready.
//! - A start that fails or is abandoned (its future dropped) stops what it had started.
//! - A pid is signalled only while it is the process that was started.
//! - Versions come from `services/versions.toml`, configuration from `services/` and `spark/conf`, as in
//!   containers.

#![warn(missing_docs)]

mod airflow;
mod container;
mod error;
mod fixture;
mod health;
mod install;
mod launch;
mod layout;
mod network;
mod ports;
mod postgres;
mod private;
mod process;
mod progress;
mod service;
mod site;
mod spawn;
mod stack;
mod state;
mod status;
mod template;
mod vault;
mod versions;

pub use container::{Container, first_process};
pub use error::StackError;
pub use fixture::{Apart, Isolated, apart, isolated, shared, until};
pub use install::{Tools, install};
pub use launch::CONSOLE_MEMORY;
pub use layout::{Checkout, check_room};
pub use nix::sys::signal::Signal;
pub use ports::Ports;
pub use process::ProcessId;
pub use progress::{Event, PlainText, Progress, Silent};
pub use service::{Service, UnknownService};
pub use stack::{Stack, StackConfig};
pub use status::{Health, ServiceStatus};
pub use versions::Versions;
