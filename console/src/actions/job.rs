//! What is wanted of the job: its supervisor reads it, and does it.

use contracts::family::CUBE_FAMILY;
use contracts::wish::{RECORD, Wish};
use serde_json::json;
use uuid::Uuid;

use super::Deed;
use super::deed::Intent;
use crate::access::Operator;
use crate::app::App;
use crate::problem::Problem;
use crate::watch::words;

/// What the job is called.
pub(crate) const JOB: &str = CUBE_FAMILY.name;

/// What a word of a form wants.
///
/// # Errors
/// Where it is none.
pub(crate) fn wish(word: &str) -> Result<Wish, Problem> {
    match word {
        "hold" => Ok(Wish::Hold),
        "resume" => Ok(Wish::Resume),
        "restart" => Ok(Wish::Restart),
        _ => Err(Problem::bad_request(
            "bad-choice",
            format!("{word:?} is no wish: use hold, resume or restart"),
        )),
    }
}

/// What the form of a page is named after.
pub(crate) const fn word(wish: Wish) -> &'static str {
    match wish {
        Wish::Hold => "hold",
        Wish::Resume => "resume",
        Wish::Restart => "restart",
    }
}

/// Records what an operator wants of the job.
///
/// # Errors
/// Where the job's name was not typed for a halt, or PostgreSQL does not answer.
pub(crate) async fn want(
    app: &App,
    by: &Operator,
    why: &str,
    wish: Wish,
    typed: Option<&str>,
) -> Result<Uuid, Problem> {
    if wish == Wish::Hold && typed.map(str::trim) != Some(JOB) {
        return Err(Problem::bad_request("bad-choice", format!("Type the job's name, {JOB}, to stop it.")));
    }
    let action = match wish {
        Wish::Hold => "job-hold",
        Wish::Resume => "job-resume",
        Wish::Restart => "job-restart",
    };
    let before = app.watch.ops.borrow().value.as_ref().and_then(|ops| Some(ops.run.as_ref()?.state.clone()));
    let intent = Intent { action, target: JOB, why, detail: json!({ "state": before }) };
    let deed = Deed::intend(app, by, intent).await?;
    let operation = deed.operation;
    let recorded = deed.client.execute(RECORD, &[&JOB, &wish.wanted(), &wish.again(), &by.name, &why]).await;
    match recorded {
        Ok(_) => {
            deed.done(json!({ "wanted": wish.wanted() })).await;
            Ok(operation)
        }
        Err(error) => {
            let why = words(&error);
            deed.failed(&why).await;
            Err(Problem::store_away("postgresql", why))
        }
    }
}
