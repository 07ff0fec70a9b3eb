//! The port: `/metrics`, and `/healthz` for whoever asks only whether it listens.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics::Scraper;

/// The media type of OpenMetrics 1.0.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Why it does not serve, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The port is taken or not ours.
    #[error("cannot listen on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The server ended by itself.
    #[error("the server failed")]
    Server(#[source] std::io::Error),
}

/// One that listens.
#[derive(Debug)]
pub struct Serving {
    /// Where.
    pub address: SocketAddr,
    listener: TcpListener,
    router: Router,
}

/// Listens; port 0 takes a free one. Nobody is answered before [`Serving::until`].
///
/// # Errors
/// [`ServeError::Listen`].
pub async fn serve(address: SocketAddr, scraper: Scraper) -> Result<Serving, ServeError> {
    let failed = |source| ServeError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(async || "ok\n"))
        .with_state(Arc::new(scraper));
    Ok(Serving { address: bound, listener, router })
}

impl Serving {
    /// Answers until the token is cancelled, then ends open answers and returns.
    ///
    /// # Errors
    /// [`ServeError::Server`].
    pub async fn until(self, stop: &CancellationToken) -> Result<(), ServeError> {
        axum::serve(self.listener, self.router)
            .with_graceful_shutdown(stop.clone().cancelled_owned())
            .await
            .map_err(ServeError::Server)
    }
}

async fn metrics(State(scraper): State<Arc<Scraper>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, OPENMETRICS)], scraper.scrape().await)
}
