//! What a running operation tells whoever watches, so that a front end can draw it.

use std::io::Write as _;
use std::time::Duration;

use crate::service::Service;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A remark for the reader, such as what an earlier run had left behind.
    Note(String),
    /// A download or build began.
    Installing(String),
    /// It is done.
    Installed(String, Duration),
    /// The process is being started.
    Starting(Service),
    /// It answers.
    Ready(Service, Duration),
    /// It was running and answers.
    AlreadyUp(Service),
    /// It was asked to stop.
    Stopping(Service),
    /// It is gone.
    Stopped(Service, Duration),
}

/// Receives events, possibly from several threads at once.
pub trait Progress: Send + Sync + 'static {
    /// Called for each event as it happens; must not block.
    fn event(&self, event: Event);
}

impl<F: Fn(Event) + Send + Sync + 'static> Progress for F {
    fn event(&self, event: Event) {
        self(event);
    }
}

/// Says nothing.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _event: Event) {}
}

/// A line to standard error for each event, with the time it took.
#[derive(Debug, Clone, Copy)]
pub struct PlainText;

impl Progress for PlainText {
    fn event(&self, event: Event) {
        let mut stderr = std::io::stderr().lock();
        // A closed terminal is no reason to stop the services.
        let _ = writeln!(stderr, "{}", line(&event));
    }
}

fn line(event: &Event) -> String {
    match event {
        Event::Note(text) => format!("  {text}"),
        Event::Installing(what) => format!("  {what} ..."),
        Event::Installed(what, took) => format!("  {what}: {:.1} s", took.as_secs_f64()),
        Event::Starting(service) => format!("  {service:<16} starting"),
        Event::Ready(service, took) => format!("  {service:<16} ready     {:>5.1} s", took.as_secs_f64()),
        Event::AlreadyUp(service) => format!("  {service:<16} already up"),
        Event::Stopping(service) => format!("  {service:<16} stopping"),
        Event::Stopped(service, took) => format!("  {service:<16} stopped   {:>5.1} s", took.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_line_up() {
        let kafka = line(&Event::Ready(Service::Kafka, Duration::from_millis(4321)));
        let registry = line(&Event::Ready(Service::SchemaRegistry, Duration::from_millis(12_345)));
        assert_eq!(kafka, "  kafka            ready       4.3 s");
        assert_eq!(kafka.len(), registry.len());
    }
}
