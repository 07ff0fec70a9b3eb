//! The port: pages, API, event stream and `/metrics`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::app::{App, Config};
use crate::metrics::Scraper;
use crate::{api, assets, hub, page, watch};

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
    /// The HTTP client could not be made.
    #[error("could not make the HTTP client")]
    HttpClient(#[source] reqwest::Error),
    /// PostgreSQL's address is none.
    #[error("PG_URL is not understood")]
    PostgresUrl(#[source] tokio_postgres::Error),
    /// The pool of connections could not be made.
    #[error("could not make the pool of connections to postgresql")]
    Pool(#[source] deadpool_postgres::BuildError),
}

/// One that listens.
pub struct Serving {
    /// Where.
    pub address: SocketAddr,
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

/// Listens with pages, API and metrics. Nobody is answered before [`Serving::run`].
///
/// # Errors
/// [`ServeError`].
pub async fn serve(config: Config, stop: CancellationToken) -> Result<Serving, ServeError> {
    let (listener, address) = listen(config.listen).await?;
    let app = App::new(config, stop.clone())?;
    let mut tasks = JoinSet::new();
    tasks.spawn(hub::run(app.clone()));
    tasks.spawn(watch::ops::run(app.clone()));
    tasks.spawn(watch::kafka::run(app.clone()));
    tasks.spawn(watch::orders::run(app.clone()));
    tasks.spawn(watch::shop::run(app.clone()));
    let (api, _described) = api::routes().split_for_parts();
    let router = Router::new()
        .merge(page::routes())
        .nest("/api/v1", api)
        .merge(assets::routes())
        .route("/metrics", get(async |State(app): State<App>| openmetrics(app.scraper.scrape().await)))
        .route("/healthz", get(async || "ok\n"))
        .with_state(app);
    Ok(Serving { address, listener, router, stop, tasks })
}

/// Listens with `/metrics` alone.
///
/// # Errors
/// [`ServeError::Listen`].
pub async fn serve_metrics(
    address: SocketAddr,
    scraper: Scraper,
    stop: CancellationToken,
) -> Result<Serving, ServeError> {
    let (listener, address) = listen(address).await?;
    let router = Router::new()
        .route(
            "/metrics",
            get(async |State(scraper): State<Arc<Scraper>>| openmetrics(scraper.scrape().await)),
        )
        .route("/healthz", get(async || "ok\n"))
        .with_state(Arc::new(scraper));
    Ok(Serving { address, listener, router, stop, tasks: JoinSet::new() })
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let failed = |source| ServeError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

fn openmetrics(page: String) -> impl IntoResponse {
    ([(CONTENT_TYPE, OPENMETRICS)], page)
}

impl Serving {
    /// Answers until the token is cancelled; open streams end with it.
    ///
    /// # Errors
    /// [`ServeError::Server`].
    pub async fn run(self) -> Result<(), ServeError> {
        let Self { listener, router, stop, mut tasks, .. } = self;
        let served = axum::serve(listener, router)
            .with_graceful_shutdown(stop.clone().cancelled_owned())
            .await
            .map_err(ServeError::Server);
        stop.cancel();
        while tasks.join_next().await.is_some() {}
        served
    }
}
