//! What the tests of this crate share: the services that they work on, a set-up step by step, and waiting.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use contracts::endpoints::Endpoints;
use provision::{Options, ProvisionError, Provisioned, Step};

/// How long anything may take.
const DEADLINE: Duration = Duration::from_secs(20);

/// The services that the environment names, or the warm stack's.
async fn services() -> Endpoints {
    if std::env::var(contracts::endpoints::variable::PG_URL).is_ok() {
        return Endpoints::from_env().unwrap();
    }
    let stack = stack::shared(Arc::new(stack::Silent)).await.unwrap();
    Endpoints::from_variables(&stack.env().unwrap()).unwrap()
}

pub(crate) async fn in_namespace(body: impl AsyncFnOnce(Endpoints)) {
    provision::in_scratch_namespace(&services().await, body).await.unwrap();
}

/// Sets up as for the first time, and tells every step.
pub(crate) async fn steps(endpoints: &Endpoints) -> (Result<Provisioned, ProvisionError>, Vec<Step>) {
    let steps = Mutex::new(Vec::new());
    let result =
        provision::apply_with(endpoints, &Options::default(), &|step| steps.lock().unwrap().push(step)).await;
    (result, steps.into_inner().unwrap())
}

/// Runs statements in the namespace's database.
pub(crate) async fn sql(endpoints: &Endpoints, statement: &str) {
    provision::connect(&endpoints.pg_url).await.unwrap().batch_execute(statement).await.unwrap();
}

/// Waits for a condition, for [`DEADLINE`] at most.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    stack::until(what, DEADLINE, async || holds().await.then_some(()).ok_or("it does not hold")).await;
}
