//! Rows that a verification does not hold against the tables, and why.
//!
//! - A session that is still **open** has no row yet. Spark gives it out when its watermark passes the session's end; until then the
//!   row may be missing, or hold fewer events where a visit was closed early and went on.
//! - A row **left to reconciliation** lies astride the cut of a rebuild: the plan before it did not see the end, the plan after it
//!   not the beginning. It is excused until a repair has covered it, and only where the family has repairs and is not the cube,
//!   whose windows a rebuild writes itself, all of them.
//! - A row that begins **before the retention floor** and ends behind it was computed from records that are gone.
//! - A window of the **present** (a family that is never repaired) from before the cut is not looked at.

use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::cube::{Grouping, MEASURE};
use contracts::event::EVENT;
use contracts::family::{BESIDE, CUBE_FAMILY, Family, Geometry, SESSION_GAP_US};
use tokio_postgres::Transaction;

use crate::VerifyError;
use crate::compare::differences;
use crate::row::{Figure, Key, Rows, figure};

/// What is known about the plan in force and repairs since.
#[derive(Debug, Clone, Default)]
pub(crate) struct Excuses {
    /// Where all that is kept begins, where anything was removed.
    floor: Option<DateTime<Utc>>,
    /// Where the newest plan took over, where one did.
    cut: Option<DateTime<Utc>>,
    /// Ranges that repairs have covered since, by family.
    repaired: Vec<(String, Range<DateTime<Utc>>)>,
    /// The watermark by which Spark has closed sessions; nothing before its first micro-batch.
    closed_to: Option<DateTime<Utc>>,
}

/// Rows taken out of a comparison.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Excused {
    /// Sessions that are open.
    pub(crate) open: usize,
    /// Rows left to reconciliation.
    pub(crate) deferred: usize,
}

impl Excuses {
    /// Reads plans and repairs; the watermark is the one that the query of sessions went by before its table is read.
    pub(crate) async fn read(
        transaction: &Transaction<'_>,
        closed_to: Option<DateTime<Utc>>,
    ) -> Result<Self, VerifyError> {
        let failed = || VerifyError::postgres("look for plans and repairs");
        let plan = transaction
            .query_opt(
                "select owned_from, revision from ops.job_plan where query = $1 and retired_at is null \
                 order by revision desc limit 1",
                &[&CUBE_FAMILY.name],
            )
            .await
            .map_err(failed())?;
        let floor = provision::retention::floor(transaction).await.map_err(failed())?;
        let Some(plan) = plan else { return Ok(Self { floor, closed_to, ..Self::default() }) };
        let revision: i64 = plan.get(1);
        let rows = transaction
            .query("select family, from_minute, to_minute from ops.repair where revision >= $1", &[&revision])
            .await
            .map_err(failed())?;
        let repaired = rows.iter().map(|row| (row.get(0), row.get(1)..row.get(2))).collect();
        Ok(Self { floor, cut: plan.get(0), repaired, closed_to })
    }

    /// Takes out what is excused. `before` and `after` are the expectations around the reading of `found`.
    pub(crate) fn take_out(
        &self,
        family: &Family,
        grouping: &'static Grouping,
        before: &mut Rows,
        after: &mut Rows,
        found: &mut Rows,
    ) -> Excused {
        let mut excused = Excused::default();
        let keys: Vec<Key> =
            after.keys().chain(found.keys().filter(|key| !after.contains_key(*key))).cloned().collect();
        for key in keys {
            let (expected, stored) = (after.get(&key), found.get(&key));
            let open = expected.is_some_and(|row| self.is_open(family, grouping, row, stored));
            let differs = || match expected {
                Some(expected) => !differences(grouping, &key, expected, stored).is_empty(),
                None => true,
            };
            let axis = expected.or(stored).and_then(|row| axis(family, grouping, &key, row));
            let gone = axis.is_some_and(|axis| self.floor.is_some_and(|floor| axis < floor));
            let deferred =
                !open && !gone && axis.is_some_and(|axis| self.is_deferred(family, axis)) && differs();
            if open || gone || deferred {
                excused.open += usize::from(open);
                excused.deferred += usize::from(deferred && family.repaired);
                before.remove(&key);
                after.remove(&key);
                found.remove(&key);
            }
        }
        excused
    }

    fn is_open(
        &self,
        family: &Family,
        grouping: &Grouping,
        expected: &[Figure],
        stored: Option<&Vec<Figure>>,
    ) -> bool {
        if family.geometry != Geometry::Sessions {
            return false;
        }
        let ended_ms = match figure(grouping, expected, BESIDE.ended_at) {
            Some(Figure::Instant(unix_ms)) => *unix_ms,
            _ => return false,
        };
        // Spark reckons in whole ms.
        let ends_ms = ended_ms + SESSION_GAP_US / 1_000 + 1;
        if self.closed_to.is_some_and(|closed_to| ends_ms <= closed_to.timestamp_millis()) {
            return false;
        }
        let events = |row| match figure(grouping, row, MEASURE.events) {
            Some(Figure::Count(events)) => *events,
            _ => 0,
        };
        stored.is_none_or(|stored| events(stored) < events(expected))
    }

    fn is_deferred(&self, family: &Family, axis: DateTime<Utc>) -> bool {
        let astride = *family != CUBE_FAMILY && self.cut.is_some_and(|cut| axis < cut);
        astride && !self.repaired.iter().any(|(of, range)| of == family.name && range.contains(&axis))
    }
}

/// Where a row lies on its family's axis.
fn axis(family: &Family, grouping: &Grouping, key: &Key, row: &[Figure]) -> Option<DateTime<Utc>> {
    if family.geometry != Geometry::Sessions {
        return Some(key.at - TimeDelta::microseconds(family.at_us()));
    }
    match figure(grouping, row, EVENT.session_started_at)? {
        Figure::Instant(unix_ms) => DateTime::from_timestamp_millis(*unix_ms),
        _ => None,
    }
}
