//! Why a console does not serve.

use std::net::SocketAddr;

/// Why it does not serve, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The port is taken or not ours.
    #[error("cannot listen on {address}")]
    Listen {
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    /// The HTTP client could not be made.
    #[error("could not make the HTTP client")]
    HttpClient(#[source] reqwest::Error),
    /// PostgreSQL's address is none.
    #[error("PG_URL cannot be parsed")]
    PostgresUrl(#[source] tokio_postgres::Error),
    /// The pool of connections could not be made.
    #[error("could not make the pool of connections to postgresql")]
    Pool(#[source] deadpool_postgres::BuildError),
}
