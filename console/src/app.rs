//! What every request and every task of the console shares.

use std::sync::Arc;

use deadpool_postgres::Pool;
use tokio_util::sync::CancellationToken;

use crate::access::{self, Access};
use crate::config::Config;
use crate::error::ServeError;
use crate::hub::Hub;
use crate::panel::Panel;
use crate::prometheus::Scraper;
use crate::self_metrics::SelfMetrics;
use crate::watch::Watch;
use crate::{alerts, schemas, topics};

/// Connections to PostgreSQL for requests; the poller has one of its own.
const CONNECTIONS: usize = 4;

/// Shared by all requests.
#[derive(Clone)]
pub(crate) struct App(Arc<Parts>);

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl access::Guarded for App {
    fn access(&self) -> &Access {
        &self.access
    }
}

pub(crate) struct Parts {
    pub(crate) config: Config,
    pub(crate) pool: Pool,
    pub(crate) http: reqwest::Client,
    pub(crate) watch: Arc<Watch>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) own: Arc<SelfMetrics>,
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
    pub(crate) fn new(
        config: Config,
        panels: &'static [&'static [Panel]],
        stop: CancellationToken,
    ) -> Result<Self, ServeError> {
        let scraper = Scraper::new(config.endpoints.clone(), config.collector_url.clone())
            .map_err(ServeError::HttpClient)?;
        let http = reqwest::Client::builder()
            .timeout(crate::prometheus::ANSWER)
            .build()
            .map_err(ServeError::HttpClient)?;
        let watch: Arc<Watch> = Arc::default();
        Ok(Self(Arc::new(Parts {
            pool: access::pool(&config.endpoints.pg_url, CONNECTIONS)?,
            http,
            hub: Arc::new(Hub::new(panels, Arc::clone(&watch))),
            watch,
            own: Arc::default(),
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
