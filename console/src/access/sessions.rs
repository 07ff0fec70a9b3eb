//! Sessions of browsers and keys of programs: what PostgreSQL said of them, remembered for a little while.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use deadpool_postgres::Pool;
use tokio_postgres::GenericClient;

use super::Role;
use super::token::{Digest, Token};
use crate::problem::Problem;
use crate::watch::words;

/// How long an answer is believed without asking again: so long a disabled user may still look.
const FRESH: Duration = Duration::from_secs(3);
/// How long PostgreSQL is not asked about those who are known, after it has not answered.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many are remembered.
const REMEMBERED: usize = 1024;
/// A session that nobody uses ends; the statements say the same.
const IDLE: TimeDelta = TimeDelta::minutes(60);
/// A key has no end of its own; so long it is believed while PostgreSQL does not answer.
const KEY_UNASKED: TimeDelta = TimeDelta::hours(1);

/// One round trip: it is seen once a minute, and read.
const SESSION: &str = "
    with seen as (
        update ops.console_session set seen_at = now()
        where token_sha256 = $1 and ends_at > now()
          and seen_at > now() - interval '60 minutes' and seen_at < now() - interval '1 minute'
    )
    select session.name, session.role, session.ends_at
    from ops.console_session session left join ops.console_user person using (name)
    where session.token_sha256 = $1 and session.ends_at > now()
      and session.seen_at > now() - interval '60 minutes' and person.disabled_at is null";
const KEY: &str = "select name from ops.console_key where key_sha256 = $1 and disabled_at is null";

/// Ended ones are removed when a new one begins: there is no other housekeeping.
const TIDY: &str = "
    delete from ops.console_session
    where ends_at <= now() or seen_at <= now() - interval '60 minutes' or token_sha256 = $1";
const BEGIN: &str = "
    insert into ops.console_session (token_sha256, name, role, ends_at)
    values ($1, $2, $3, now() + interval '12 hours')";
const END: &str = "delete from ops.console_session where token_sha256 = $1";

/// What somebody shows to be let in, as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Pass {
    pub(super) digest: Digest,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Session,
    Key,
}

impl Pass {
    pub(super) const fn of_session(digest: Digest) -> Self {
        Self { digest, kind: Kind::Session }
    }

    pub(super) const fn of_key(digest: Digest) -> Self {
        Self { digest, kind: Kind::Key }
    }
}

/// Somebody whom PostgreSQL knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) name: String,
    pub(super) role: Role,
    ends_at: DateTime<Utc>,
}

#[derive(Debug)]
struct Remembered {
    known: Known,
    asked: Instant,
    used_at: DateTime<Utc>,
}

/// What is remembered.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    known: HashMap<Pass, Remembered>,
    /// Ended here, though PostgreSQL may not have been told.
    ended: HashMap<Pass, DateTime<Utc>>,
    silent_until: Option<Instant>,
}

impl Memory {
    /// Who it was when PostgreSQL was last asked, and whether that is to be believed without asking again.
    fn recall(&mut self, pass: &Pass, now: DateTime<Utc>, instant: Instant) -> Option<(Known, bool)> {
        let remembered = self.known.get_mut(pass)?;
        if remembered.known.ends_at <= now || remembered.used_at + IDLE <= now {
            self.known.remove(pass);
            return None;
        }
        remembered.used_at = now;
        let fresh = instant.duration_since(remembered.asked) < FRESH;
        let silent = self.silent_until.is_some_and(|until| instant < until);
        Some((remembered.known.clone(), fresh || silent))
    }

    fn remember(&mut self, pass: Pass, known: Known, now: DateTime<Utc>, instant: Instant) {
        self.silent_until = None;
        if self.known.len() >= REMEMBERED && !self.known.contains_key(&pass) {
            self.known
                .retain(|_, remembered| remembered.known.ends_at > now && remembered.used_at + IDLE > now);
            let oldest =
                self.known.iter().min_by_key(|(_, remembered)| remembered.used_at).map(|(pass, _)| *pass);
            if let Some(oldest) = oldest.filter(|_| self.known.len() >= REMEMBERED) {
                self.known.remove(&oldest);
            }
        }
        self.known.insert(pass, Remembered { known, asked: instant, used_at: now });
    }

    fn has_ended(&mut self, pass: &Pass, now: DateTime<Utc>) -> bool {
        self.ended.retain(|_, ends_at| *ends_at > now);
        self.ended.contains_key(pass)
    }
}

impl Sessions {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who it is; none where nobody is known by it.
    ///
    /// # Errors
    /// Where PostgreSQL does not answer and nothing is remembered.
    pub(super) async fn check(&self, pool: &Pool, pass: &Pass) -> Result<Option<Known>, Problem> {
        let remembered = {
            let mut memory = self.memory();
            if memory.has_ended(pass, Utc::now()) {
                return Ok(None);
            }
            memory.recall(pass, Utc::now(), Instant::now())
        };
        if let Some((known, true)) = remembered {
            return Ok(Some(known));
        }
        let why = match tokio::time::timeout(super::ANSWER, ask(pool, pass)).await {
            Ok(Ok(Some(known))) => {
                self.memory().remember(*pass, known.clone(), Utc::now(), Instant::now());
                return Ok(Some(known));
            }
            Ok(Ok(None)) => {
                self.memory().known.remove(pass);
                return Ok(None);
            }
            Ok(Err(why)) => why,
            Err(_) => format!("no answer within {} ms", super::ANSWER.as_millis()),
        };
        match remembered {
            Some((known, _)) => {
                self.memory().silent_until = Some(Instant::now() + PATIENCE);
                tracing::warn!(why, "postgresql does not say who is signed in; those who were are believed");
                Ok(Some(known))
            }
            None => Err(Problem::store_away("postgresql", why)),
        }
    }

