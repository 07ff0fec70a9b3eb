//! What became of events that were handed in.

/// What became of the events handed in: each is one or the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Appended {
    /// Rows that are new and committed.
    pub committed: u64,
    /// Events whose id was there already, or twice in the batch.
    pub repeated: u64,
    /// Events set aside since they are from before the retention floor or of an erased person.
    pub refused: u64,
}

impl std::ops::AddAssign for Appended {
    fn add_assign(&mut self, other: Self) {
        self.committed += other.committed;
        self.repeated += other.repeated;
        self.refused += other.refused;
    }
}
