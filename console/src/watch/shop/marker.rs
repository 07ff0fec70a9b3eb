//! What PostgreSQL knows of how far the figures reach, in one row: it says when what is kept in memory is out
//! of date.

use chrono::{DateTime, Utc};
use deadpool_postgres::Pool;

use crate::figures::period::Stretch;
use crate::watch::Refused;

/// All indexes of one row or a few.
const MARKER: &str = "
    select
        (select value from ops.setting where name = 'base_currency') as currency,
        (select value::timestamptz from ops.setting where name = 'retention_floor') as floor,
        (select case when bool_or(owned_from is null) then null else min(owned_from) end
            from ops.job_plan where query = 'cube' and retired_at is null) as owned_from,
        (select min(from_minute) from ops.repair where family = 'cube' and kind = 'rebuild') as rebuilt_from,
        (select coalesce(max(repair_id), 0) from ops.repair) as repair,
        (select count(*) || '.' || count(ended_at) from ops.rebuild)
            || '.' || (select coalesce(max(revision), 0) from ops.job_plan where query = 'cube') as computed";

/// The windows that repairs have written since one of them.
const REPAIRED: &str =
    "select min(from_minute), max(to_minute) from ops.repair where repair_id > $1 and family = 'cube'";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Marker {
    pub(super) currency: Option<String>,
    pub(super) floor: Option<DateTime<Utc>>,
    pub(super) owned_from: Option<DateTime<Utc>>,
    repair: i64,
    computed: String,
}

/// What of the figures in memory a newer marker leaves standing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Moved {
    Nothing,
    /// These windows were written anew.
    Windows(Stretch),
    /// Anything may have changed.
    All,
}

impl Marker {
    pub(super) async fn read(pool: &Pool) -> Result<Self, Refused> {
        let client = pool.get().await?;
        let statement = client.prepare_cached(MARKER).await?;
        let row = client.query_one(&statement, &[]).await?;
        let (owned, rebuilt): (Option<DateTime<Utc>>, Option<DateTime<Utc>>) = (row.get(2), row.get(3));
        Ok(Self {
            currency: row.get(0),
            floor: row.get(1),
            owned_from: owned.map(|owned| rebuilt.map_or(owned, |rebuilt| owned.min(rebuilt))),
            repair: row.get(4),
            computed: row.get(5),
        })
    }

    /// What has changed since an earlier one.
    pub(super) async fn since(&self, earlier: &Self, pool: &Pool) -> Result<Moved, Refused> {
        if (self.floor, &self.computed) != (earlier.floor, &earlier.computed) {
            return Ok(Moved::All);
        }
        if self.repair == earlier.repair {
            return Ok(Moved::Nothing);
        }
        let client = pool.get().await?;
        let statement = client.prepare_cached(REPAIRED).await?;
        let row = client.query_one(&statement, &[&earlier.repair]).await?;
        Ok(match (row.get::<_, Option<DateTime<Utc>>>(0), row.get(1)) {
            (Some(from), Some(to)) => Moved::Windows(Stretch { from, to }),
            _ => Moved::Nothing,
        })
    }

    /// Changes whenever figures were written other than by the stream.
    pub(super) fn revision(&self) -> String {
        let floor = self.floor.map_or(0, |floor| floor.timestamp());
        format!("{}.{}.{floor}", self.repair, self.computed)
    }
}
