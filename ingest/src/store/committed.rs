//! What a transaction of events came to.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::admission::Refused;
use super::appended::Appended;
use super::identity::Repeats;

/// Which rows of one transaction are new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fresh {
    /// All of them.
    All,
    /// Those with these ids; of several rows with one id, the first.
    Only(HashSet<Uuid>),
}

/// What became of each event of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Which are new; who is neither here nor refused is a repeat.
    pub fresh: Fresh,
    /// The events that repeats with another time are repeats of: by their own ids, the id of the one that
    /// counts.
    pub repeats: HashMap<Uuid, Uuid>,
    /// Which were set aside.
    pub refused: Refused,
}

/// What a transaction came to.
#[derive(Clone)]
pub(super) struct Written {
    pub(super) appended: Appended,
    pub(super) fresh: Fresh,
    pub(super) repeats: Repeats,
}

impl Written {
    /// Events that are stored under other ids, one or several: each is new where one of those is.
    pub(super) fn told_by(mut self, others: &[(Uuid, Vec<Uuid>)]) -> Self {
        if let Fresh::Only(fresh) = &mut self.fresh {
            for (told, stored) in others {
                if stored.iter().any(|id| fresh.contains(id)) {
                    fresh.insert(*told);
                }
            }
        }
        self
    }
}
