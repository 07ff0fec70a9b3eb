//! A run whose records are judged and stored elsewhere.

use contracts::validation::Draft;

use crate::store::Appended;

/// What became of the records that were handed to a courier: each is one of these.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Committed, or dropped as repeats.
    pub appended: Appended,
    /// Refused by a rule, and set aside there.
    pub quarantined: u64,
}

/// Why a courier gave up.
pub type CourierError = Box<dyn std::error::Error + Send + Sync>;

/// Takes a run's records to wherever they are judged and stored, as a client of the collector does.
pub trait Courier {
    /// Returns once each of the records is committed, dropped as a repeat, or set aside.
    ///
    /// # Errors
    /// When they cannot be delivered; some of them may be there all the same.
    fn deliver(
        &mut self,
        records: Vec<Draft>,
    ) -> impl Future<Output = Result<Delivered, CourierError>> + Send;
}
