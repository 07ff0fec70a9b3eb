//! Both ports, from the first request to the last answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use contracts::money::Rates;
use contracts::secret::Address;
use futures::Stream;
use ingest::clock::Clock;
use ingest::store::{Store, StoreError};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tonic::server::NamedService;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tower::util::{MapRequestLayer, MapResponseLayer};

use crate::connections::{Connection, Peer, Port};
use crate::gate::Gate;
use crate::grpc::{self, proto};
use crate::hooks::Hooks;
use crate::http;
use crate::intake::Intake;
use crate::key_file::KeyFile;
use crate::keys::Keys;
use crate::limits::{Limits, LimitsError};
use crate::place::Country;
use crate::refusals::Refusals;
use crate::writer;

/// A peer that went without a word is noticed in this time.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// Streams of one connection at a time; requests are limited over all connections besides.
const STREAMS_A_CONNECTION: u32 = 256;

/// What a collector is made of.
#[derive(Debug)]
pub struct CollectorConfig {
    /// The raw store.
    pub pg_url: Address,
    /// Where HTTP listens; port 0 takes a free one.
    pub http: SocketAddr,
    /// Where gRPC listens; port 0 takes a free one.
    pub grpc: SocketAddr,
    /// Who may send.
    pub keys: Keys,
    /// Where that is read again when it changes.
    pub key_file: Option<KeyFile>,
    /// The secrets of webhooks of shop systems.
    pub hooks: Hooks,
    /// What money is converted with.
    pub rates: Rates,
    /// How the country of a request is found.
    pub country: Country,
    /// What `ingested_at` is read from.
    pub clock: Clock,
    /// What bounds it.
    pub limits: Limits,
}

