//! Whether figures were recomputed from the raw events, and what has happened to them since.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use contracts::family;

use crate::api::answer::{Proof, ProofState};
use crate::watch::Snapshot;
use crate::watch::ops::{Difference, Standing, Verification};

/// Whether a table's figures of windows that end before a moment were recomputed and equal.
pub(crate) fn proof(snapshot: &Snapshot, table: &str, to: DateTime<Utc>) -> Proof {
    let Some(ops) = snapshot.ops.value.as_deref() else { return Proof::NONE };
    let Some((family, _)) = family::table(table) else { return Proof::NONE };
    let standing = &*ops.standing;
    let of_table = |verification: &&Verification| {
        verification.kind == "verify"
            && verification.family.as_deref().is_none_or(|only| only == family.name)
            && verification.compared.contains_key(table)
    };
    let Some(last) = standing.verifications.iter().find(of_table) else { return Proof::NONE };
    Proof {
        state: state(standing, last, family.name, table, to),
        kind: Some("verify"),
        at: Some(last.finished_at),
        covers_to: Some(last.snapshot_at),
        late_outstanding: Some(last.late_outstanding),
    }
}

fn state(
    standing: &Standing,
    last: &Verification,
    family: &str,
    table: &str,
    to: DateTime<Utc>,
) -> ProofState {
    // A verification shares a lock with repairs: none can lie between its beginning and its end.
    let since = |at: DateTime<Utc>| at > last.started_at;
    let repaired = standing.repaired_at.get(family).copied().is_some_and(since);
    let rebuilt = standing.rebuild.as_ref().is_some_and(|rebuild| rebuild.ended_at.is_none_or(since));
    if repaired || rebuilt {
        return ProofState::NotYet;
    }
    if !last.passed && differs(last, table) {
        return ProofState::Differs;
    }
    if to > last.snapshot_at { ProofState::NotYet } else { ProofState::Equal }
}

/// Whether rows of a table differ. Of more differences than are kept, and of one that names no table, any may
/// be the table's.
fn differs(last: &Verification, table: &str) -> bool {
    let kept = i64::try_from(last.differences.len()).unwrap_or(i64::MAX);
    let its = |difference: &Difference| difference.table == table || difference.table.is_empty();
    kept < last.differing.max(1) || last.differences.iter().any(its)
}

