//! The port: pages, API, event stream and `/metrics`.

mod connections;
mod dress;
mod guard;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use utoipa_axum::router::OpenApiRouter;

use crate::access::{Hosts, gate};
use crate::app::App;
use crate::config::Config;
use crate::error::ServeError;
use crate::page::sign_in;
use crate::prometheus::{Form, Scraper};
use crate::{actions, alerts, api, assets, hub, page, problem, watch};

/// Connections that wait until they are accepted, at most.
const BACKLOG: u32 = 1_024;
/// How long the pollers may take to end.
const ENDING: Duration = Duration::from_millis(400);

/// One that listens.
pub struct Serving {
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
pub async fn serve(mut config: Config, stop: CancellationToken) -> Result<Serving, ServeError> {
    let (listener, address) = listen(config.listen)?;
    // A free port is known only now; the session's cookie has it in its name.
    config.listen = address;
    let app = App::new(config, page::PANELS, stop.clone())?;
    let mut tasks = JoinSet::new();
    tasks.spawn(hub::run(Arc::clone(&app.hub), Arc::clone(&app.own), stop.clone()));
    tasks.spawn(watch::ops::run(app.clone()));
    tasks.spawn(watch::kafka::run(app.clone()));
    tasks.spawn(watch::orders::run(app.clone()));
    tasks.spawn(watch::shop::run(app.clone()));
    tasks.spawn(watch::registry::run(app.clone()));
    tasks.spawn(watch::quarantine::run(app.clone()));
    tasks.spawn(watch::others::run(app.clone()));
    tasks.spawn(actions::note_what_was_left(app.clone()));
    tasks.spawn(watch::services::run(app.clone()));
    tasks.spawn(alerts::run(app.clone()));
    let warmed = app.clone();
    // The first who signs in shall not wait longer than the second, nor tell by it whether a name exists.
    tasks.spawn_blocking(move || warmed.access.passwords().warm());
    Ok(Serving { address, listener, router: router(app), stop, tasks })
}

fn router(app: App) -> Router {
    let hosts = Hosts::new(app.config.listen, &app.config.hosts, app.config.public_url.as_deref());
    let (api, described) = OpenApiRouter::new().nest("/api/v1", api::routes()).split_for_parts();
    let description = api::described::text(described);
    // All of these need a session; what is merged below does not.
    let gated = page::routes().merge(api).route_layer(from_fn_with_state(app.clone(), gate::<App>));
    let guarded = gated
        .merge(sign_in::routes())
        .merge(assets::routes())
        .merge(problem::routes())
        .route(
            "/api/v1/openapi.json",
            get(async move || ([(CONTENT_TYPE, "application/json")], description.clone())),
        )
        .fallback(async || problem::Problem::not_found("There is no page and no endpoint at this address."))
        .layer(DefaultBodyLimit::max(problem::LARGEST_BODY))
        .layer(from_fn(guard::size))
        .layer(from_fn_with_state(app.clone(), guard::origin))
        .layer(from_fn_with_state(Arc::new(hosts), guard::host));
    // Health checks of containers and Prometheus come by the service's name, and change and tell nothing
    // personal.
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(async || "ok\n"))
        .merge(guarded)
        .layer(from_fn(guard::time))
        .layer(CatchPanicLayer::custom(dress::panicked))
        .layer(from_fn_with_state(app.clone(), dress::dress))
        .layer(CompressionLayer::new().gzip(true))
        .with_state(app)
}

/// The figures of the services, and the console's own.
async fn metrics(State(app): State<App>, headers: HeaderMap) -> impl IntoResponse {
    let form = Form::asked(&headers);
    let (cassandra, _) = app.shop.store().asked();
    let own = app.own.told(app.watch.viewers(), cassandra);
    let alerts = app.watch.alerts.borrow().value.clone();
    scraped(form, app.scraper.scrape_with(form, Some(own), alerts.as_deref()).await)
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
    let (listener, address) = listen(address)?;
    let router = Router::new()
        .route("/metrics", get(metrics_alone))
        .route("/healthz", get(async || "ok\n"))
        .with_state(Arc::new(scraper));
    Ok(Serving { address, listener, router, stop, tasks: JoinSet::new() })
}

fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let failed = |source| ServeError::Listen { address, source };
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.map_err(failed)?;
    // Connections have what their listener has; without a size of its own a buffer grows to megabytes.
    socket.set_send_buffer_size(connections::UNSENT_BYTES).map_err(failed)?;
    socket.set_reuseaddr(true).map_err(failed)?;
    socket.bind(address).map_err(failed)?;
    let listener = socket.listen(BACKLOG).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

async fn metrics_alone(State(scraper): State<Arc<Scraper>>, headers: HeaderMap) -> impl IntoResponse {
    let form = Form::asked(&headers);
    scraped(form, scraper.scrape(form).await)
}

fn scraped(form: Form, page: String) -> impl IntoResponse {
    ([(CONTENT_TYPE, form.media_type())], page)
}

impl Serving {
    /// Answers until the token is cancelled; open streams end with it.
    ///
    /// # Errors
    /// None so far: a server that listens goes on until it is told to end.
    pub async fn run(self) -> Result<(), ServeError> {
        let Self { listener, router, stop, mut tasks, .. } = self;
        connections::serve(listener, router, &stop).await;
        let ended = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(ENDING, ended).await.is_err() {
            tracing::warn!("a poller did not end in time and was cut off");
            tasks.abort_all();
        }
        Ok(())
    }
}
