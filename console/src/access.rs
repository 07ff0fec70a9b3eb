//! Who may look: sessions, tickets and keys.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::app::{App, Config};
use crate::problem::Problem;

/// Somebody who is signed in.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    pub(crate) name: String,
    pub(crate) role: Role,
}

/// What one may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// Look.
    Viewer,
    /// Act.
    Operator,
}

impl FromRequestParts<App> for Visitor {
    type Rejection = Problem;

    async fn from_request_parts(_parts: &mut Parts, _app: &App) -> Result<Self, Problem> {
        Ok(Self { name: "nobody".to_owned(), role: Role::Viewer })
    }
}

/// What the gate keeps between requests.
pub(crate) struct Access {}

/// Room for one open stream.
pub(crate) struct StreamPermit {}

impl Access {
    pub(crate) fn new(_config: &Config) -> Self {
        Self {}
    }

    /// Room for one more open stream, of all and of this session.
    pub(crate) fn stream_permit(&self, _visitor: &Visitor) -> Result<StreamPermit, Problem> {
        Ok(StreamPermit {})
    }

    /// Whether the session of an open stream goes on.
    pub(crate) async fn still_valid(&self, _app: &App, _visitor: &Visitor) -> bool {
        true
    }
}
