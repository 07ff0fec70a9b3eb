//! What became of one event.

use contracts::validation::Rejection;
use serde::Serialize;
use uuid::Uuid;

/// What became of one event. In JSON `verdict` is the word and the rest stands beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// It is new, and committed.
    Accepted {
        /// The id it is stored under.
        event_id: Uuid,
    },
    /// Its id was there already, perhaps with another time; nothing was stored.
    Repeated {
        /// The id of the event that counts.
        event_id: Uuid,
    },
    /// It keeps the rules and counts in no figure; it is kept apart.
    Ignored {
        /// The kind of cause: [`BOT`](Self::BOT).
        reason: &'static str,
    },
    /// It breaks a rule, and is kept in quarantine.
    Rejected {
        /// The kind of cause.
        reason: &'static str,
        /// The field it is about.
        field: &'static str,
        /// What is wrong, for a person to read.
        detail: String,
    },
}

impl Verdict {
    /// The words in JSON.
    pub const WORDS: [&str; 4] = ["accepted", "repeated", "ignored", "rejected"];
    /// Why an event is ignored: a program sent it, by its own words.
    pub const BOT: &str = "bot";
}

impl From<Rejection> for Verdict {
    fn from(rejection: Rejection) -> Self {
        let Rejection { reason, field, detail } = rejection;
        Self::Rejected { reason: reason.as_str(), field, detail }
    }
}
