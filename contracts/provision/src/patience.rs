//! Starting while a service is away: what is long-lived waits for it instead of ending.

use std::time::Duration;

use contracts::backoff::Backoff;
use contracts::endpoints::Endpoints;
use tokio_util::sync::CancellationToken;

use crate::{ProvisionError, Provisioned, load};

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// As [`load`], but waits, for as long as it takes, for services that do
/// [not answer](ProvisionError::is_outage). `waiting` hears of each attempt that found one away. Nothing is
/// returned where the end was asked for first.
///
/// # Errors
/// As [`load`], for what waiting does not mend.
pub async fn load_when_there(
    endpoints: &Endpoints,
    cancel: &CancellationToken,
    mut waiting: impl FnMut(&ProvisionError),
) -> Result<Option<Provisioned>, ProvisionError> {
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    loop {
        let loaded = tokio::select! {
            () = cancel.cancelled() => return Ok(None),
            loaded = load(endpoints) => loaded,
        };
        match loaded {
            Err(error) if error.is_outage() => waiting(&error),
            loaded => return loaded.map(Some),
        }
        tokio::select! {
            () = cancel.cancelled() => return Ok(None),
            () = tokio::time::sleep(backoff.pause()) => {}
        }
    }
}
