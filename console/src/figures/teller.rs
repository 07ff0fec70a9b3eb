//! What is put to every figure: how far it reaches, how old it is, whether it is proved.

use chrono::{DateTime, Utc};

use super::NOT_LOADED;
use super::coverage::Coverage;
use super::period::Period;
use super::view::Part;
use crate::api::answer::{Freshness, FreshnessState};
use crate::line;
use crate::watch::shop::{Kept, Shop};
use crate::watch::{Snapshot, words_of_away};

/// Why nothing is known at all, where nothing is.
fn missing(snapshot: &Snapshot) -> Option<String> {
    let seen = &snapshot.shop;
    seen.value.is_none().then(|| match &seen.away {
        Some(away) => words_of_away("Cassandra", away),
        None => NOT_LOADED.to_owned(),
    })
}

/// How far figures reach, with what the line knows of quiet minutes.
pub(crate) fn coverage(snapshot: &Snapshot, shop: &Shop, now: DateTime<Utc>) -> Coverage {
    let freshness = line::freshness(snapshot, "cube", shop.coverage.as_of, now);
    let quiet = freshness.state == FreshnessState::Idle && snapshot.shop.away.is_none();
    // What was looked at a second ago says nothing of the second since.
    Coverage { quiet_to: quiet.then_some(snapshot.shop.read_at).flatten(), ..shop.coverage }
}

/// Puts age and proof to data.
pub(crate) struct Teller<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) coverage: Coverage,
    pub(crate) now: DateTime<Utc>,
    /// Why nothing at all is known.
    pub(crate) missing: Option<String>,
}

impl<'a> Teller<'a> {
    pub(crate) fn of(snapshot: &'a Snapshot, coverage: Coverage, now: DateTime<Utc>) -> Self {
        Self { snapshot, coverage, now, missing: missing(snapshot) }
    }

    /// Of a table of the cube.
    pub(crate) fn cube<T>(&self, kept: Kept, period: &Period, data: Result<T, String>) -> Part<T> {
        self.part("cube", kept.grouping().table, period.closed.to, self.coverage.as_of, data)
    }

    pub(crate) fn part<T>(
        &self,
        query: &str,
        table: &str,
        to: DateTime<Utc>,
        as_of: Option<DateTime<Utc>>,
        data: Result<T, String>,
    ) -> Part<T> {
        let mut freshness = line::freshness(self.snapshot, query, as_of, self.now);
        // The line may run while nobody can read what it writes.
        if let Some(away) = &self.snapshot.shop.away {
            freshness = Freshness {
                state: FreshnessState::Unknown,
                why: Some(words_of_away("Cassandra", away)),
                ..freshness
            };
        }
        let (data, why) = match (data, &self.missing) {
            (_, Some(why)) => (None, Some(why.clone())),
            (Ok(data), None) => (Some(data), None),
            (Err(why), None) => (None, Some(why)),
        };
        Part { data, why, freshness, proof: line::proof(self.snapshot, table, to) }
    }
}
