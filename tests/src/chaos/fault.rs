//! What can befall the line.

use std::fmt;
use std::time::Duration;

use stack::Service;

/// A process of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    /// `storepulse relay run`.
    Relay,
    /// `storepulse simulate`.
    Simulator,
    /// `storepulse job run`.
    Supervisor,
    /// The one executor, a child of Spark's worker.
    Executor,
    /// A service of the stack.
    Service(Service),
}

impl Victim {
    /// Every one.
    pub const ALL: [Self; 12] = [
        Self::Relay,
        Self::Simulator,
        Self::Supervisor,
        Self::Executor,
        Self::Service(Service::Postgres),
        Self::Service(Service::Zookeeper),
        Self::Service(Service::Kafka),
        Self::Service(Service::SchemaRegistry),
        Self::Service(Service::Cassandra),
        Self::Service(Service::SparkMaster),
        Self::Service(Service::SparkWorker),
        Self::Service(Service::SparkConnect),
    ];
}

impl fmt::Display for Victim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Relay => "relay",
            Self::Simulator => "simulator",
            Self::Supervisor => "supervisor",
            Self::Executor => "spark-executor",
            Self::Service(service) => service.name(),
        })
    }
}

/// A place between two steps of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the relay, see `relay::failpoint`; with the most times it may be passed first.
    Relay(&'static str, u32),
    /// In the sink, in an executor; see the Java class `Failpoint`.
    Executor(&'static str),
    /// In the sink, in the driver.
    Driver(&'static str),
}

impl Place {
    /// Every one.
    pub const ALL: [Self; 9] = [
        Self::Relay("relay-after-produce", 2_000),
        Self::Relay("relay-before-kafka-commit", 40),
        Self::Relay("relay-after-kafka-commit", 40),
        Self::Driver("sink-before-tasks"),
        Self::Executor("sink-before-finish"),
        Self::Executor("sink-between-tables"),
        Self::Executor("sink-after-finish"),
        Self::Driver("sink-before-driver-commit"),
        Self::Driver("sink-after-driver-commit"),
    ];

    /// Its name in the programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Relay(name, _) | Self::Executor(name) | Self::Driver(name) => name,
        }
    }
}

/// One fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// `kill -9`.
    Kill {
        /// Which process.
        victim: Victim,
        /// How long until it is started again; an executor is started by Spark.
        away: Duration,
    },
    /// SIGSTOP, and SIGCONT later.
    Pause {
        /// Which process.
        victim: Victim,
        /// How long it stands still.
        lasts: Duration,
    },
    /// A process dies by itself at a named place.
    Failpoint {
        place: Place,
        /// How often the place is passed before, counted from 1.
        times: u32,
        /// How long until the process is started again.
        away: Duration,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill { victim: Victim::Executor, .. } => write!(f, "kill -9 {}", Victim::Executor),
            Self::Kill { victim, away } => write!(f, "kill -9 {victim}, away {:.1} s", away.as_secs_f64()),
            Self::Pause { victim, lasts } => write!(f, "pause {victim} for {:.1} s", lasts.as_secs_f64()),
            Self::Failpoint { place, times, .. } if *times > 1 => {
                write!(f, "die at {}, the {times}th time", place.name())
            }
            Self::Failpoint { place, .. } => write!(f, "die at {}", place.name()),
        }
    }
}
