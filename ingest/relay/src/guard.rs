//! Early warning: how much log PostgreSQL keeps for the slot, and how close it is to giving the slot up.
//!
//! PostgreSQL keeps its log from `restart_lsn` on, up to `max_slot_wal_keep_size`; past that, a checkpoint
//! removes log that the slot still needs and the slot is lost, which no relay can mend. An open transaction
//! anywhere in the cluster holds `restart_lsn` back as much as a relay that does not run.

use std::fmt;

use contracts::slot;
use tokio_postgres::Client;
use tokio_postgres::types::PgLsn;

/// What `pg_replication_slots` says about the log that a slot needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WalStatus {
    /// All of it is there, within `max_wal_size`.
    Reserved,
    /// All of it is there, kept for the slot.
    Extended,
    /// The next checkpoint removes some of it.
    Unreserved,
    /// Some of it is gone.
    Lost,
}

impl WalStatus {
    /// PostgreSQL's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Extended => "extended",
            Self::Unreserved => "unreserved",
            Self::Lost => "lost",
        }
    }

    fn of(word: Option<&str>) -> Self {
        match word {
            Some("reserved") => Self::Reserved,
            Some("extended") => Self::Extended,
            Some("unreserved") => Self::Unreserved,
            // PostgreSQL 15 has no other; a slot that reserves nothing is as good as lost.
            _ => Self::Lost,
        }
    }
}

/// The slot as PostgreSQL sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotHealth {
    /// Whether somebody reads from it.
    pub active: bool,
    /// The state of the log that it needs.
    pub wal_status: WalStatus,
    /// Bytes of log kept for it; nothing when it is lost.
    pub retained_bytes: Option<u64>,
    /// Bytes of log that may be written before it is in danger, not positive when it is; nothing without a
    /// limit.
    pub safe_bytes: Option<i64>,
    /// `max_slot_wal_keep_size`; nothing when unlimited.
    pub keep_bytes: Option<u64>,
}

/// From where on to warn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuardLimits {
    /// Bytes of log kept for the slot.
    pub retained_bytes: u64,
    /// Percent of `max_slot_wal_keep_size` that must still be safe to write.
    pub safe_percent: u8,
}

impl Default for GuardLimits {
    fn default() -> Self {
        Self { retained_bytes: slot::RETAINED_BYTES, safe_percent: slot::SAFE_PERCENT }
    }
}

/// What will go wrong unless somebody acts; the text says how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warning {
    /// PostgreSQL keeps more log than the limit.
    RetainedLog {
        /// What it keeps.
        retained_bytes: u64,
        limit_bytes: u64,
    },
    /// Less than the share of `max_slot_wal_keep_size` is left.
    SafeLogBelow {
        /// What may still be written.
        safe_bytes: i64,
        /// `max_slot_wal_keep_size`.
        keep_bytes: u64,
    },
    /// The next checkpoint ends the slot.
    SlotUnreserved,
    /// The slot is at its end.
    SlotLost,
}

impl Warning {
    /// The word kept in `ops.relay_status`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::RetainedLog { .. } => "retained_log",
            Self::SafeLogBelow { .. } => "safe_log_below",
            Self::SlotUnreserved => "slot_unreserved",
            Self::SlotLost => "slot_lost",
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ACT: &str = "see whether the relay streams (`storepulse relay status`) and end transactions that stay open \
                           (oldest xact_start in pg_stat_activity)";
        match self {
            Self::RetainedLog { retained_bytes, limit_bytes } => write!(
                f,
                "postgresql keeps {} MiB of log for the slot, more than {} MiB: {ACT}",
                retained_bytes >> 20,
                limit_bytes >> 20
            ),
            Self::SafeLogBelow { safe_bytes, keep_bytes } => write!(
                f,
                "the slot is lost after {} MiB more of log (max_slot_wal_keep_size is {} MiB): {ACT}, or raise the limit",
                safe_bytes / (1 << 20),
                keep_bytes >> 20
            ),
            Self::SlotUnreserved => {
                write!(
                    f,
                    "the next checkpoint removes log that the slot needs: raise max_slot_wal_keep_size now; {ACT}"
                )
            }
            Self::SlotLost => {
                f.write_str("postgresql has removed log that the slot needs: run `storepulse rebuild`")
            }
        }
    }
}

