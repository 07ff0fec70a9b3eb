//! How far an estimate may be off.

use contracts::cube::DISTINCT_RSD;

/// Estimates of small numbers are off by whole numbers; below this nobody minds.
const DISTINCT_TOLERANCE_MIN: f64 = 3.0;
/// How many standard deviations a single estimate may be off: none of millions is by chance.
const DISTINCT_TOLERANCE_DEVIATIONS: f64 = 5.0;

/// How far the estimate of a distinct count may be off.
pub(crate) fn distinct_tolerance(exact: i64) -> i64 {
    #[expect(clippy::cast_precision_loss, reason = "distinct counts are far below 2^53")]
    let tolerance = DISTINCT_TOLERANCE_DEVIATIONS * DISTINCT_RSD * exact as f64;
    #[expect(clippy::cast_possible_truncation, reason = "a tenth of a count")]
    let tolerance = tolerance.max(DISTINCT_TOLERANCE_MIN).floor() as i64;
    tolerance
}
