//! When the replication slot is in danger: the relay warns by these figures, and so does the console's alert.

/// Log kept for the slot from where on the relay warns, in bytes.
pub const RETAINED_BYTES: u64 = 1 << 30;

/// Percent of the log that PostgreSQL keeps for a slot at most (`max_slot_wal_keep_size`) that must still be
/// safe to write.
pub const SAFE_PERCENT: u8 = 50;

/// By how much the log that is safe to write exceeds what must be safe beside the log that is kept, both in
/// bytes: negative when the slot is in danger. Kept and safe log together are all that PostgreSQL keeps.
#[must_use]
pub const fn margin_bytes(safe_bytes: i64, retained_bytes: i64) -> i64 {
    let percent = SAFE_PERCENT as i64;
    safe_bytes.saturating_sub(retained_bytes.saturating_mul(percent) / (100 - percent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_margin_is_negative_below_the_share_that_must_be_safe() {
        assert_eq!(margin_bytes(2_000, 2_000), 0);
        assert_eq!(margin_bytes(900, 3_100), -2_200);
        assert_eq!(margin_bytes(3_100, 900), 2_200);
        assert!(margin_bytes(i64::MIN, i64::MAX) < 0);
    }
}
