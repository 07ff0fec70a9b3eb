//! What every request and every task of the console shares.

use std::net::SocketAddr;
use std::sync::Arc;

use chrono_tz::Tz;
use contracts::endpoints::Endpoints;
use contracts::money::Rates;
use contracts::secret::Address;
use deadpool_postgres::{ClientWrapper, Hook, HookError, ManagerConfig, Pool, RecyclingMethod};
use tokio_postgres::NoTls;
use tokio_util::sync::CancellationToken;

use crate::access::{Access, assume_role};
use crate::hub::Hub;
use crate::own::Own;
use crate::prometheus::Scraper;
use crate::server::ServeError;
use crate::watch::Watch;
use crate::{alerts, schemas, topics};

/// Connections to PostgreSQL for requests; the poller has one of its own.
const CONNECTIONS: usize = 4;

/// How a console is served.
#[derive(Debug, Clone)]
pub struct Config {
    /// The services.
    pub endpoints: Endpoints,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The collector to ask whether it takes events; none without.
    pub collector_url: Option<Address>,
    /// Where browsers find it, when that is not where it listens: `https://…` behind a proxy.
    pub public_url: Option<String>,
    /// Host names it answers to beside those of the loopback.
    pub hosts: Vec<String>,
    /// What amounts of records that are judged again are converted with.
    pub rates: Rates,
    /// The zone of days and clock times where a viewer has chosen none.
    pub time_zone: Tz,
    /// How alerts are judged, and whom they are told.
    pub alerts: alerts::Settings,
}

/// Shared by all requests.
#[derive(Clone)]
pub(crate) struct App(Arc<Parts>);

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// The parts.
pub(crate) struct Parts {
    pub(crate) config: Config,
    pub(crate) pool: Pool,
    pub(crate) http: reqwest::Client,
    pub(crate) watch: Arc<Watch>,
    pub(crate) hub: Hub,
    pub(crate) own: Own,
    pub(crate) access: Access,
    pub(crate) scraper: Scraper,
    pub(crate) browser: topics::Browser,
    pub(crate) schemas: schemas::Cache,
    pub(crate) shop: crate::figures::Reader,
    pub(crate) post: alerts::Post,
    /// Cancelled when the console ends: open streams end with it.
    pub(crate) stop: CancellationToken,
}

impl App {
    pub(crate) fn new(config: Config, stop: CancellationToken) -> Result<Self, ServeError> {
        let scraper = Scraper::new(config.endpoints.clone(), config.collector_url.clone())
            .map_err(ServeError::HttpClient)?;
        let http = reqwest::Client::builder()
            .timeout(crate::prometheus::ANSWER)
            .build()
            .map_err(ServeError::HttpClient)?;
        Ok(Self(Arc::new(Parts {
            pool: pool(&config.endpoints.pg_url, CONNECTIONS)?,
            http,
            watch: Arc::default(),
            hub: Hub::new(),
            own: Own::default(),
            access: Access::new(&config)?,
            scraper,
            browser: topics::Browser::new(&config.endpoints),
            schemas: schemas::Cache::default(),
            shop: crate::figures::Reader::new(&config.endpoints),
            post: alerts::Post::new().map_err(ServeError::HttpClient)?,
            stop,
            config,
        })))
    }
}

/// Connections that are made when they are wanted, each in the console's role.
pub(crate) fn pool(pg_url: &str, size: usize) -> Result<Pool, ServeError> {
    let config: tokio_postgres::Config = pg_url.parse().map_err(ServeError::PostgresUrl)?;
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = deadpool_postgres::Manager::from_config(config, NoTls, recycling);
    let in_its_role = Hook::async_fn(|client: &mut ClientWrapper, _| {
        Box::pin(async move { assume_role(client).await.map_err(HookError::Backend) })
    });
    // Without time-outs of its own building a pool cannot fail; whoever takes a connection has one.
    Pool::builder(manager).max_size(size).post_create(in_its_role).build().map_err(ServeError::Pool)
}
