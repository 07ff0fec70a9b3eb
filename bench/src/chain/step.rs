//! What one rate came to, from looks at what reads while it lasted.

use std::time::Instant;

use anyhow::ensure;
use serde::Deserialize;

use super::{LOOK, READ};

/// By how much the time that the line is behind may grow over a step that is held, in s. Micro-batches take
/// some seconds each at high rates, so that what is unread goes up and down by as much.
const MOST_GROWN_S: f64 = 3.0;
/// The share of the rate that the simulator must offer for the step to count.
const OFFERED: f64 = 0.97;

/// One look at it.
#[derive(Deserialize)]
pub(super) struct Look {
    /// Records that were read and counted since all began.
    pub(super) read: i64,
    /// Records in Kafka behind the last micro-batch.
    pub(super) behind: i64,
}

/// A look, and when it was taken.
pub(super) struct Sample {
    /// Since the step began, in s.
    at_s: f64,
    look: Look,
}

/// What was seen while events were offered.
pub(super) struct Sampled<T> {
    /// What whoever offered them says.
    pub(super) said: T,
    pub(super) samples: Vec<Sample>,
    /// How long it took, in s.
    pub(super) took_s: f64,
}

/// Offers events to the end, and looks at what is read meanwhile.
pub(super) async fn sampled<T>(
    offering: impl Future<Output = anyhow::Result<T>>,
    mut look: impl AsyncFnMut() -> anyhow::Result<Look>,
) -> anyhow::Result<Sampled<T>> {
    let began = Instant::now();
    let mut offering = Box::pin(offering);
    let mut looks = tokio::time::interval(LOOK);
    let mut samples = Vec::new();
    loop {
        tokio::select! {
            said = &mut offering => {
                return Ok(Sampled { said: said?, samples, took_s: began.elapsed().as_secs_f64() });
            }
            _ = looks.tick() => {
                let look = look().await?;
                samples.push(Sample { at_s: began.elapsed().as_secs_f64(), look });
            }
        }
    }
}

/// Waits until so many events are read.
pub(super) async fn all_read(
    events: i64,
    mut look: impl AsyncFnMut() -> anyhow::Result<Look>,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + READ;
    loop {
        let Look { read, .. } = look().await?;
        if read >= events {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "{read} of {events} events are read after {READ:?}");
        tokio::time::sleep(LOOK).await;
    }
}

/// What a rate came to.
pub(super) struct Step {
    /// Events that were committed, a second.
    pub(super) offered_per_s: f64,
    /// Those that were read, over the last two thirds.
    pub(super) read_per_s: f64,
    pub(super) most_behind: i64,
    /// Those that the slowest of the queries beside what counts read, where there are some.
    pub(super) least_beside_per_s: Option<f64>,
    /// Restarts meanwhile.
    pub(super) restarts: u32,
    /// How long the last two thirds were, in s.
    pub(super) over_s: f64,
}

/// Over how many seconds events were offered. That a program starts and ends takes a moment more, which is
/// no lower rate.
pub(super) fn offered_s(seconds: u64, took_s: f64) -> f64 {
    let seconds = seconds as f64;
    if took_s < seconds * 1.05 + 2.0 { seconds } else { took_s }
}

impl Step {
    pub(super) fn of(samples: &[Sample], offered_per_s: f64) -> Self {
        let end_s = samples.last().map_or(0.0, |sample| sample.at_s);
        // In the first third it finds its pace.
        let from_s = end_s / 3.0;
        let settled = samples.iter().filter(|sample| sample.at_s >= from_s);
        let points: Vec<(f64, f64)> = settled.map(|sample| (sample.at_s, sample.look.read as f64)).collect();
        Self {
            offered_per_s,
            read_per_s: slope(&points),
            most_behind: samples.iter().map(|sample| sample.look.behind).max().unwrap_or(0),
            least_beside_per_s: None,
            restarts: 0,
            over_s: end_s - from_s,
        }
    }

    /// By how much the time that the reader is behind grew over the last two thirds, in s of events.
    pub(super) fn grown_s(&self) -> f64 {
        (self.offered_per_s - self.read_per_s) / self.offered_per_s * self.over_s
    }

    /// Whether the rate is held.
    pub(super) fn held(&self, rate: u32) -> bool {
        let offered = self.offered_per_s >= OFFERED * f64::from(rate);
        offered && self.grown_s() <= MOST_GROWN_S && self.restarts == 0
    }
}

/// The slope of the straight line through points, by least squares.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x_mean, y_mean) = (mean(|point| point.0), mean(|point| point.1));
    let sum =
        |of: &dyn Fn(f64, f64) -> f64| points.iter().map(|(x, y)| of(x - x_mean, y - y_mean)).sum::<f64>();
    sum(&|x, y| x * y) / sum(&|x, _| x * x)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A job that reads so many records a second, in micro-batches of four seconds.
    fn reading(per_s: i64) -> Vec<Sample> {
        (0..120)
            .map(|second| {
                let look = Look { read: second / 4 * 4 * per_s, behind: 4 * per_s };
                Sample { at_s: second as f64, look }
            })
            .collect()
    }

    #[test]
    fn a_job_that_reads_what_is_offered_holds_the_rate() {
        let step = Step::of(&reading(10_000), 10_000.0);
        assert!((step.read_per_s - 10_000.0).abs() < 100.0, "{}", step.read_per_s);
        assert!(step.held(10_000), "{}", step.grown_s());
        assert_eq!(step.most_behind, 40_000);
    }

    #[test]
    fn one_that_falls_behind_is_restarted_or_is_offered_less_does_not() {
        assert!(!Step::of(&reading(9_400), 10_000.0).held(10_000));
        let restarted = Step { restarts: 1, ..Step::of(&reading(10_000), 10_000.0) };
        assert!(!restarted.held(10_000));
        assert!(!Step::of(&reading(9_000), 9_000.0).held(10_000));
        assert!(!Step::of(&[], 10_000.0).held(10_000));
    }

    #[tokio::test]
    async fn looks_are_taken_while_events_are_offered_and_until_they_are_read() {
        let looked = tokio::sync::Notify::new();
        let offering = async {
            looked.notified().await;
            Ok("done")
        };
        let look = async || {
            looked.notify_one();
            Ok(Look { read: 3, behind: 2 })
        };
        let sampled = sampled(offering, look).await.unwrap();
        assert_eq!((sampled.said, sampled.samples.len()), ("done", 1));
        assert_eq!(sampled.samples[0].look.behind, 2);

        let mut read = 6;
        let look = async || {
            read += 1;
            Ok(Look { read, behind: 0 })
        };
        all_read(7, look).await.unwrap();
        assert_eq!(read, 7);
        assert!(all_read(7, async || anyhow::bail!("away")).await.is_err());
    }
}
