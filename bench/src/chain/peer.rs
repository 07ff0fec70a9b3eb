//! The peer: `bench/peer`, as processes, in a namespace of its own whose tables it writes.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use contracts::endpoints::Endpoints;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::Child;

use super::step::{Look, Sampled, Step, all_read, offered_s, sampled};
use super::{LOOK, Offered, committed};
use crate::pyspark;

/// How long its job may take until its queries run.
const RUNS: Duration = Duration::from_secs(300);
/// How long it may take to end.
const GRACE: Duration = Duration::from_secs(120);
/// The topic is named as a generation of the events topic that set-up has not made, so that it is removed
/// with the namespace.
const GENERATION: i32 = 99;

/// Its job at work.
pub(super) struct Peer {
    brokers: String,
    topic: String,
    job: Child,
    /// What the job prints.
    output: PathBuf,
    /// Events of all steps.
    committed: i64,
}

impl Peer {
    /// Installs what is missing, and returns once the job's queries run.
    pub(super) async fn start(endpoints: &Endpoints, folder: &Path) -> anyhow::Result<Self> {
        provision::apply(endpoints).await?;
        pyspark::install().await?;
        let (brokers, topic) =
            (endpoints.kafka_brokers.clone(), endpoints.namespace.events_topic(GENERATION));
        let (output, checkpoints) = (folder.join("job"), folder.join("checkpoints"));
        std::fs::create_dir(&checkpoints)?;
        let errors = File::create(folder.join("errors"))?;
        let job = pyspark::program("job")?
            .args([&brokers, &topic, &endpoints.cassandra_contact_points])
            .arg(endpoints.namespace.keyspace())
            .arg(checkpoints)
            .stdout(Stdio::from(File::create(&output)?))
            .stderr(errors)
            .spawn()?;
        let mut peer = Self { brokers, topic, job, output, committed: 0 };
        let deadline = Instant::now() + RUNS;
        while peer.told()?.is_none() {
            if let Some(ended) = peer.job.try_wait()? {
                let said = std::fs::read_to_string(folder.join("errors"))?;
                anyhow::bail!("the peer's job ended with {ended}: {said}");
            }
            ensure!(Instant::now() < deadline, "the peer's job says nothing");
            tokio::time::sleep(LOOK).await;
        }
        Ok(peer)
    }

    /// What its job said last, each a line of JSON.
    fn told(&self) -> anyhow::Result<Option<Look>> {
        let printed = std::fs::read_to_string(&self.output)?;
        // The last line may not be whole yet.
        let whole = printed.rfind('\n').map_or("", |end| &printed[..end]);
        Ok(whole.lines().last().map(serde_json::from_str).transpose()?)
    }

    fn look(&mut self) -> anyhow::Result<Look> {
        ensure!(self.job.try_wait()?.is_none(), "the peer's job has ended");
        self.told()?.context("the peer's job says nothing")
    }

    /// Ends its job. Returns how many events it was told.
    pub(super) async fn stop(mut self) -> anyhow::Result<u64> {
        let id = self.job.id().context("the peer's job has ended")?;
        kill(Pid::from_raw(i32::try_from(id)?), Signal::SIGTERM)?;
        tokio::time::timeout(GRACE, self.job.wait()).await.context("the peer's job does not end")??;
        Ok(self.committed.try_into()?)
    }
}

impl Offered for Peer {
    async fn step(&mut self, rate: u32, seconds: u64) -> anyhow::Result<Step> {
        let mut producer = pyspark::program("produce")?;
        producer.args([&self.brokers, &self.topic, &rate.to_string(), &seconds.to_string()]);
        let offering = async { Ok(producer.output().await?) };
        let Sampled { said, samples, took_s } = sampled(offering, async || self.look()).await?;
        let (printed, errors) =
            (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
        let committed =
            committed(&printed).with_context(|| format!("the producer said {printed:?} {errors}"))?;
        self.committed += committed;
        all_read(self.committed, async || self.look()).await.context("the peer")?;
        Ok(Step::of(&samples, committed as f64 / offered_s(seconds, took_s)))
    }
}
