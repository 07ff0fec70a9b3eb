//! The peer: the same groupings over the same topic by PySpark, in a process that lasts.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use contracts::endpoints::Endpoints;
use contracts::topics::{Assigned, event_schema};
use tempfile::NamedTempFile;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};

use crate::pyspark;

/// How long one turn may take.
const TURN: Duration = Duration::from_secs(900);

pub(super) struct Peer {
    child: Child,
    asked: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    /// What it prints besides.
    errors: NamedTempFile,
}

impl Peer {
    pub(super) async fn start(endpoints: &Endpoints, assigned: &Assigned) -> anyhow::Result<Self> {
        pyspark::install().await?;
        let errors = NamedTempFile::new()?;
        let mut child = pyspark::program("plan")?
            .arg(&endpoints.kafka_brokers)
            .arg(endpoints.namespace.events_topic(assigned.generation))
            .arg(event_schema().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors.reopen()?)
            .spawn()?;
        let asked = child.stdin.take().context("the peer has no input")?;
        let lines = BufReader::new(child.stdout.take().context("the peer has no output")?).lines();
        Ok(Self { child, asked, lines, errors })
    }

    /// How long all groupings take, in s.
    pub(super) async fn turn(&mut self) -> anyhow::Result<f64> {
        self.asked.write_all(b"\n").await?;
        let line = tokio::time::timeout(TURN, self.lines.next_line()).await.context("the peer hangs")??;
        let Some(line) = line else {
            bail!("the peer ended: {}", std::fs::read_to_string(self.errors.path())?);
        };
        Ok(line.parse()?)
    }

    /// Closes its input, at which it ends.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        let Self { mut child, asked, .. } = self;
        drop(asked);
        tokio::time::timeout(TURN, child.wait()).await.context("the peer does not end")??;
        Ok(())
    }
}
