//! The services that the tests of this crate work on.

use std::sync::Arc;

use contracts::endpoints::Endpoints;

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
