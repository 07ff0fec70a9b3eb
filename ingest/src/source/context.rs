//! What follows from the circumstances of an event: device, channel, and whether a program sent it.
//!
//! Pure functions of what browsers and shops tell anyway. Each answers nothing rather than a guess: what
//! nobody knows is stored as unknown.

mod bot;
mod channel;
mod device;

use contracts::validation::Draft;

pub use bot::is_bot;
pub use channel::{Group, Origin, channel, group};
pub use device::device;

/// Fills in device and channel, where they are not told and follow from the circumstances. What is told
/// always stands.
pub fn complete(draft: &mut Draft) {
    let Some(told) = draft.context.as_deref() else { return };
    let visit = &mut draft.visit;
    if visit.device.is_none() {
        visit.device = told.user_agent.as_deref().and_then(device);
    }
    if visit.channel.is_none() {
        let (page_url, referrer) = (told.page_url.as_deref(), told.referrer.as_deref());
        visit.channel = channel(&Origin { page_url, referrer, ..Origin::default() });
    }
}

/// Takes the user agent that a request came with as that of its event, where the event tells none. Only for
/// requests that browsers and apps send themselves: that of a server says nothing of the shopper.
pub fn sent_by(draft: &mut Draft, user_agent: &str) {
    let told = draft.context.get_or_insert_default();
    if told.user_agent.is_none() {
        told.user_agent = Some(user_agent.to_owned());
        complete(draft);
    }
}

/// Whether a program sent an event, by the user agent that it tells.
#[must_use]
pub fn is_of_bot(draft: &Draft) -> bool {
    draft.context.as_deref().and_then(|told| told.user_agent.as_deref()).is_some_and(is_bot)
}

#[cfg(test)]
mod tests;
