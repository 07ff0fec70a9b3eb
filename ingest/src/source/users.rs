//! Where users come from. A source that speaks the users' API is added in this file alone: a word in
//! `UsersSource::WORDS` and how it is opened in [`open_at`].

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::randomuser::server::Server;
use super::randomuser::{
    ApiError, Client, Endpoint, FetchError, MAX_RESULTS, Nationality, Page, PageRequest, RequestError,
    RetryPolicy,
};
use crate::clock::Clock;
use crate::store::{Store, StoreError, Upserted};

/// How long `auto` tries the API before it falls back, all told.
const AUTO_DEADLINE: Duration = Duration::from_secs(3);
/// The longest that one page may take: 5,000 users over a slow line.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// Where users are wanted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UsersSource {
    /// randomuser.me, or nothing.
    Api,
    /// The local server that speaks the same JSON.
    Simulated,
    /// randomuser.me if it answers within 3 s, else the local server.
    #[default]
    Auto,
}

impl UsersSource {
    /// The words for them.
    const WORDS: [(Self, &str); 3] =
        [(Self::Api, "api"), (Self::Simulated, "simulated"), (Self::Auto, "auto")];
}

/// A word that names no source of users.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is not a source of users: use {known}")]
pub struct UnknownSource {
    word: String,
    /// The words that name one.
    known: String,
}

impl FromStr for UsersSource {
    type Err = UnknownSource;

    fn from_str(word: &str) -> Result<Self, UnknownSource> {
        let found = Self::WORDS.into_iter().find(|(_, known)| *known == word);
        found.map(|(source, _)| source).ok_or_else(|| {
            let [first @ .., last] = Self::WORDS.map(|(_, known)| known);
            UnknownSource { word: word.to_owned(), known: format!("{} or {last}", first.join(", ")) }
        })
    }
}

impl fmt::Display for UsersSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = Self::WORDS.into_iter().find(|(source, _)| source == self);
        f.write_str(word.map_or("", |(_, word)| word))
    }
}

/// Where users really come from, with whatever must live as long. Displayed, it is one line for a person.
#[derive(Debug)]
pub struct Origin {
    /// Fetches from it.
    pub client: Client,
    /// The local server, where it is the source.
    pub server: Option<Server>,
    /// Why it is not the API although `auto` would have preferred that.
    pub fallback: Option<String>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.server, &self.fallback) {
            (None, _) => write!(f, "users from the randomuser.me API"),
            (Some(_), None) => write!(f, "users from the local simulated API"),
            (Some(_), Some(why)) => {
                write!(
                    f,
                    "users from the local simulated API, for randomuser.me did not answer as it should: {why}"
                )
            }
        }
    }
}

/// Opens a source. `auto` asks the API for one user and falls back when that fails.
///
/// # Errors
/// When the HTTP client or the local server cannot be set up. An API that does not answer is no error here.
pub async fn open(source: UsersSource, clock: &Clock) -> Result<Origin, LoadError> {
    open_at(source, &Endpoint::Public, clock).await
}

/// As [`open`], with another address for the API, such as a mirror of it.
///
/// # Errors
/// As [`open`].
pub async fn open_at(source: UsersSource, api: &Endpoint, clock: &Clock) -> Result<Origin, LoadError> {
    let public = || Client::new(api, CALL_TIMEOUT, RetryPolicy::default());
    match source {
        UsersSource::Api => Ok(Origin { client: public()?, server: None, fallback: None }),
        UsersSource::Simulated => simulated(clock, None).await,
        UsersSource::Auto => match probe(api, clock).await {
            Ok(()) => Ok(Origin { client: public()?, server: None, fallback: None }),
            Err(failure) => simulated(clock, Some(innermost(&failure.last))).await,
        },
    }
}

async fn probe(api: &Endpoint, clock: &Clock) -> Result<(), FetchError> {
    let retry = RetryPolicy {
        attempts: 2,
        first_pause: Duration::from_millis(200),
        longest_pause: Duration::from_millis(200),
        deadline: AUTO_DEADLINE,
    };
    let failed = |last| FetchError { page: 1, attempts: 0, elapsed: Duration::ZERO, last };
    let client = Client::new(api, AUTO_DEADLINE, retry).map_err(failed)?;
    let request = PageRequest::new("storepulse", 1, 1, &[]).map_err(|e| failed(e.into()))?;
    client.fetch(&request, clock.now()).await.map(|_| ())
}

async fn simulated(clock: &Clock, fallback: Option<String>) -> Result<Origin, LoadError> {
    let server = Server::start(clock.clone()).await.map_err(LoadError::Server)?;
    let client = Client::new(&server.endpoint(), CALL_TIMEOUT, RetryPolicy::default())?;
    Ok(Origin { client, server: Some(server), fallback })
}

/// A failure and its cause in one line.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let (outer, inner) = (error.to_string(), cause.to_string());
    if outer == inner { outer } else { format!("{outer} ({inner})") }
}

/// Which users are wanted: the same wish always gives the same users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsersWanted {
    /// How many records.
    pub count: u32,
    pub seed: String,
    /// Of which nationalities; none means any.
    pub nationalities: Vec<Nationality>,
}

/// What became of the records fetched: `fetched` = `stored`'s five counts + `set_aside`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Loaded {
    /// Records the source gave.
    pub fetched: u64,
    /// What the store did with the good ones.
    pub stored: Upserted,
    /// Records in quarantine.
    pub set_aside: u64,
}

/// Why users could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The wish cannot be asked for.
    #[error("these users cannot be requested")]
    Request(#[from] RequestError),
    /// The HTTP client cannot be set up.
    #[error("the source of users cannot be opened")]
    Client(#[from] ApiError),
    /// No port for the local server.
    #[error("the local users API cannot be started")]
    Server(#[source] std::io::Error),
    /// A page did not come.
    #[error("users could not be fetched; pages before this one are stored, and asking again is safe")]
    Fetch(#[from] FetchError),
    /// PostgreSQL stayed away or refused.
    #[error("users could not be stored")]
    Store(#[from] StoreError),
}

/// Fetches users page by page into the store. Doing it again changes nothing but ages.
///
/// # Errors
/// When a page does not come after all tries, or the store fails.
pub async fn load_users(
    client: &Client,
    wanted: &UsersWanted,
    store: &mut Store,
    clock: &Clock,
    mut on_page: impl FnMut(&Loaded, &Page),
) -> Result<Loaded, LoadError> {
    let mut loaded = Loaded::default();
    let mut left = wanted.count;
    let mut page_number = 0;
    while left > 0 {
        page_number += 1;
        let results = left.min(MAX_RESULTS);
        let request = PageRequest::new(&wanted.seed, page_number, results, &wanted.nationalities)?;
        let page = client.fetch(&request, clock.now()).await?;
        loaded.stored += store.upsert_users(&page.users).await?;
        store.quarantine(&page.set_aside).await?;
        loaded.set_aside += page.set_aside.len() as u64;
        loaded.fetched += u64::from(results);
        left -= results;
        on_page(&loaded, &page);
    }
    Ok(loaded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_has_its_word() {
        for source in [UsersSource::Api, UsersSource::Simulated, UsersSource::Auto] {
            assert_eq!(source.to_string().parse(), Ok(source));
        }
        let unknown = "ap".parse::<UsersSource>().unwrap_err().to_string();
        assert_eq!(unknown, r#""ap" is not a source of users: use api, simulated or auto"#);
    }
}