    /// Forgets a session that has ended here.
    pub(super) fn end(&self, pass: &Pass) {
        let mut memory = self.memory();
        let ends_at = memory.known.remove(pass).map(|remembered| remembered.known.ends_at);
        memory.ended.insert(*pass, ends_at.unwrap_or_else(|| Utc::now() + TimeDelta::hours(12)));
    }
}

async fn ask(pool: &Pool, pass: &Pass) -> Result<Option<Known>, String> {
    let client = pool.get().await.map_err(|error| words(&error))?;
    let of = |error: tokio_postgres::Error| words(&error);
    let digest = pass.digest.as_slice();
    match pass.kind {
        Kind::Session => {
            let statement = client.prepare_cached(SESSION).await.map_err(of)?;
            let row = client.query_opt(&statement, &[&digest]).await.map_err(of)?;
            row.map(|row| {
                Ok(Known { name: row.get(0), role: row.get::<_, &str>(1).parse()?, ends_at: row.get(2) })
            })
            .transpose()
        }
        Kind::Key => {
            let statement = client.prepare_cached(KEY).await.map_err(of)?;
            let row = client.query_opt(&statement, &[&digest]).await.map_err(of)?;
            Ok(row.map(|row| Known {
                name: row.get(0),
                role: Role::Viewer,
                ends_at: Utc::now() + KEY_UNASKED,
            }))
        }
    }
}

/// Begins a session in a transaction; the one that the browser had before is gone with it.
pub(super) async fn begin(
    client: &impl GenericClient,
    name: &str,
    role: Role,
    before: Option<&Token>,
) -> Result<Token, tokio_postgres::Error> {
    let token = Token::new();
    let before = before.map(Token::digest);
    client.execute(TIDY, &[&before.as_ref().map(Digest::as_slice)]).await?;
    client.execute(BEGIN, &[&token.digest().as_slice(), &name, &role.word()]).await?;
    Ok(token)
}

/// Ends one.
pub(super) async fn end(client: &impl GenericClient, pass: &Pass) -> Result<(), tokio_postgres::Error> {
    client.execute(END, &[&pass.digest.as_slice()]).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ana(ends_at: DateTime<Utc>) -> Known {
        Known { name: "ana".into(), role: Role::Viewer, ends_at }
    }

    #[test]
    fn what_was_said_is_believed_for_three_seconds_and_longer_while_nothing_is_said() {
        let (mut memory, now, instant) = (Memory::default(), Utc::now(), Instant::now());
        let pass = Pass::of_session([1; 32]);
        memory.remember(pass, ana(now + TimeDelta::hours(12)), now, instant);
        let believed = |memory: &mut Memory, after: Duration| {
            memory.recall(&pass, now + after, instant + after).map(|(_, believed)| believed)
        };
        assert_eq!(believed(&mut memory, Duration::from_secs(2)), Some(true));
        assert_eq!(believed(&mut memory, Duration::from_secs(4)), Some(false));
        memory.silent_until = Some(instant + Duration::from_secs(6));
        assert_eq!(believed(&mut memory, Duration::from_secs(5)), Some(true));
        assert_eq!(believed(&mut memory, Duration::from_secs(7)), Some(false));
    }

    #[test]
    fn a_session_ends_by_its_own_time_and_by_idling_whoever_answers() {
        let (now, instant) = (Utc::now(), Instant::now());
        let pass = Pass::of_session([1; 32]);
        let mut memory =
            Memory { silent_until: Some(instant + Duration::from_secs(86_400)), ..Memory::default() };
        memory.known.insert(
            pass,
            Remembered { known: ana(now + TimeDelta::hours(12)), asked: instant, used_at: now },
        );
        assert!(memory.recall(&pass, now + TimeDelta::minutes(59), instant).is_some());
        assert!(memory.recall(&pass, now + TimeDelta::minutes(118), instant).is_some());
        assert!(memory.recall(&pass, now + TimeDelta::minutes(178), instant).is_none());
        memory.remember(pass, ana(now + TimeDelta::minutes(1)), now, instant);
        assert!(memory.recall(&pass, now + TimeDelta::minutes(1), instant).is_none());
    }

    #[test]
    fn a_key_is_no_session_and_memory_has_a_bound() {
        let (mut memory, now, instant) = (Memory::default(), Utc::now(), Instant::now());
        memory.remember(Pass::of_key([1; 32]), ana(now + TimeDelta::hours(1)), now, instant);
        assert!(memory.recall(&Pass::of_session([1; 32]), now, instant).is_none());
        for number in 0..2_000_u32 {
            let mut digest = [0; 32];
            digest[..4].copy_from_slice(&number.to_be_bytes());
            let at = now + TimeDelta::milliseconds(i64::from(number));
            memory.remember(Pass::of_session(digest), ana(now + TimeDelta::hours(1)), at, instant);
        }
        assert_eq!(memory.known.len(), REMEMBERED);
        assert!(memory.recall(&Pass::of_key([1; 32]), now, instant).is_none());
    }

    #[test]
    fn what_has_ended_here_stays_so() {
        let sessions = Sessions::default();
        let pass = Pass::of_session([1; 32]);
        sessions.memory().remember(pass, ana(Utc::now() + TimeDelta::hours(1)), Utc::now(), Instant::now());
        sessions.end(&pass);
        let mut memory = sessions.memory();
        assert!(memory.has_ended(&pass, Utc::now()) && memory.known.is_empty());
        assert!(!memory.has_ended(&pass, Utc::now() + TimeDelta::hours(2)) && memory.ended.is_empty());
    }
}
