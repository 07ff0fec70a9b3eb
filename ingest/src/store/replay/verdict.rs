//! What a quarantined record is by today's rules, and what may be stored of that.

use contracts::Reason;
use contracts::admission::Admission;
use contracts::validation::{Accepted, Claim, VisitStart};
use uuid::Uuid;

use super::super::admission;
use super::super::users::UserRecord;

/// What a quarantined record is by today's rules.
#[derive(Debug, Clone, PartialEq)]
pub enum Judgement {
    /// An event.
    Event(Box<Accepted>),
    /// Several events: the lines that are paid back by a refund, or an event and the visit that begins with
    /// it.
    Several(Vec<Accepted>),
    User(Box<UserRecord>),
    /// Still nothing that can be counted.
    Refused {
        /// The kind of cause.
        reason: Reason,
        /// What is wrong, for a person to read.
        detail: String,
    },
}

impl Judgement {
    /// The id of the event or user.
    #[must_use]
    pub fn record_id(&self) -> Option<Uuid> {
        match self {
            Self::User(record) => Some(record.user.user_id),
            _ => self.events().first().map(|accepted| accepted.event.event_id),
        }
    }

    /// The events that it is.
    #[must_use]
    pub fn events(&self) -> &[Accepted] {
        match self {
            Self::Event(accepted) => std::slice::from_ref(accepted),
            Self::Several(lines) => lines,
            Self::User(_) | Self::Refused { .. } => &[],
        }
    }

    /// The same, to be completed.
    pub(super) fn events_mut(&mut self) -> &mut [Accepted] {
        match self {
            Self::Event(accepted) => std::slice::from_mut(accepted.as_mut()),
            Self::Several(lines) => lines,
            Self::User(_) | Self::Refused { .. } => &mut [],
        }
    }

    /// What it claims, where it is events whose ids were made here.
    pub fn claims(&self) -> impl Iterator<Item = Claim> {
        self.events().iter().filter_map(|accepted| accepted.claim)
    }
}

/// A judgement and the key of the row it is about.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The row's source.
    pub source: String,
    /// The row's coordinates.
    pub coordinates: String,
    /// What it is.
    pub judgement: Judgement,
}

impl Verdict {
    /// Adds the visit that begins with its event.
    pub(super) fn add_visit_start(&mut self) {
        if let Judgement::Event(accepted) = &self.judgement
            && accepted.visit_start == VisitStart::Beside
        {
            self.judgement = Judgement::Several(vec![accepted.as_ref().clone(), accepted.start_of_visit()]);
        }
    }

    /// The verdict that the retention floor and erasures leave of this one.
    pub(super) fn by(&self, admission: &Admission) -> Self {
        let allowed = match &self.judgement {
            Judgement::Event(_) | Judgement::Several(_) => {
                let mut events = self.judgement.events().iter();
                events.try_for_each(|accepted| admission::judge(admission, &accepted.event))
            }
            Judgement::User(record) => match &admission.erased {
                Some(erased) if erased.contains(&record.user.user_id) => Err(admission::erased()),
                _ => Ok(()),
            },
            Judgement::Refused { .. } => Ok(()),
        };
        let mut verdict = self.clone();
        if let Err(rejection) = allowed {
            verdict.judgement =
                Judgement::Refused { reason: rejection.reason, detail: rejection.to_string() };
        }
        verdict
    }
}

impl AsRef<Verdict> for Verdict {
    fn as_ref(&self) -> &Verdict {
        self
    }
}
