//! Rows that a verification does not hold against the tables, and why.
//!
//! - A session that is still **open** has no row yet. Spark gives it out when its watermark passes the
//!   session's end; until then the row may be missing, or hold fewer events where a visit was closed early
//!   and went on.
//! - A row **left to reconciliation** lies astride the cut of a rebuild: the plan before it did not see the
//!   end, the plan after it not the beginning. It is excused until a repair has covered it, and only where
//!   the family has repairs and is not the cube, whose windows a rebuild writes itself, all of them.
//! - A row that begins **before the retention floor** and ends behind it was computed from records that are
//!   gone.
//! - A window of the **present** (a family that is never repaired) from before the cut is not looked at.

use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::cube::Grouping;
use contracts::event::EVENT;
use contracts::family::{CUBE_FAMILY, Family, Geometry, SESSION_GAP_US};
use contracts::measure::{MEASURE, VISIT};
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
    /// Reads plans and repairs; the watermark is the one that the query of sessions went by before its table
    /// is read.
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
        if family.geometry != Geometry::Sessions && self.cut_of(family).is_none() && self.floor.is_none() {
            return excused;
        }
        let keys: Vec<Key> =
            after.keys().chain(found.keys().filter(|key| !after.contains_key(*key))).cloned().collect();
        for key in keys {
            let (expected, stored) = (after.get(&key), found.get(&key));
            let open = expected.is_some_and(|row| self.is_open(family, grouping, row, stored));
            let differs = || match expected {
                Some(expected) => !differences(grouping, &key, expected, stored).is_empty(),
                None => true,
            };
            let axis = axis(family, grouping, &key);
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
        let ended_ms = match figure(grouping, expected, VISIT.ended_at) {
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

    /// The cut that rows of a family may lie astride of.
    fn cut_of(&self, family: &Family) -> Option<DateTime<Utc>> {
        self.cut.filter(|_| *family != CUBE_FAMILY)
    }

    fn is_deferred(&self, family: &Family, axis: DateTime<Utc>) -> bool {
        let astride = self.cut_of(family).is_some_and(|cut| axis < cut);
        astride && !self.repaired.iter().any(|(of, range)| of == family.name && range.contains(&axis))
    }
}

/// Where a row lies on its family's axis.
fn axis(family: &Family, grouping: &Grouping, key: &Key) -> Option<DateTime<Utc>> {
    if family.geometry != Geometry::Sessions {
        return Some(key.at - TimeDelta::microseconds(family.at_us()));
    }
    key.dimension(grouping, EVENT.session_started_at)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use contracts::family::{HOURS, LIVE, SESSIONS};

    use super::*;
    use crate::row::instant_text;

    fn at(text: &str) -> DateTime<Utc> {
        format!("2026-01-01T{text}Z").parse().unwrap()
    }

    /// A row with so many events, and a visit's last event at an instant.
    fn row(grouping: &Grouping, events: i64, ended_at: DateTime<Utc>) -> Vec<Figure> {
        let figures = grouping.measures.iter().map(|measure| match measure.column() {
            column if column == MEASURE.events => Figure::Count(events),
            column if column == VISIT.ended_at => Figure::Instant(ended_at.timestamp_millis()),
            _ => Figure::Count(0),
        });
        figures.collect()
    }

    /// Compares one row as expected and as stored; what was excused, and whether the row is still there to be
    /// compared.
    fn judged(
        excuses: &Excuses,
        family: &Family,
        key: DateTime<Utc>,
        expected: Option<Vec<Figure>>,
        stored: Option<Vec<Figure>>,
    ) -> (Excused, bool) {
        let grouping = &family.tables[0];
        let dimension = |column| {
            if column == EVENT.session_started_at { instant_text(at("10:00:00")) } else { String::new() }
        };
        let dimensions: Vec<String> = grouping.dimensions.iter().copied().map(dimension).collect();
        let rows = |row: Option<Vec<Figure>>| -> Rows {
            row.into_iter().map(|row| (Key::of(grouping, key, dimensions.clone()), row)).collect()
        };
        let (mut before, mut after, mut found) = (rows(expected.clone()), rows(expected), rows(stored));
        let excused = excuses.take_out(family, grouping, &mut before, &mut after, &mut found);
        (excused, !(after.is_empty() && found.is_empty()))
    }

    #[test]
    fn a_visit_is_open_until_the_watermark_has_passed_its_gap() {
        let grouping = &SESSIONS.tables[0];
        let expected = || Some(row(grouping, 3, at("10:00:00")));
        let open = Excused { open: 1, deferred: 0 };
        let closed_to = |text| Excuses { closed_to: Some(at(text)), ..Excuses::default() };
        let missing = |excuses: &Excuses| judged(excuses, &SESSIONS, at("10:00:00"), expected(), None);
        assert_eq!(missing(&Excuses::default()), (open, false), "nothing was read yet");
        assert_eq!(missing(&closed_to("10:30:00")), (open, false));
        assert_eq!(missing(&closed_to("10:30:00.001")), (Excused::default(), true));
    }

    #[test]
    fn an_open_visit_may_lack_events_but_not_hold_more() {
        let grouping = &SESSIONS.tables[0];
        let with = |events| Some(row(grouping, events, at("10:00:00")));
        let judge = |stored| judged(&Excuses::default(), &SESSIONS, at("10:00:00"), with(3), with(stored));
        assert_eq!(judge(2), (Excused { open: 1, deferred: 0 }, false));
        assert_eq!(judge(3), (Excused::default(), true));
        assert_eq!(judge(4), (Excused::default(), true));
        let nobodys = judged(&Excuses::default(), &SESSIONS, at("10:00:00"), None, with(1));
        assert_eq!(nobodys, (Excused::default(), true), "a row that nothing explains");
    }

    #[test]
    fn a_row_astride_the_cut_is_left_until_a_repair_has_covered_it() {
        let grouping = &HOURS.tables[0];
        let row = |events| Some(row(grouping, events, at("10:00:00")));
        let mut excuses = Excuses { cut: Some(at("10:20:00")), ..Excuses::default() };
        let hour = |excuses: &Excuses, key, stored| judged(excuses, &HOURS, at(key), row(3), stored);
        assert_eq!(hour(&excuses, "10:00:00", row(2)), (Excused { open: 0, deferred: 1 }, false));
        assert_eq!(hour(&excuses, "10:00:00", row(3)), (Excused::default(), true), "right all the same");
        assert_eq!(hour(&excuses, "11:00:00", None), (Excused::default(), true), "behind the cut");
        excuses.repaired.push((HOURS.name.to_owned(), at("10:00:00")..at("11:00:00")));
        assert_eq!(hour(&excuses, "10:00:00", row(2)), (Excused::default(), true));
    }

    #[test]
    fn the_cube_has_no_excuse_at_a_cut_and_the_present_is_not_counted() {
        let excuses = Excuses { cut: Some(at("10:20:00")), ..Excuses::default() };
        let cube = row(&CUBE_FAMILY.tables[0], 3, at("10:00:00"));
        let judge = |family, row| judged(&excuses, family, at("10:10:00"), Some(row), None);
        assert_eq!(judge(&CUBE_FAMILY, cube), (Excused::default(), true));
        assert_eq!(judge(&LIVE, row(&LIVE.tables[0], 3, at("10:00:00"))), (Excused::default(), false));
    }

    #[test]
    fn what_begins_before_the_floor_is_not_looked_at() {
        let excuses = Excuses { floor: Some(at("10:00:00.001")), ..Excuses::default() };
        let hour =
            |key| judged(&excuses, &HOURS, at(key), None, Some(row(&HOURS.tables[0], 3, at("10:00:00"))));
        assert_eq!(hour("10:00:00"), (Excused::default(), false));
        assert_eq!(hour("11:00:00"), (Excused::default(), true));
    }
}
