//! The queries of the job as they run: started, and asked how they do.

use std::time::{Duration, Instant};

use contracts::cause::{chain, first_line};
use spark_connect_rs::streaming::StreamingQuery;
use spark_connect_rs::{SparkError, SparkSession};

use super::record::Key;
use super::session::ANSWER;
use super::submission::{Planned, SideQuery, Submission};
use crate::checked::Judge;
use crate::checkpoint;
use crate::finished_tasks;
use crate::plans::CUBE_QUERY;
use crate::spark::{self, CallError};

/// How long it may take to plan and start a query.
pub(super) const START: Duration = Duration::from_secs(120);

/// The queries of one plan, as submitted.
#[derive(Clone)]
pub(super) struct PlanQueries {
    pub(super) planned: Planned,
    pub(super) cube: StreamingQuery,
    /// In the order of [`SideQuery::all`], as far as they are started.
    pub(super) beside: Vec<(SideQuery, StreamingQuery)>,
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

/// Whether the server's jar counts tasks and follows what micro-batches take: one from before does its work
/// without.
pub(super) async fn is_paced(session: &SparkSession) -> Result<bool, CallError> {
    let asked = session.clone();
    let answer =
        spark::call("count finished tasks", ANSWER, move || finished_tasks::ask(&asked).map(drop)).await;
    match answer {
        Ok(()) => Ok(true),
        Err(CallError::Spark { source, .. }) if finished_tasks::is_unknown(&source) => {
            tracing::warn!(
                "the connect server has a jar from before this program: micro-batches have one size, and queries do not \
                 wait for each other, until `storepulse stack up` has restarted it"
            );
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// What the server's jar judges records by: one from before the function leaves it to SQL, which says the
/// same.
pub(super) async fn judge(session: &SparkSession) -> Result<Judge, CallError> {
    let asked = session.clone();
    let judge = spark::call("look for a function", ANSWER, move || Judge::of(&asked)).await?;
    if judge == Judge::Sql {
        tracing::warn!(
            "the connect server's jar lacks the function storepulse_judged: it is from before this program. Spark's SQL \
             decodes and judges instead, with the same result in eight times the time, until `storepulse stack up` has \
             restarted the server; on another cluster, put the new storepulse-spark jar into SPARK_HOME/jars of driver and \
             executors"
        );
    }
    Ok(judge)
}

/// How many tasks of the cubes have finished since they were started; nothing where the server does not tell.
pub(super) async fn finished_tasks(queries: &Queries) -> Option<i64> {
    let asked = queries.submission.session.clone();
    let answer = spark::call("count finished tasks", ANSWER, move || finished_tasks::ask(&asked)).await;
    let counts = answer
        .inspect_err(|error| tracing::debug!(error = %chain(error), "finished tasks are not known"))
        .ok()?;
    Some(queries.plans.iter().filter_map(|plan| counts.get(plan.cube.id())).sum())
}

/// Starts a query beside the cube of each plan.
pub(super) async fn start_beside(queries: &mut Queries, which: SideQuery) -> Result<(), CallError> {
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
        if plan.beside.len() < SideQuery::all().len()
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
