//! The queries of the job as they run: started, and asked how they do.

use std::time::{Duration, Instant};

use spark_connect_rs::SparkError;
use spark_connect_rs::streaming::StreamingQuery;

use super::attempt::first_line;
use super::kept::Key;
use super::submission::{Beside, Planned, Submission};
use crate::checkpoint;
use crate::plans::CUBE_QUERY;
use crate::spark::{self, CallError};

/// How long it may take to plan and start a query.
pub(super) const START: Duration = Duration::from_secs(120);

/// The queries of one plan, as submitted.
#[derive(Clone)]
pub(super) struct PlanQueries {
    pub(super) planned: Planned,
    pub(super) cube: StreamingQuery,
    /// In the order of [`Beside::all`], as far as they are started.
    pub(super) beside: Vec<(Beside, StreamingQuery)>,
}

impl PlanQueries {
    const fn revision(&self) -> i64 {
        self.planned.plan.revision
    }
}

/// The queries of the job, in the order of its plans.
#[derive(Clone)]
pub(super) struct Queries {
    pub(super) submission: Submission,
    pub(super) plans: Vec<PlanQueries>,
}

impl Queries {
    pub(super) fn into_all(self) -> impl Iterator<Item = StreamingQuery> {
        self.plans.into_iter().flat_map(|plan| {
            std::iter::once(plan.cube).chain(plan.beside.into_iter().map(|(_, beside)| beside))
        })
    }

    /// Those that were started.
    pub(super) fn keys(&self) -> impl Iterator<Item = Key> {
        self.plans.iter().flat_map(|plan| {
            let beside = plan.beside.iter().map(|(which, _)| which.name());
            std::iter::once(CUBE_QUERY).chain(beside).map(|name| (name, plan.revision()))
        })
    }
}

/// What one query answered.
pub(super) struct Answer {
    pub(super) key: Key,
    pub(super) trigger_active: bool,
    pub(super) data_available: bool,
    /// Its latest reports, as JSON.
    pub(super) progress: Vec<String>,
}

/// A query that ended by itself.
pub(super) struct EndedQuery {
    pub(super) key: Key,
    /// In one line.
    pub(super) why: String,
    /// All that Spark says about it.
    pub(super) exception: Option<String>,
}

/// What one round of questions found.
#[derive(Default)]
pub(super) struct Answers {
    pub(super) given: Vec<Answer>,
    /// Whether a cube is at work.
    pub(super) busy: bool,
    /// Whether the query beside the cubes that was started last waits for its next trigger.
    pub(super) beside_idle: bool,
    pub(super) ended: Option<EndedQuery>,
}

/// Starts a query beside the cube of each plan.
pub(super) async fn start_beside(queries: &mut Queries, which: Beside) -> Result<(), CallError> {
    let Queries { submission, plans } = queries.clone();
    let started = spark::call("start a query beside the cube", START, move || {
        plans.iter().map(|plan| submission.start_beside(&plan.planned, which)).collect::<Result<Vec<_>, _>>()
    })
    .await?;
    for (plan, beside) in queries.plans.iter_mut().zip(started) {
        plan.beside.push((which, beside));
    }
    Ok(())
}

/// Asks how the queries do: those beside the cube in turns, one a round, as each question costs the server.
pub(super) fn ask(queries: &Queries, round: usize) -> Result<Answers, SparkError> {
    let mut answers = Answers { beside_idle: true, ..Answers::default() };
    for plan in &queries.plans {
        let cube = (CUBE_QUERY, plan.revision());
        let answer = ask_one(cube, &plan.cube, &mut answers.ended)?;
        answers.busy |= answer.trigger_active && answer.data_available;
        answers.given.push(answer);
        if plan.beside.len() < Beside::all().len()
            && let Some((_, last)) = plan.beside.last()
        {
            answers.beside_idle &= !last.status()?.is_trigger_active;
        }
        if answers.ended.is_none()
            && let Some((which, query)) = plan.beside.get(round % plan.beside.len().max(1))
        {
            let beside = (which.name(), plan.revision());
            answers.given.push(ask_one(beside, query, &mut answers.ended)?);
        }
        if answers.ended.is_some() {
            break;
        }
    }
    Ok(answers)
}

/// Asks one query, and tells where it has ended.
fn ask_one(
    key: Key,
    query: &StreamingQuery,
    found_ended: &mut Option<EndedQuery>,
) -> Result<Answer, SparkError> {
    let began = Instant::now();
    let status = query.status()?;
    let told = began.elapsed();
    // Not only the last: several micro-batches may have ended since the question before.
    let progress = query.recent_progress();
    tracing::trace!(query = key.0, status = ?told, with_progress = ?began.elapsed(), "asked");
    // Of one that ended, why it did is what counts.
    let progress = if status.is_active { progress? } else { progress.unwrap_or_default() };
    if !status.is_active {
        *found_ended = Some(ended(key, query)?);
    }
    Ok(Answer {
        key,
        trigger_active: status.is_trigger_active,
        data_available: status.is_data_available,
        progress,
    })
}

fn ended(key: Key, query: &StreamingQuery) -> Result<EndedQuery, SparkError> {
    let name = query.name().unwrap_or("query");
    let exception = query.exception()?.map(|exception| exception.message);
    let why = exception.as_deref().map_or_else(
        || format!("{name} is not active and left no error: it was stopped or replaced"),
        |message| {
            let telling = checkpoint::telling_line(message);
            format!("{name} failed: {}", telling.unwrap_or_else(|| first_line(message).into()))
        },
    );
    Ok(EndedQuery { key, why, exception })
}
