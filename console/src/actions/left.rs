//! Actions of consoles that ended before they could say what came of them.

use std::time::Duration;

use crate::access;
use crate::app::App;
use crate::watch::{Refused, words};

/// Between two attempts, while PostgreSQL is away.
const AGAIN: Duration = Duration::from_secs(5);

/// An action under way holds its lock; who gets it finds that nobody does.
const LEFT: &str = "
    insert into ops.console_audit (name, role, action, target, reason, phase, detail, operation)
    select name, role, action, target, reason, 'unknown',
           '{\"why\": \"the console ended before it could say what came of it\"}', operation
    from ops.console_audit intended
    where phase = 'intended' and operation is not null
      and not exists (select from ops.console_audit ended
                      where ended.operation = intended.operation and ended.phase <> 'intended')
      and pg_try_advisory_xact_lock(hashtextextended(operation::text, 0))
    on conflict do nothing";

/// Notes them in the log, once, as soon as PostgreSQL answers.
pub(crate) async fn note(app: App) {
    loop {
        match tokio::time::timeout(AGAIN, left(&app)).await {
            Ok(Ok(0)) => return,
            Ok(Ok(actions)) => {
                tracing::warn!(
                    actions,
                    "what came of actions of an earlier console is not known: see /actions"
                );
                return;
            }
            Ok(Err(error)) => tracing::debug!(why = words(&*error), "the log of actions cannot be read yet"),
            Err(_) => {}
        }
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
}

async fn left(app: &App) -> Result<u64, Refused> {
    let client = access::connect(&app.config.endpoints.pg_url).await?;
    Ok(client.execute(LEFT, &[]).await?)
}
