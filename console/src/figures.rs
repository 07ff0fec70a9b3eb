//! The shop's figures of a period: how they compare, how old they are, whether they are proved.

mod asked;
pub(crate) mod breakdown;
pub(crate) mod compare;
pub(crate) mod coverage;
pub(crate) mod distinct;
pub(crate) mod funnel;
pub(crate) mod label;
pub(crate) mod live;
pub(crate) mod period;
pub(crate) mod reader;
pub(crate) mod series;
pub(crate) mod sums;
pub(crate) mod teller;
pub(crate) mod view;
mod whole;

pub(crate) use asked::{Asked, Asking};
pub(crate) use live::Live;
pub(crate) use reader::Reader;
pub(crate) use whole::Look;

use chrono::{DateTime, Utc};

use crate::watch::Snapshot;

/// Why something is not shown.
pub(crate) const NOT_LOADED: &str = "it is still being read from Cassandra";

/// Everything that is shown of a period. Each part says by itself where it cannot be told.
pub(crate) async fn of_period(
    reader: &Reader,
    snapshot: &Snapshot,
    asked: &Asked,
    now: DateTime<Utc>,
) -> view::PeriodView {
    match Look::at(reader, snapshot, asked, now) {
        Some(look) => look.view().await,
        None => whole::nothing_yet(snapshot, asked, now),
    }
}
