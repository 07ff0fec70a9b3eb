//! A client of the collector: what `simulate --to` sends through.

use std::time::Duration;

use contracts::secret::Address;
use contracts::validation::Draft;
use ingest::source::simulator::{Courier, CourierError, Delivered};
use tokio::time::{Instant, sleep};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use crate::grpc::proto::collector_client::CollectorClient;
use crate::grpc::proto::{CollectRequest, Event, Outcome, Verdict};

/// How long a batch is sent again before the client gives up.
const PATIENCE: Duration = Duration::from_secs(60);
/// When to come again where the collector does not say.
const BACKOFF: Duration = Duration::from_millis(500);
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// A collector somewhere else, over gRPC.
#[derive(Debug, Clone)]
pub struct Remote {
    client: CollectorClient<Channel>,
    authorization: MetadataValue<Ascii>,
}

/// Why events cannot be sent to a collector.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// An address that is none.
    #[error("{0:?} is not the address of a collector, as in grpc://127.0.0.1:56051")]
    Address(Address),
    /// A key that cannot be sent.
    #[error("the API key holds characters that cannot be sent")]
    Key,
    /// Nobody is there.
    #[error("there is no collector at {to}")]
    Connect {
        /// Where it should be.
        to: Address,
        /// Why not.
        #[source]
        source: tonic::transport::Error,
    },
    /// It refuses, or did for too long.
    #[error("the collector did not accept the events")]
    Refused(#[source] Box<Status>),
    /// It answers something else than a verdict for each event.
    #[error("the collector gave {verdicts} verdicts for {events} events")]
    Verdicts {
        /// How many it gave.
        verdicts: usize,
        /// How many there should be.
        events: usize,
    },
}

impl Remote {
    /// Connects to `grpc://host:port`.
    ///
    /// # Errors
    /// When the address is none or nobody is there.
    pub async fn connect(to: &str, key: &str) -> Result<Self, RemoteError> {
        let no_address = || RemoteError::Address(to.into());
        let authority = to.strip_prefix("grpc://").ok_or_else(no_address)?;
        let endpoint = Endpoint::from_shared(format!("http://{authority}")).map_err(|_| no_address())?;
        let mut authorization: MetadataValue<Ascii> =
            format!("Bearer {key}").parse().map_err(|_| RemoteError::Key)?;
        // Neither `Debug` nor a trace of HTTP shows it then.
        authorization.set_sensitive(true);
        let channel = endpoint
            .connect_timeout(CONNECT_WITHIN)
            .tcp_nodelay(true)
            .connect()
            .await
            .map_err(|source| RemoteError::Connect { to: to.into(), source })?;
        Ok(Self { client: CollectorClient::new(channel), authorization })
    }

    /// Sends a batch until each of its events has its verdict. A batch whose answer was lost is sent again,
    /// so that its events count as repeated.
    ///
    /// # Errors
    /// When the collector refuses it, or is away for a minute.
    pub async fn send(&mut self, events: Vec<Event>) -> Result<Vec<Verdict>, RemoteError> {
        let count = events.len();
        let message: CollectRequest = events.into_iter().collect();
        let began = Instant::now();
        loop {
            let mut request = Request::new(message.clone());
            request.metadata_mut().insert("authorization", self.authorization.clone());
            let status = match self.client.collect(request).await {
                Ok(response) => {
                    let verdicts = response.into_inner().verdicts;
                    if verdicts.len() == count {
                        return Ok(verdicts);
                    }
                    return Err(RemoteError::Verdicts { verdicts: verdicts.len(), events: count });
                }
                Err(status) => status,
            };
            match wait(&status) {
                Some(wait) if began.elapsed() < PATIENCE => sleep(wait).await,
                _ => return Err(RemoteError::Refused(Box::new(status))),
            }
        }
    }
}

/// When the same batch may be sent again; nothing where that would not help.
fn wait(status: &Status) -> Option<Duration> {
    let told = status.get_details_retry_info().and_then(|info| info.retry_delay);
    match status.code() {
        // Without a time to come again it is the message that is too large.
        Code::ResourceExhausted => told,
        Code::Unavailable => Some(told.unwrap_or(BACKOFF)),
        _ => None,
    }
}

impl Courier for Remote {
    async fn deliver(&mut self, records: Vec<Draft>) -> Result<Delivered, CourierError> {
        let mut delivered = Delivered::default();
        for verdict in self.send(records.iter().map(Event::from).collect()).await? {
            match verdict.outcome() {
                Outcome::Accepted => delivered.appended.committed += 1,
                Outcome::Repeated => delivered.appended.repeated += 1,
                Outcome::Rejected => delivered.quarantined += 1,
                // The simulator names no program; the other is of a newer collector. Neither is accounted
                // for, which the run's report shows.
                Outcome::Ignored | Outcome::Unspecified => {}
            }
        }
        Ok(delivered)
    }
}
