//! What a run shows.

use std::fmt;
use std::time::Duration;

use super::fault::Fault;
use super::verdict::Verdict;

/// How soon rows should flow again once the component is healthy.
pub const TARGET: Duration = Duration::from_secs(15);

/// One fault and what followed.
#[derive(Debug, Clone)]
pub struct Recovered {
    /// Which round, from 1.
    pub number: usize,
    /// What happened.
    pub fault: Fault,
    /// When, from the start of the run.
    pub at: Duration,
    /// From the fault until the component was healthy again.
    pub away: Duration,
    /// From then until an event was in Cassandra that happened after it.
    pub recovery: Duration,
}

impl fmt::Display for Recovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>3}  {:>6.1} s  {:<58} {:>6.1} s  {:>6.1} s{}",
            self.number,
            self.at.as_secs_f64(),
            self.fault.to_string(),
            self.away.as_secs_f64(),
            self.recovery.as_secs_f64(),
            if self.recovery > TARGET { "  over the target" } else { "" }
        )
    }
}

#[derive(Debug, Clone)]
pub struct Report {
    /// Every fault.
    pub recovered: Vec<Recovered>,
    /// Processes of ours that ended by themselves and were started again.
    pub unasked: Vec<String>,
    /// What is left.
    pub verdict: Verdict,
}

impl Report {
    /// The heading over the rows of [`Recovered`].
    #[must_use]
    pub fn heading() -> String {
        format!("{:>3}  {:>8}  {:<58} {:>8}  {:>8}", "#", "at", "fault", "away", "recovery")
    }

    /// Whether each event counts once.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.verdict.passed()
    }

    /// The longest recovery.
    #[must_use]
    pub fn worst(&self) -> Duration {
        self.recovered.iter().map(|row| row.recovery).max().unwrap_or_default()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for told in &self.unasked {
            writeln!(f, "{told}")?;
        }
        let within = self.recovered.iter().filter(|row| row.recovery <= TARGET).count();
        write!(
            f,
            "{}: {} faults, {} lost, {} counted twice; rows flowed again within {} s after {within} of them, at worst after {:.1} s",
            if self.passed() { "passed" } else { "FAILED" },
            self.recovered.len(),
            self.verdict.lost(),
            self.verdict.twice(),
            TARGET.as_secs(),
            self.worst().as_secs_f64()
        )
    }
}
