//! How many event streams are open.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::sessions::Pass;
use super::token::Digest;
use crate::problem::Problem;

/// Of all viewers.
const ALL: usize = 64;
/// Of one session: a visible tab has one.
const A_SESSION: usize = 8;

#[derive(Debug, Default)]
struct Open {
    all: usize,
    by_session: HashMap<Digest, usize>,
}

/// Counts open streams.
#[derive(Debug, Default)]
pub(crate) struct Streams(Arc<Mutex<Open>>);

/// Room for one open stream, until it is dropped.
#[derive(Debug)]
pub(crate) struct StreamPermit {
    open: Arc<Mutex<Open>>,
    session: Digest,
}

impl Streams {
    pub(crate) fn permit(&self, pass: &Pass) -> Result<StreamPermit, Problem> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.all >= ALL {
            return Err(Problem::busy(format!(
                "{ALL} streams are open already. Close pages that nobody looks at."
            )));
        }
        let of_session = open.by_session.entry(pass.digest).or_default();
        if *of_session >= A_SESSION {
            return Err(Problem::busy(format!(
                "This session has {A_SESSION} open streams. Close one of its pages."
            )));
        }
        *of_session += 1;
        open.all += 1;
        Ok(StreamPermit { open: Arc::clone(&self.0), session: pass.digest })
    }
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.all = open.all.saturating_sub(1);
        if let Some(of_session) = open.by_session.get_mut(&self.session) {
            *of_session = of_session.saturating_sub(1);
            if *of_session == 0 {
                open.by_session.remove(&self.session);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(number: u8) -> Pass {
        Pass::of_session([number; 32])
    }

    #[test]
    fn a_session_has_eight_and_a_closed_one_makes_room() {
        let streams = Streams::default();
        let mut open: Vec<_> = (0..8).map(|_| streams.permit(&session(1)).unwrap()).collect();
        assert!(streams.permit(&session(1)).is_err());
        let other = streams.permit(&session(2)).unwrap();
        open.pop();
        let again = streams.permit(&session(1)).unwrap();
        drop((open, other, again));
        let counted = streams.0.lock().unwrap();
        assert_eq!((counted.all, counted.by_session.len()), (0, 0));
    }

    #[test]
    fn all_sessions_together_have_sixty_four() {
        let streams = Streams::default();
        let _open: Vec<_> = (0..64).map(|number| streams.permit(&session(number / 8)).unwrap()).collect();
        assert!(streams.permit(&session(99)).is_err());
    }
}