/// The worst there is to say.
#[must_use]
pub fn judge(slot: &SlotHealth, limits: &GuardLimits) -> Option<Warning> {
    match slot.wal_status {
        WalStatus::Lost => return Some(Warning::SlotLost),
        WalStatus::Unreserved => return Some(Warning::SlotUnreserved),
        WalStatus::Reserved | WalStatus::Extended => {}
    }
    if let (Some(safe_bytes), Some(keep_bytes)) = (slot.safe_bytes, slot.keep_bytes) {
        // A limit below one segment keeps a segment all the same; PostgreSQL counts that in.
        let wanted = u128::from(keep_bytes) * u128::from(limits.safe_percent) / 100;
        if u128::from(u64::try_from(safe_bytes).unwrap_or(0)) < wanted {
            return Some(Warning::SafeLogBelow { safe_bytes, keep_bytes });
        }
    }
    match slot.retained_bytes {
        Some(retained_bytes) if retained_bytes > limits.retained_bytes => {
            Some(Warning::RetainedLog { retained_bytes, limit_bytes: limits.retained_bytes })
        }
        _ => None,
    }
}

/// The slot, or nothing where it does not exist, and where the log ends.
///
/// # Errors
/// When PostgreSQL cannot be asked.
pub async fn look(client: &Client, slot: &str) -> Result<(Option<SlotHealth>, u64), tokio_postgres::Error> {
    let row = client
        .query_one(
            "select pg_current_wal_flush_lsn(), active, wal_status, \
                    (pg_current_wal_lsn() - restart_lsn)::bigint, safe_wal_size, \
                    (select setting::bigint * 1048576 from pg_settings where name = 'max_slot_wal_keep_size') \
             from (select 1) as always left join pg_replication_slots on slot_name = $1",
            &[&slot],
        )
        .await?;
    let health = row.get::<_, Option<bool>>(1).map(|active| SlotHealth {
        active,
        wal_status: WalStatus::of(row.get(2)),
        retained_bytes: row.get::<_, Option<i64>>(3).and_then(|bytes| u64::try_from(bytes).ok()),
        safe_bytes: row.get(4),
        keep_bytes: row.get::<_, Option<i64>>(5).and_then(|bytes| u64::try_from(bytes).ok()),
    });
    Ok((health, row.get::<_, PgLsn>(0).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const LIMITS: GuardLimits = GuardLimits { retained_bytes: 100 * MIB, safe_percent: 25 };

    fn slot(wal_status: WalStatus, retained: u64, safe: Option<i64>) -> SlotHealth {
        SlotHealth {
            active: true,
            wal_status,
            retained_bytes: Some(retained * MIB),
            safe_bytes: safe.map(|safe| safe * MIB as i64),
            keep_bytes: safe.map(|_| 400 * MIB),
        }
    }

    #[test]
    fn the_worst_is_said() {
        let kind = |slot| judge(&slot, &LIMITS).map(|warning| warning.kind());
        assert_eq!(kind(slot(WalStatus::Reserved, 100, Some(100))), None);
        assert_eq!(kind(slot(WalStatus::Reserved, 101, Some(100))), Some("retained_log"));
        assert_eq!(kind(slot(WalStatus::Extended, 101, Some(99))), Some("safe_log_below"));
        assert_eq!(kind(slot(WalStatus::Extended, 1, Some(-5))), Some("safe_log_below"));
        assert_eq!(kind(slot(WalStatus::Unreserved, 101, Some(-5))), Some("slot_unreserved"));
        assert_eq!(kind(slot(WalStatus::Lost, 0, None)), Some("slot_lost"));
        assert_eq!(kind(slot(WalStatus::Reserved, 101, None)), Some("retained_log"));
    }

    #[test]
    fn every_warning_says_what_to_do() {
        for (warning, words) in [
            (Warning::RetainedLog { retained_bytes: MIB, limit_bytes: 0 }, "1 MiB of log"),
            (Warning::SafeLogBelow { safe_bytes: -5, keep_bytes: 64 * MIB }, "raise the limit"),
            (Warning::SlotUnreserved, "raise max_slot_wal_keep_size"),
            (Warning::SlotLost, "storepulse rebuild"),
        ] {
            assert!(warning.to_string().contains(words), "{warning}");
        }
    }
}