/// How many rows were not equal when their table was last verified, and the first of them; nothing where none
/// ever was. A verification of other tables, which came later, ends nothing.
pub(crate) fn differing(standing: &Standing) -> Option<(i64, Option<&Difference>)> {
    let mut judged = BTreeSet::<&str>::new();
    let mut found = None::<(i64, Option<&Difference>)>;
    for last in standing.verifications.iter().filter(|last| last.kind == "verify") {
        let newest = found.is_none();
        let (rows, first) = found.get_or_insert((0, None));
        let fresh = |table: &str| !judged.contains(table);
        let tables = || last.compared.keys().map(String::as_str);
        let all = if last.compared.is_empty() { newest } else { tables().all(fresh) };
        let its = last.differences.iter().filter(|difference| all || fresh(&difference.table));
        let named = i64::try_from(its.clone().count()).unwrap_or(i64::MAX);
        if !last.passed && all {
            *rows += last.differing.max(1);
        } else if !last.passed && tables().any(fresh) {
            let more = last.differing > i64::try_from(last.differences.len()).unwrap_or(i64::MAX);
            *rows += named.max(i64::from(more));
        }
        *first = first.or_else(|| its.clone().next().filter(|_| !last.passed));
        judged.extend(tables());
    }
    found
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::watch::Seen;
    use crate::watch::ops::Ops;
    use crate::watch::ops::reports::Rebuild;

    const TABLE: &str = "activity_by_country";

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    /// Began at 100, judged what was there at 110, ended at 120.
    fn passed() -> Verification {
        Verification {
            kind: "verify".into(),
            started_at: at(100),
            snapshot_at: at(110),
            finished_at: at(120),
            passed: true,
            compared: [(TABLE.to_owned(), 7.into()), ("live_visitors".to_owned(), 1.into())].into(),
            ..Verification::default()
        }
    }

    fn failed(tables: &[&str], differing: i64) -> Verification {
        let difference = |table: &&str| Difference { table: (*table).to_owned(), ..Difference::default() };
        let differences = tables.iter().map(difference).collect();
        Verification { passed: false, differences, differing, ..passed() }
    }

    fn judged(standing: Standing, to: i64) -> ProofState {
        let ops = Ops { standing: Arc::new(standing), ..Ops::default() };
        let ops = Seen { value: Some(Arc::new(ops)), read_at: None, away: None };
        proof(&Snapshot { ops, ..Snapshot::default() }, TABLE, at(to)).state
    }

    fn after(verification: Verification) -> Standing {
        Standing { verifications: vec![verification], ..Standing::default() }
    }

    #[test]
    fn only_periods_that_the_last_verification_covers_are_proved() {
        assert_eq!(judged(Standing::default(), 0), ProofState::None);
        assert_eq!(judged(after(passed()), 110), ProofState::Equal);
        assert_eq!(judged(after(passed()), 111), ProofState::NotYet);
    }

    #[test]
    fn what_differs_does_so_until_its_own_table_is_verified_again() {
        let hours = |passed| Verification {
            family: Some("hours".into()),
            compared: [("activity_by_hour".to_owned(), 3.into())].into(),
            ..if passed { self::passed() } else { failed(&["activity_by_hour"], 1) }
        };
        let standing = |verifications| Standing { verifications, ..Standing::default() };
        assert_eq!(differing(&standing(vec![])), None);
        let rows = |verifications: Vec<Verification>| {
            let standing = standing(verifications);
            let (rows, first) = differing(&standing).unwrap();
            (rows, first.map(|first| first.table.clone()))
        };
        assert_eq!(rows(vec![passed()]), (0, None));
        let table = Some("activity_by_hour".to_owned());
        // The newest comes first: of other tables, of all of them, of its own.
        assert_eq!(rows(vec![passed(), hours(false)]), (1, table));
        assert_eq!(rows(vec![failed(&[TABLE], 204), hours(false)]), (205, Some(TABLE.into())));
        assert_eq!(rows(vec![hours(true), hours(false)]), (0, None));
        // One that could not even say what it compared counts until the next one.
        let nothing = Verification { compared: [].into(), ..failed(&[], 0) };
        assert_eq!(rows(vec![nothing.clone()]), (1, None));
        assert_eq!(rows(vec![passed(), nothing]), (0, None));
    }

    #[test]
    fn a_verification_of_another_family_proves_nothing_here() {
        let other = Verification { family: Some("hours".into()), compared: [].into(), ..passed() };
        assert_eq!(judged(after(other.clone()), 0), ProofState::None);
        // An earlier one of all families still stands.
        let both = Standing { verifications: vec![other, passed()], ..Standing::default() };
        assert_eq!(judged(both, 0), ProofState::Equal);
    }

    #[test]
    fn a_repair_or_rebuild_since_takes_the_proof_away() {
        let repaired = |at| Standing { repaired_at: [("cube".to_owned(), at)].into(), ..after(passed()) };
        assert_eq!(judged(repaired(at(99)), 0), ProofState::Equal);
        assert_eq!(judged(repaired(at(130)), 0), ProofState::NotYet);
        let rebuilt = |ended_at| {
            let rebuild = Rebuild { started_at: at(10), ended_at, ..Rebuild::default() };
            Standing { rebuild: Some(rebuild), ..after(passed()) }
        };
        assert_eq!(judged(rebuilt(Some(at(50))), 0), ProofState::Equal);
        assert_eq!(judged(rebuilt(Some(at(150))), 0), ProofState::NotYet);
        assert_eq!(judged(rebuilt(None), 0), ProofState::NotYet);
    }

    #[test]
    fn a_table_differs_where_its_rows_do_or_may() {
        assert_eq!(judged(after(failed(&[TABLE], 1)), 0), ProofState::Differs);
        assert_eq!(judged(after(failed(&["top_products"], 1)), 0), ProofState::Equal);
        assert_eq!(judged(after(failed(&["top_products"], 2)), 0), ProofState::Differs);
        assert_eq!(judged(after(failed(&[], 0)), 0), ProofState::Differs);
    }

    proptest! {
        #[test]
        fn nothing_is_proved_beyond_what_was_judged(to in 0i64..300, repaired in 0i64..300, passes: bool) {
            let verification = if passes { passed() } else { failed(&[TABLE], 1) };
            let standing =
                Standing { repaired_at: [("cube".to_owned(), at(repaired))].into(), ..after(verification) };
            if judged(standing, to) == ProofState::Equal {
                prop_assert!(passes && to <= 110 && repaired <= 100);
            }
        }
    }
}
