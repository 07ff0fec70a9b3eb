//! A version of a subject that the contract does not own, registered after a check that found nothing against
//! it.

use serde_json::json;

use super::Deed;
use super::deed::Intent;
use crate::access::{Entry, Operator, Phase};
use crate::app::App;
use crate::problem::Problem;
use crate::schemas::check::read;
use crate::schemas::view;
use crate::watch::words;

/// Registers a schema, and tells its id.
///
/// # Errors
/// Where the subject is the contract's, the check finds something, or a service does not answer.
pub(crate) async fn register(
    app: &App,
    by: &Operator,
    why: &str,
    name: &str,
    text: &str,
) -> Result<u32, Problem> {
    let subjects = view::subjects(app)?;
    let subject = view::subject(&subjects, name)?;
    if subject.contract.is_some() {
        let entry = Entry::of(by, "schema-register", Phase::Refused);
        let detail = json!({ "why": "a subject of the contract" });
        app.access.audit_refusal(&Entry { target: name, reason: why, detail, ..entry }).await;
        return Err(Problem::not_allowed(
            "The contract owns this subject: its versions come from `storepulse setup` alone.",
        ));
    }
    let checked = view::check(app, name, text).await?;
    if !checked.is_green() {
        return Err(Problem::bad_request(
            "bad-choice",
            "The check finds something against this schema. Check it again, and register it when it may come in.",
        ));
    }
    let schema = read(text).map_err(|fault| Problem::bad_request("bad-choice", fault.what))?.schema;
    let intent = Intent {
        action: "schema-register",
        target: name,
        why,
        detail: json!({ "versions": subject.versions.len() }),
    };
    let deed = Deed::intend(app, by, intent).await?;
    match view::registry(app).register(name, &schema).await {
        Ok(id) => {
            deed.done(json!({ "id": id })).await;
            Ok(id)
        }
        Err(refusal) => {
            let why = words(&refusal);
            deed.failed(&why).await;
            Err(Problem::store_away("the schema registry", why))
        }
    }
}
