//! Our line: simulator, relay and job as processes in a namespace of their own, the job with all queries
//! beside the cube.

use anyhow::Context;
use chrono::{DateTime, Utc};
use contracts::family::REGISTRATIONS;
use jobs::control;
use jobs::plans::CUBE_QUERY;
use jobs::progress::JobProgress;
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

use super::step::{Look, Sampled, Step, all_read, offered_s, sampled};
use super::{Offered, committed};
use crate::processes::Commands;

/// Relay and job at work.
pub(super) struct Line<'a> {
    commands: &'a Commands<'a>,
    postgres: Client,
    /// Events of all steps.
    committed: i64,
    steps: u32,
}

impl<'a> Line<'a> {
    pub(super) async fn new(commands: &'a Commands<'a>) -> anyhow::Result<Self> {
        let postgres = provision::connect(&commands.endpoints.pg_url).await?;
        Ok(Self { commands, postgres, committed: 0, steps: 0 })
    }

    /// Records that the slowest of the queries beside the cube has read since then, of those that read
    /// events: none, if it has ended no micro-batch.
    async fn least_beside(&self, since: DateTime<Utc>) -> anyhow::Result<i64> {
        let least = "
            select coalesce(min(read), 0)::bigint from
                (select coalesce(sum(rows_in) filter (where started_at >= $1), 0) as read from ops.job_batch
                 where query not in ($2, $3) group by query) as beside";
        let asked: [&(dyn ToSql + Sync); 3] = [&since, &CUBE_QUERY, &REGISTRATIONS.name];
        Ok(self.postgres.query_one(least, &asked).await?.get(0))
    }

    /// What the cube has read.
    async fn look(&self) -> anyhow::Result<Look> {
        let JobProgress { input_rows, offsets_behind, .. } = self.progress().await?;
        Ok(Look { read: input_rows, behind: offsets_behind })
    }

    /// What the job's supervisor last reported.
    async fn progress(&self) -> anyhow::Result<JobProgress> {
        let run = control::latest(&self.postgres, CUBE_QUERY).await?;
        Ok(run.and_then(|run| run.progress).unwrap_or_default())
    }
}

impl Offered for Line<'_> {
    async fn step(&mut self, rate: u32, seconds: u64) -> anyhow::Result<Step> {
        self.steps += 1;
        let words = format!("simulate --rate {rate} --duration {seconds}s --seed {}", self.steps);
        let commands = self.commands;
        let restarts = self.progress().await?.restarts;
        let began_at: DateTime<Utc> = self.postgres.query_one("select now()", &[]).await?.get(0);
        let Sampled { said, samples, took_s } =
            sampled(commands.run(&words), async || self.look().await).await?;
        let committed = committed(&said).with_context(|| format!("the simulator said {said:?}"))?;
        let least_beside = self.least_beside(began_at).await?;
        self.committed += committed;
        all_read(self.committed, async || self.look().await).await?;
        let restarts = self.progress().await?.restarts.saturating_sub(restarts);
        let least_beside_per_s = Some(least_beside as f64 / took_s);
        let step = Step::of(&samples, committed as f64 / offered_s(seconds, took_s));
        Ok(Step { least_beside_per_s, restarts, ..step })
    }
}
