//! The starts of visits, where senders tell none.
//!
//! Visits are counted by `session_start` events. Many clients send no such event: they say of each event that it may stand for one
//! ([`Accepted::infers_start`]), and once PostgreSQL has told the visits, the first event of each is known. A start has an id of its
//! visit alone, so that it counts once whoever infers it, and how often.

use std::collections::HashSet;
use std::sync::Arc;

use contracts::validation::Accepted;
use contracts::vocabulary::EventName;

/// Adds the starts of the visits that begin with one of these events, and takes out those that were told in case a visit began with
/// them and that none did.
pub(super) fn add(events: &mut Vec<(Option<Arc<str>>, Accepted)>) {
    if !events.iter().any(|(_, accepted)| accepted.infers_start) {
        return;
    }
    let is_start = |accepted: &Accepted| accepted.event.event_name == EventName::SessionStart;
    let told = events.iter().filter(|(_, accepted)| is_start(accepted) && !accepted.infers_start);
    let mut begun: HashSet<_> = told.map(|(_, accepted)| accepted.event.session_id).collect();
    let mut starts = Vec::new();
    events.retain(|(source, accepted)| {
        if accepted.begins_visit() && begun.insert(accepted.event.session_id) {
            starts.push((source.clone(), accepted.visit_start()));
        }
        !(accepted.infers_start && is_start(accepted))
    });
    events.append(&mut starts);
}
