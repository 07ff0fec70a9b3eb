//! Who may look and who may act: sessions of browsers, links that let in once, keys of programs, and what
//! each of them did.
//!
//! PostgreSQL holds digests alone. What it said is believed for a few seconds, and for as long as it does not
//! answer: a database that stands still signs nobody out and holds up no page.

pub mod accounts;
mod act;
mod audit;
mod cookie;
mod enter;
mod forms;
mod gate;
mod limits;
mod origin;
mod password;
mod role;
mod sessions;
mod signed;
mod streams;
mod tickets;
mod token;
mod way_in;

use std::time::Duration;

use deadpool_postgres::{Object, Pool};

use crate::config::Config;
use crate::error::ServeError;
use crate::problem::Problem;
use crate::watch::words;

pub(crate) use act::{Act, act_fields, action_form};
pub(crate) use audit::{Entry, Phase, write as write_entry};
pub(crate) use cookie::{Cookies, local_path};
pub(crate) use enter::Attempt;
pub(crate) use gate::{Operator, Peer, Visitor, admitted, gate};
pub(crate) use limits::Limited;
pub(crate) use origin::{Hosts, same_origin, trusted_by_browsers};
pub(crate) use password::Passwords;
pub(crate) use role::{connect, pool};
pub(crate) use signed::{Signed, token_field};
pub(crate) use streams::StreamPermit;
pub(crate) use token::Token;

/// Connections of its own: requests that wait for a slow query sign nobody out.
const CONNECTIONS: usize = 2;
/// How long PostgreSQL may take to say who somebody is.
const ANSWER: Duration = Duration::from_millis(400);
/// How long it may take to let somebody in.
const SIGN_IN: Duration = Duration::from_secs(5);

/// What one may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// May look, and change nothing.
    Viewer,
    /// May act as well.
    Operator,
}

impl Role {
    /// As it stands in tables and on pages.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        [Self::Viewer, Self::Operator]
            .into_iter()
            .find(|role| role.word() == word)
            .ok_or_else(|| format!("{word:?} is no role: there are viewer and operator"))
    }
}

/// What the gate keeps between requests.
pub(crate) struct Access {
    pool: Pool,
    sessions: sessions::Sessions,
    streams: streams::Streams,
    limits: limits::Limits,
    passwords: Passwords,
    forms: forms::Forms,
    cookies: Cookies,
    behind_proxy: bool,
}

/// What requests are answered with: it knows who may ask.
pub(crate) trait Guarded: Send + Sync {
    fn access(&self) -> &Access;
}

impl Access {
    pub(crate) fn new(config: &Config) -> Result<Self, ServeError> {
        Ok(Self {
            pool: pool(&config.endpoints.pg_url, CONNECTIONS)?,
            sessions: sessions::Sessions::default(),
            streams: streams::Streams::default(),
            limits: limits::Limits::new(),
            passwords: Passwords::new(),
            forms: forms::Forms::new(),
            cookies: Cookies::new(config.listen.port(), config.public_url.as_deref()),
            behind_proxy: config.public_url.as_deref().is_some_and(|url| url.starts_with("https://")),
        })
    }

    pub(crate) fn cookies(&self) -> &Cookies {
        &self.cookies
    }

    /// Whether addresses are told by a proxy in front: the one that has the TLS which this server has not.
    pub(crate) fn behind_proxy(&self) -> bool {
        self.behind_proxy
    }

    pub(crate) fn forms(&self) -> &forms::Forms {
        &self.forms
    }

    pub(crate) fn passwords(&self) -> &Passwords {
        &self.passwords
    }

    /// Room for one more open stream, of all and of this session.
    pub(crate) fn stream_permit(&self, visitor: &Visitor) -> Result<StreamPermit, Problem> {
        self.streams.permit(visitor.pass())
    }

    /// Whether the session of an open stream goes on. Who looks at a page that moves is not idle.
    pub(crate) async fn still_valid(&self, visitor: &Visitor) -> bool {
        // Where it cannot be told, the next look tells it; the session's own end is kept to meanwhile.
        self.sessions.check(&self.pool, visitor.pass()).await.is_ok_and(|known| known.is_some())
    }

    async fn connection(&self) -> Result<Object, Problem> {
        self.pool.get().await.map_err(|error| Problem::store_away("postgresql", words(&error)))
    }

    /// Does something with a connection, within a deadline.
    pub(crate) async fn with_connection<T>(
        &self,
        operation: impl AsyncFnOnce(&mut tokio_postgres::Client) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, Problem> {
        let done = tokio::time::timeout(SIGN_IN, async {
            let mut connection = self.connection().await?;
            operation(&mut connection).await.map_err(|error| refused_by_postgres(&error))
        });
        done.await.unwrap_or_else(|_| {
            Err(Problem::store_away("postgresql", format!("no answer within {} s", SIGN_IN.as_secs())))
        })
    }
}

fn refused_by_postgres(error: &tokio_postgres::Error) -> Problem {
    use tokio_postgres::error::SqlState;
    if matches!(error.code(), Some(&SqlState::UNDEFINED_TABLE | &SqlState::INVALID_SCHEMA_NAME)) {
        return Problem::store_away("postgresql", "the console's tables are missing, run `storepulse setup`");
    }
    Problem::store_away("postgresql", words(error))
}
