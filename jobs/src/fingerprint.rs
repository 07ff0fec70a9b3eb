//! The fingerprint of a plan: what decides whether a checkpoint can be continued.
//!
//! Spark's own check of a checkpoint compares types, not names, so two groupings of one type that changed
//! places would restore silently and mix their figures. The fingerprint covers the whole generated query.

use contracts::family::FAMILIES_BESIDE;
use contracts::lateness::WATERMARK_DELAY_MIN;
use sha2::{Digest, Sha256};

use crate::checked::{in_range_sql, on_time_sql};
use crate::metrics;
use crate::metrics::outcomes::counts_sql;
use crate::metrics::windowed::{Sets, windowed_sql};

/// SHA-256, hex, of everything the checkpoints of the job's queries depend on: groupings, measures and their
/// order, lateness, ranges, watermark, shuffle partitions, topic generation.
#[must_use]
pub fn cube(topic_generation: i32, shuffle_partitions: u32) -> String {
    let mut hasher = Sha256::new();
    // The revision is left out (as 0): it is chosen when the plan is recorded.
    hasher.update(windowed_sql(Sets::CubeAndCounts, 0));
    hasher.update(counts_sql(0));
    FAMILIES_BESIDE.iter().for_each(|family| hasher.update(metrics::identity(family)));
    hasher.update(on_time_sql(""));
    // What is refused is not counted: other ranges are another plan.
    hasher.update(in_range_sql());
    hasher.update(format!(
        "|watermark={WATERMARK_DELAY_MIN}min|partitions={shuffle_partitions}|generation={topic_generation}"
    ));
    hex::encode(hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_generation_or_another_number_of_partitions_is_another_plan() {
        assert_eq!(cube(1, 2), cube(1, 2));
        assert_ne!(cube(1, 2), cube(2, 2));
        assert_ne!(cube(1, 2), cube(1, 4));
    }
}