/// Why a collector does not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum CollectorError {
    /// Limits that cannot be kept.
    #[error("the collector's limits are refused")]
    Limits(#[from] LimitsError),
    /// PostgreSQL is not there, or has another base currency.
    #[error("the collector cannot use the store")]
    Store(#[from] StoreError),
    /// A port is taken or not ours.
    #[error("cannot listen on {address}")]
    Listen {
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    /// The descriptor that was compiled in cannot be read.
    #[error("the reflection service cannot be built, which is a defect")]
    Reflection(#[source] tonic_reflection::server::Error),
    /// SIGHUP cannot be listened to.
    #[error("cannot follow the file of API keys")]
    Keys(#[source] std::io::Error),
    /// The same for the file of countries.
    #[error("cannot follow the file of countries")]
    Countries(#[source] std::io::Error),
    /// A server ended by itself.
    #[error("the {protocol} server failed")]
    Server {
        protocol: &'static str,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A part of it died.
    #[error("the {0} died, which is a defect")]
    Died(&'static str),
    /// Requests were still open when the time to stop was over.
    #[error("requests were cut off: they did not end within {} s", .0.as_secs())]
    CutOff(Duration),
}

/// A collector that takes requests.
#[derive(Debug)]
pub struct Running {
    /// Where HTTP listens.
    pub http: SocketAddr,
    /// Where gRPC listens.
    pub grpc: SocketAddr,
    servers: JoinSet<Result<(), CollectorError>>,
    writer: JoinHandle<()>,
    stopping: CancellationToken,
    grace: Duration,
}

/// Starts a collector. It stops when [`Running::until`] says so; dropped, it leaves its requests unanswered.
///
/// # Errors
/// When limits, store or ports cannot be had.
pub async fn start(config: CollectorConfig) -> Result<Running, CollectorError> {
    let CollectorConfig { pg_url, http, grpc, keys, key_file, hooks, rates, country, clock, limits } = config;
    limits.check()?;
    let mut store = Store::connect(&pg_url).await?.with_patience(limits.patience);
    store.settle_base_currency(rates.base()).await?;
    let (http_listener, http) = listen(http).await?;
    let (grpc_listener, grpc) = listen(grpc).await?;

    let stopping = CancellationToken::new();
    let refusals = Arc::new(Refusals::default());
    let hooks = hooks.sharing(&limits, keys.names().len());
    let gate = Gate::new(keys, &limits, Arc::clone(&refusals), stopping.clone());
    let following = key_file.map(|file| file.follow(gate.clone(), stopping.clone())).transpose();
    let following = following.map_err(CollectorError::Keys)?;
    let following_countries = country.follow(stopping.clone()).map_err(CollectorError::Countries)?;
    let gate = gate.locating(country).with_hooks(hooks);
    let (to_writer, waiting) = mpsc::unbounded_channel();
    let (healthy, store_answers) = watch::channel(true);
    let (commit_every, grace) = (limits.commit_every, limits.grace);
    // Later than a stream without a batch, which is told why it ends.
    let port = |listener| Port::new(listener, limits.connections, limits.idle_within * 2);
    let (http_port, grpc_port) = (port(http_listener), port(grpc_listener));
    let intake =
        Arc::new(Intake::new(gate, limits, rates, clock, stopping.clone(), to_writer, store_answers.clone()));
    // On a thread of its own: the store's futures cannot move between threads.
    let runtime = tokio::runtime::Handle::current();
    let writer = tokio::task::spawn_blocking(move || {
        runtime.block_on(writer::write_all(store, waiting, commit_every, healthy, &refusals));
    });

    let mut servers = JoinSet::new();
    if let Some(following) = following {
        servers.spawn(async {
            following.await;
            Ok(())
        });
    }
    if let Some(following) = following_countries {
        servers.spawn(async {
            following.await;
            Ok(())
        });
    }
    servers.spawn(serve_http(http_port, http::router(&intake), stopping.clone()));
    servers.spawn(serve_grpc(grpc_port, intake, store_answers, stopping.clone())?);
    Ok(Running { http, grpc, servers, writer, stopping, grace })
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), CollectorError> {
    let bound = async {
        let listener = TcpListener::bind(address).await?;
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    };
    bound.await.map_err(|source| CollectorError::Listen { address, source })
}

async fn serve_http(
    port: Port,
    router: axum::Router,
    stopping: CancellationToken,
) -> Result<(), CollectorError> {
    axum::serve(port, router.into_make_service_with_connect_info::<Peer>())
        .with_graceful_shutdown(stopping.cancelled_owned())
        .await
        .map_err(|source| CollectorError::Server { protocol: "http", source: source.into() })
}

fn serve_grpc(
    port: Port,
    intake: Arc<Intake>,
    store_answers: watch::Receiver<bool>,
    stopping: CancellationToken,
) -> Result<impl Future<Output = Result<(), CollectorError>> + Send, CollectorError> {
    let described = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(proto::DESCRIPTOR)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    // Both versions: clients in the field ask for the older one still.
    let reflection = described().build_v1().map_err(CollectorError::Reflection)?;
    let reflection_alpha = described().build_v1alpha().map_err(CollectorError::Reflection)?;
    let (reporter, health) = tonic_health::server::health_reporter();
    let service = grpc::service(&intake);
    let name = service_name(&service);
    let gate = intake.gate.clone();
    // A call that has not come as a whole by then is not answered; a stream is answered at once and has its
    // own patience.
    let answered_within = intake.limits.body_within + intake.limits.patience + intake.limits.grace;
    // The intake goes with the services, so that the writer ends after the last request.
    drop(intake);
    Ok(async move {
        let reporting = tokio::spawn(report_health(reporter, name, store_answers, stopping.clone()));
        let served = tonic::transport::Server::builder()
            .http2_keepalive_interval(Some(KEEPALIVE))
            .max_concurrent_streams(Some(STREAMS_A_CONNECTION))
            .timeout(answered_within)
            .layer(MapResponseLayer::new(grpc::standard_response))
            .layer(MapRequestLayer::new(move |request| grpc::metered(&gate, request)))
            .add_service(service)
            .add_service(health)
            .add_service(reflection)
            .add_service(reflection_alpha)
            .serve_with_incoming_shutdown(incoming(port), stopping.cancelled_owned())
            .await;
        reporting.abort();
        served.map_err(|source| CollectorError::Server { protocol: "grpc", source: source.into() })
    })
}

/// A port's connections as tonic takes them: there is always a next one.
fn incoming(port: Port) -> impl Stream<Item = Result<Connection, std::convert::Infallible>> {
    futures::stream::unfold(port, async |mut port| {
        let (connection, _) = port.next().await;
        Some((Ok(connection), port))
    })
}

const fn service_name<S: NamedService>(_: &S) -> &'static str {
    S::NAME
}

/// Keeps the health service true, for the service and for the server as a whole.
async fn report_health(
    reporter: HealthReporter,
    name: &'static str,
    mut store_answers: watch::Receiver<bool>,
    stopping: CancellationToken,
) {
    let mut reporter = reporter;
    loop {
        let serving = *store_answers.borrow_and_update() && !stopping.is_cancelled();
        let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        for service in ["", name] {
            reporter.set_service_status(service, status).await;
        }
        if stopping.is_cancelled() {
            // Whoever watches would keep the server from ending.
            for service in ["", name] {
                reporter.clear_service_status(service).await;
            }
            return;
        }
        tokio::select! {
            changed = store_answers.changed() => if changed.is_err() { return },
            () = stopping.cancelled() => {}
        }
    }
}

impl Running {
    /// Takes requests until it is cancelled, then stops taking, finishes and answers what was read.
    ///
    /// # Errors
    /// When a part of it fails, or requests do not end in time.
    pub async fn until(mut self, cancel: &CancellationToken) -> Result<(), CollectorError> {
        let ended = tokio::select! {
            () = cancel.cancelled() => Ok(()),
            ended = self.servers.join_next() => outcome(ended),
            _ = &mut self.writer => Err(CollectorError::Died("writer")),
        };
        self.stopping.cancel();
        ended?;
        let grace = self.grace;
        let finish = async {
            while let Some(ended) = self.servers.join_next().await {
                outcome(Some(ended))?;
            }
            // With the last request the last sender goes, and the writer ends after what it has.
            (&mut self.writer).await.map_err(|_| CollectorError::Died("writer"))
        };
        match tokio::time::timeout(grace, finish).await {
            Ok(finished) => finished,
            Err(_) => Err(CollectorError::CutOff(grace)),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The servers go with their set, and the writer after the last of them.
        self.stopping.cancel();
    }
}

fn outcome(
    ended: Option<Result<Result<(), CollectorError>, tokio::task::JoinError>>,
) -> Result<(), CollectorError> {
    match ended {
        None | Some(Ok(Ok(()))) => Ok(()),
        Some(Ok(Err(error))) => Err(error),
        Some(Err(_)) => Err(CollectorError::Died("server")),
    }
}
