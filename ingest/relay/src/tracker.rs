//! Where in the log we are, which rows are to be taken, and which position follows.
//!
//! Pure bookkeeping, apart from any service: the heart of "exactly once". Transactions arrive in the order of
//! their commit records; at most one, the last, can be out in part. It is delivered again from its beginning,
//! and its first rows are passed over.

use pgwire_replication::Lsn;

use crate::error::RelayError;

/// The bookkeeping of one session.
#[derive(Debug, Clone)]
pub(crate) struct Tracker {
    /// Everything that was committed before here is taken.
    complete: u64,
    /// What an earlier session left unfinished, until it has been delivered again.
    unfinished: Option<Partial>,
    current: Option<Current>,
}

/// A transaction of which some rows are out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Partial {
    final_lsn: u64,
    rows: u64,
}

/// The transaction being delivered.
#[derive(Debug, Clone, Copy)]
struct Current {
    final_lsn: u64,
    rows: u64,
    skip: u64,
}

/// A position's three numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) lsn: u64,
    pub(crate) partial_lsn: u64,
    pub(crate) partial_rows: u64,
}

impl Tracker {
    /// Goes on from a position.
    pub(crate) fn new(place: Place) -> Self {
        let unfinished = (place.partial_lsn != 0 && place.partial_rows > 0)
            .then_some(Partial { final_lsn: place.partial_lsn, rows: place.partial_rows });
        Self { complete: place.lsn, unfinished, current: None }
    }

    pub(crate) fn begin(&mut self, final_lsn: u64) -> Result<(), RelayError> {
        if self.current.is_some() {
            return Err(order(final_lsn, "a transaction begins inside another"));
        }
        let skip = match self.unfinished {
            Some(partial) if partial.final_lsn == final_lsn => partial.rows,
            Some(partial) if partial.final_lsn < final_lsn => return Err(changed(partial, PASSED_OVER)),
            Some(_) | None => 0,
        };
        self.current = Some(Current { final_lsn, rows: 0, skip });
        Ok(())
    }

    /// Counts a row; whether it is to be taken. The row's number in its transaction, from 1, is
    /// [`row_number`](Self::row_number).
    #[inline]
    pub(crate) fn row(&mut self) -> Result<bool, RelayError> {
        let Some(current) = &mut self.current else {
            return Err(order(self.complete, "a row stands outside of any transaction"));
        };
        if let Some(partial) = self.unfinished
            && partial.final_lsn != current.final_lsn
        {
            return Err(changed(partial, "rows come before it that were not there"));
        }
        current.rows += 1;
        Ok(current.rows > current.skip)
    }

    /// The transaction's end; how many of its rows were taken in this session.
    pub(crate) fn commit(&mut self, lsn: u64, end_lsn: u64) -> Result<u64, RelayError> {
        let Some(current) = self.current.take() else {
            return Err(order(lsn, "a transaction ends that has not begun"));
        };
        if current.final_lsn != lsn {
            return Err(order(lsn, "a transaction ends as another than it began"));
        }
        if let Some(partial) = self.unfinished
            && partial.final_lsn == lsn
        {
            if current.rows < partial.rows {
                return Err(changed(partial, "it has fewer rows"));
            }
            self.unfinished = None;
        }
        self.complete = self.complete.max(end_lsn);
        Ok(current.rows - current.skip)
    }

    /// The server has read its log up to here and sent everything committed before.
    pub(crate) fn idle(&mut self, wal_end: u64) -> Result<(), RelayError> {
        if self.current.is_some() {
            return Ok(());
        }
        if let Some(partial) = self.unfinished
            && wal_end > partial.final_lsn
        {
            return Err(changed(partial, PASSED_OVER));
        }
        self.complete = self.complete.max(wal_end);
        Ok(())
    }

    /// The position that says exactly what has been taken so far.
    pub(crate) fn place(&self) -> Place {
        let partial = match self.current {
            Some(current) if current.rows > 0 => {
                Some(Partial { final_lsn: current.final_lsn, rows: current.rows.max(current.skip) })
            }
            Some(_) | None => self.unfinished,
        };
        let (partial_lsn, partial_rows) = partial.map_or((0, 0), |partial| (partial.final_lsn, partial.rows));
        Place { lsn: self.complete, partial_lsn, partial_rows }
    }

    pub(crate) const fn in_transaction(&self) -> bool {
        self.current.is_some()
    }

    /// Which row of which transaction was counted last.
    pub(crate) fn row_number(&self) -> (u64, u64) {
        self.current.map_or((0, 0), |current| (current.final_lsn, current.rows))
    }

    /// For messages about the log: roughly where it stands.
    pub(crate) fn near(&self) -> Lsn {
        Lsn::from_u64(self.current.map_or(self.complete, |current| current.final_lsn))
    }
}

const PASSED_OVER: &str = "later parts of the log came without it";

const fn changed(partial: Partial, detail: &'static str) -> RelayError {
    RelayError::PartialChanged { transaction: Lsn(partial.final_lsn), rows: partial.rows, detail }
}

const fn order(near: u64, detail: &'static str) -> RelayError {
    RelayError::Order { near: Lsn(near), detail }
}

#[cfg(test)]
mod tests;
