//! What a micro-batch does with its time, in six parts.

use crate::watch::ops::Batch;

/// Spark's names, as they are taken together: name, what it is, phases.
pub(crate) const PARTS: [(&str, &str, &[&str]); 6] = [
    ("compute", "reading, computing and writing rows", &["addBatch"]),
    ("offsets", "asking Kafka where topics end", &["latestOffset"]),
    ("plan", "planning", &["queryPlanning"]),
    ("log", "writing what will be read to the checkpoint", &["walCommit"]),
    ("commit", "committing to the checkpoint", &["commitOffsets", "commitBatch"]),
    ("other", "everything else", &["getBatch"]),
];

/// How long each part took, in ms. What Spark names nowhere is among everything else.
pub(crate) fn parts(batch: &Batch) -> [i64; 6] {
    let of = |names: &[&str]| {
        names
            .iter()
            .filter_map(|name| batch.phases_ms.get(*name))
            .fold(0_i64, |sum, ms| sum.saturating_add((*ms).max(0)))
    };
    let mut parts = PARTS.map(|(_, _, names)| of(names));
    let named = parts.iter().fold(0_i64, |sum, ms| sum.saturating_add(*ms));
    parts[5] = parts[5].saturating_add(batch.duration_ms.saturating_sub(named).max(0));
    parts
}

/// Up to where bars are drawn, in ms: one that hangs must not make all others flat.
pub(crate) fn scale(durations: impl Iterator<Item = i64>) -> i64 {
    let mut durations: Vec<i64> = durations.collect();
    durations.sort_unstable();
    let at =
        |part: usize| durations.get(durations.len().saturating_mul(part) / 100).or_else(|| durations.last());
    let usual = at(95).copied().unwrap_or(0);
    let longest = durations.last().copied().unwrap_or(0);
    longest.min(usual.saturating_mul(2)).max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_named_nowhere_is_everything_else() {
        let phases = [("addBatch", 400), ("walCommit", 50), ("triggerExecution", 600)];
        let phases_ms = phases.map(|(name, ms)| (name.to_owned(), ms)).into();
        let batch = Batch { duration_ms: 600, phases_ms, ..Batch::default() };
        assert_eq!(parts(&batch), [400, 0, 0, 50, 0, 150]);
    }

    #[test]
    fn one_long_batch_does_not_make_the_others_flat() {
        let usual = std::iter::repeat_n(1_000, 119);
        assert_eq!(scale(usual.chain([60_000])), 2_000);
        assert_eq!(scale([700].into_iter()), 700);
        assert_eq!(scale(std::iter::empty()), 1);
    }

    proptest! {
        #[test]
        fn parts_are_the_whole_unless_more_is_named(
            named in prop::collection::vec(0i64..10_000, 7), duration_ms in 0i64..100_000
        ) {
            let names = ["addBatch", "latestOffset", "queryPlanning", "walCommit", "commitOffsets", "getBatch", "commitBatch"];
            let phases_ms = names.iter().zip(&named).map(|(name, ms)| ((*name).to_owned(), *ms)).collect();
            let sum: i64 = named.iter().sum();
            let parts = parts(&Batch { duration_ms, phases_ms, ..Batch::default() });
            prop_assert_eq!(parts.iter().sum::<i64>(), sum.max(duration_ms));
            prop_assert!(parts.iter().all(|ms| *ms >= 0));
        }

        #[test]
        fn the_scale_is_within_what_there_is(durations in prop::collection::vec(1i64..1_000_000, 1..200)) {
            let scale = scale(durations.iter().copied());
            prop_assert!(scale >= 1 && scale <= *durations.iter().max().unwrap());
        }
    }
}
