//! What can go wrong, each with its cause and the way out.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::service::{Service, UnknownService};

/// Why the stack could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message says what a field is whose name alone would be repeated")]
pub enum StackError {
    /// Nowhere up from here, nor where the program was built, are there the services' files.
    #[error("no Storepulse checkout found from {}; run the command inside one, or name it in STOREPULSE_CHECKOUT", .from.display())]
    NoCheckout {
        /// Where the search began.
        from: PathBuf,
    },
    /// `services/versions.toml` is not what it should be.
    #[error("{} cannot be read as the table of versions; restore it from git", .path.display())]
    Versions {
        path: PathBuf,
        /// What the parser says.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// Java is there in another version, or not at all.
    #[error("no JDK {major} found{}; install it with `apt-get install -y openjdk-{major}-jdk-headless`, or set JAVA_HOME", instead(.found))]
    JdkMissing {
        /// The major version that every JVM service here runs on.
        major: u32,
        /// What was found instead.
        found: Option<String>,
    },
    /// A program that Debian packages is missing.
    #[error("`{program}` not found; install it with `{remedy}`")]
    ProgramMissing {
        program: String,
        /// The command that installs it.
        remedy: String,
    },
    /// Somebody else listens where a service of ours should.
    #[error("port {port} for {service} is taken by {holder}; stop it first")]
    PortTaken {
        /// The service that needs the port.
        service: Service,
        port: u16,
        /// Pid and command line where `/proc` tells.
        holder: String,
    },
    /// No pair of free ports could be found.
    #[error("no free port found between {low} and {high}; stop what listens there")]
    NoFreePort {
        /// Lowest port tried.
        low: u16,
        /// Highest port tried.
        high: u16,
    },
    /// What another account has prepared would be believed.
    #[error(
        "{} {found}, so its contents cannot be trusted: remove it if nobody needs it, or run this command as the \
         account that owns it",
        .path.display()
    )]
    ForeignFolder {
        path: PathBuf,
        /// Whose it is, or what.
        found: String,
    },
    /// Too little room to start: a database on a full disk ends badly.
    #[error("{} has {available_mib} MiB free and {needed_mib} MiB are needed; free some, or remove old data with `storepulse stack down --purge`", .path.display())]
    DiskFull {
        /// The folder that data would go to.
        path: PathBuf,
        /// What is free.
        available_mib: u64,
        /// What must be.
        needed_mib: u64,
    },
    /// The process ended before it was ready.
    #[error("{service} ended while starting ({status}); the end of {}:\n{log_tail}", .log_path.display())]
    Died {
        service: Service,
        /// Exit code or signal.
        status: String,
        /// Its whole log.
        log_path: PathBuf,
        /// The last lines of it.
        log_tail: String,
    },
    /// The process runs and does not answer.
    #[error("{service} did not become healthy within {} s ({problem}); the end of {}:\n{log_tail}", .waited.as_secs(), .log_path.display())]
    NotHealthy {
        service: Service,
        /// How long it had.
        waited: Duration,
        /// What the last health check said.
        problem: String,
        /// Its whole log.
        log_path: PathBuf,
        /// The last lines of it.
        log_tail: String,
    },
    /// The process does not end, not even by SIGKILL.
    #[error(
        "pid {pid} of {service} does not react to {signal}; it hangs in the kernel: look at /proc/{pid}/stack"
    )]
    Unmoved {
        service: Service,
        pid: i32,
        /// What was sent.
        signal: &'static str,
    },
    /// An operation needs a service that does not run.
    #[error("{service} is not running; start it with `stack up`")]
    NotRunning { service: Service },
    /// An operation needs a service that this stack was made without.
    #[error("{service} is not part of stack `{stack}`; name it among the services when opening the stack")]
    NotPartOfStack { service: Service, stack: String },
    /// A service that the command serves, on a stack that was opened without one.
    #[error("{service} is served by the storepulse command: start it with `storepulse stack up`")]
    NoCommand { service: Service },
    /// Another service failed, so this one was not tried.
    #[error("{service} was not started because a service it needs failed")]
    DependencyFailed { service: Service },
    /// A name that is no service's.
    #[error(transparent)]
    UnknownService(#[from] UnknownService),
    /// A helper program such as Maven or initdb failed.
    #[error("`{command}` failed ({status}); the end of its output:\n{output}")]
    CommandFailed {
        /// The command line.
        command: String,
        /// Exit code or signal.
        status: String,
        /// The last lines it printed.
        output: String,
    },
    /// A template names something nobody filled in.
    #[error("{} has no value for @{name}@; it was changed without the launcher", .path.display())]
    Placeholder { path: PathBuf, name: String },
    /// This is no container of our images.
    #[error("this is no container of Storepulse's images: there is no {}; here `storepulse stack up` starts services", .path.display())]
    NoContainer {
        /// What every image has.
        path: PathBuf,
    },
    /// A name that no image starts.
    #[error("no image starts `{name}`; there are {known}")]
    UnknownRole {
        name: String,
        /// All names.
        known: String,
    },
    /// Words behind a service that takes none.
    #[error("{role} takes no words, and there are `{words}`; leave them out")]
    WordsUnwanted {
        /// What is started.
        role: String,
        /// What stands behind it.
        words: String,
    },
    /// A variable of a container says what cannot be.
    #[error("{name} is {wanted}, and not `{value}`")]
    Setting {
        name: &'static str,
        /// What it may be.
        wanted: &'static str,
        /// What it is.
        value: String,
    },
    /// One member of three that thinks it is alone would join its own data to another cluster.
    #[error(
        "{host} is of the profile cluster, and STOREPULSE_NODES is not 3: say it in .env, or start by `make compose-up`"
    )]
    AloneInCluster {
        /// This container.
        host: String,
    },
    /// A cluster whose brokers would each keep metadata of their own.
    #[error("KAFKA_MODE=kraft is for one broker: leave it out with the profile cluster")]
    KraftCluster,
    /// A broker that is to keep its own metadata finds data of one that did not.
    #[error(
        "{} is of a broker whose metadata ZooKeeper keeps: leave KAFKA_MODE=kraft out, or give it an empty volume", .path.display()
    )]
    KeptByZookeeper {
        /// What tells.
        path: PathBuf,
    },
    /// A container's own name leads nowhere.
    #[error("{host} has no address: is the container on a network?")]
    NoAddress { host: String },
    /// A member of the cluster does not take connections.
    #[error("{member} takes no connection after {} s; look at its log", .waited.as_secs())]
    Absent {
        /// Host and port.
        member: String,
        /// How long it had.
        waited: Duration,
    },
    /// The engine mounted no such file.
    #[error("there is no secret {name}: {} cannot be read (`make compose-secrets` makes it)", .path.display())]
    SecretMissing {
        name: String,
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A secret that would need quoting, or could be guessed.
    #[error("the secret in {} must be {least} or more letters, digits, `_` and `-`: `make compose-secrets` makes such", .path.display())]
    SecretUnfit {
        path: PathBuf,
        /// The least length.
        least: usize,
    },
    /// The state file does not parse.
    #[error("{} is damaged; stop the processes that it names by hand, then remove the file", .path.display())]
    StateFile {
        path: PathBuf,
        /// What the parser says.
        #[source]
        source: serde_json::Error,
    },
    /// The system account that PostgreSQL is to run as is missing.
    #[error(
        "there is no system user `{user}` to run PostgreSQL as; install it with `apt-get install -y postgresql`"
    )]
    UserMissing { user: String },
    /// PostgreSQL answered with an error.
    #[error("could not {doing}; see the log of postgres")]
    Postgres {
        /// What was being done.
        doing: &'static str,
        /// What PostgreSQL said.
        #[source]
        source: tokio_postgres::Error,
    },
    /// The file system or the kernel refused.
    #[error("could not {doing}")]
    Io {
        /// What was being done.
        doing: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// A task of the library itself panicked or was cancelled.
    #[error("an internal task ended early; this is a defect of the stack library")]
    Task(#[from] tokio::task::JoinError),
}

fn instead(found: &Option<String>) -> String {
    found.as_ref().map_or_else(String::new, |found| format!(" (found {found})"))
}

/// Names what was being done when the system refused.
pub(crate) trait Doing<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, StackError>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, StackError> {
        self.map_err(|source| StackError::Io { doing: what(), source })
    }
}

impl<T> Doing<T> for nix::Result<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, StackError> {
        self.map_err(|errno| StackError::Io { doing: what(), source: errno.into() })
    }
}
