use std::time::Duration;

use super::API_VERSION;
use super::request::{Nationality, RequestError};

/// One failed call.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The request was not sent.
    #[error("the request is refused before it is sent")]
    Request(#[from] RequestError),
    /// The HTTP client could not be set up.
    #[error("the HTTP client cannot be set up")]
    Setup(#[source] reqwest::Error),
    /// No connection.
    #[error("cannot connect to the users API")]
    Connect(#[source] reqwest::Error),
    /// No complete answer in time.
    #[error("the users API gave no complete answer in time")]
    Timeout(#[source] reqwest::Error),
    /// The connection broke.
    #[error("the answer of the users API ended early")]
    Transport(#[source] reqwest::Error),
    /// Too many users asked for in five minutes.
    #[error("the users API limits the rate (HTTP {status}): {message}")]
    RateLimited {
        /// The status: 429, and 503 in older deployments.
        status: u16,
        /// What it says.
        message: String,
        /// How long it asks to wait; it usually does not say.
        retry_after: Option<Duration>,
    },
    /// An `error` body, which comes with any status, 200 among them.
    #[error("the users API reports a problem (HTTP {status}): {message}")]
    Service {
        status: u16,
        /// What it says.
        message: String,
    },
    /// A proxy or the network in front of the API is down.
    #[error("the users API is unavailable (HTTP {status}): {excerpt:?}")]
    Unavailable {
        /// 502, 503 or 504, or another 5xx.
        status: u16,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
        /// The beginning of the body.
        excerpt: String,
    },
    /// Blocked, unknown version, or anything else that asking again will not change.
    #[error("the users API refuses the request (HTTP {status}): {excerpt:?}")]
    Refused {
        status: u16,
        /// The beginning of the body.
        excerpt: String,
    },
    /// Status 200 with something that is no JSON, usually HTML of whoever stands in front.
    #[error("the answer of the users API is not JSON: {excerpt:?}")]
    NotJson {
        /// The beginning of the body.
        excerpt: String,
    },
    /// JSON that is cut off, or not a page.
    #[error("the answer of the users API is not a whole page")]
    NotAPage(#[source] serde_json::Error),
    /// Status 200 and no users, as in the outage of early 2026.
    #[error("the users API returned no users, but {asked} were requested")]
    Empty {
        /// How many were asked for.
        asked: u32,
    },
    /// Another number of users than was asked for.
    #[error("the users API returned {given} users and reports {told}, but {asked} were requested")]
    WrongCount {
        /// How many were asked for.
        asked: u32,
        /// What `info.results` says.
        told: u64,
        /// How many there are.
        given: usize,
    },
    /// Another version than the one pinned.
    #[error("the users API answered as version {0}, not {API_VERSION}")]
    Version(String),
    /// Another page or seed than was asked for.
    #[error("the users API answered with another {what} than was requested: {given}")]
    OtherPage {
        /// Seed or page.
        what: &'static str,
        /// What it answered with.
        given: String,
    },
    /// The filter of nationalities was dropped.
    #[error("the users API ignored the filter of nationalities: a user of {given} came back")]
    FilterIgnored {
        /// A nationality that was not asked for.
        given: Nationality,
    },
    /// A body beyond every bound.
    #[error("the answer of the users API has more than {limit_bytes} bytes")]
    TooLarge {
        /// The bound.
        limit_bytes: usize,
    },
}

impl ApiError {
    /// Whether the same request may succeed later.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Connect(_)
            | Self::Timeout(_)
            | Self::Transport(_)
            | Self::RateLimited { .. }
            | Self::Service { .. }
            | Self::Unavailable { .. }
            | Self::NotJson { .. }
            | Self::NotAPage(_)
            | Self::Empty { .. }
            | Self::WrongCount { .. } => true,
            Self::Request(_)
            | Self::Setup(_)
            | Self::Refused { .. }
            | Self::Version(_)
            | Self::OtherPage { .. }
            | Self::FilterIgnored { .. }
            | Self::TooLarge { .. } => false,
        }
    }

    /// How long the service asks to be left alone.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. } | Self::Unavailable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// A page that could not be fetched, after all tries.
#[derive(Debug, thiserror::Error)]
#[error("page {page} could not be fetched ({attempts} tries in {:.1} s)", elapsed.as_secs_f64())]
pub struct FetchError {
    /// Which page.
    pub page: u32,
    /// How often it was tried.
    pub attempts: u32,
    /// For how long.
    pub elapsed: Duration,
    /// The last failure.
    #[source]
    pub last: ApiError,
}
