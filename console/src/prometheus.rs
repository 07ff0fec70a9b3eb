//! Figures of every hop, as Prometheus reads them.
//!
//! A scrape asks all services at the same time and waits for none longer than [`ANSWER`], which is below
//! Prometheus's own time-out. Counters are those that the reporting process keeps: they begin at 0 when it
//! starts again, which `rate` allows for.

mod cassandra;
mod form;
mod kafka;
#[cfg(test)]
pub(crate) mod lint;
mod names;
mod page;
mod postgres;

use std::pin::Pin;
use std::time::Duration;

use contracts::endpoints::Endpoints;
use contracts::secret::Address;
use tokio::net::TcpStream;
use tokio::sync::Mutex;

pub use form::Form;
use names::{ALERT_FIRING, CONSOLE_DRAWING, CONSOLE_DRAWINGS, CONSOLE_QUERIES, CONSOLE_VIEWERS, UP};
pub use names::{Kind, METRICS, Metric};
use page::Page;

use crate::alerts::Alerts;
use crate::self_metrics::Counts;

/// How long a service may take to answer.
pub const ANSWER: Duration = Duration::from_secs(5);

/// Why a service told nothing.
type Refused = Box<dyn std::error::Error + Send + Sync>;

/// Asks the services, keeping the connections from one scrape to the next.
pub struct Scraper {
    endpoints: Endpoints,
    collector_url: Option<Address>,
    http: reqwest::Client,
    postgres: Mutex<postgres::Kept>,
    cassandra: Mutex<Option<scylla::client::session::Session>>,
    kafka: kafka::Watermarks,
}

impl Scraper {
    /// One that has asked nobody yet: services may come later. A collector is asked where its URL is known.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn new(endpoints: Endpoints, collector_url: Option<Address>) -> Result<Self, reqwest::Error> {
        // The client wants a provider even for plain HTTP; where the process has one already, that one stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().timeout(ANSWER).build()?;
        Ok(Self {
            endpoints,
            collector_url,
            http,
            postgres: Mutex::default(),
            cassandra: Mutex::default(),
            kafka: kafka::Watermarks::default(),
        })
    }

    /// Every figure that can be had now, as one page.
    pub async fn scrape(&self, form: Form) -> String {
        self.scrape_with(form, None, None).await
    }

    /// The same, with what the console that serves the page does itself.
    pub(crate) async fn scrape_with(
        &self,
        form: Form,
        own: Option<Counts>,
        alerts: Option<&Alerts>,
    ) -> String {
        let page = Page::default();
        if let Some(own) = own {
            told_of_console(&page, own);
        }
        for (rule, severity, firing) in alerts.map(Alerts::counts).unwrap_or_default() {
            page.set(&ALERT_FIRING, &[("rule", rule), ("severity", severity.word())], firing as f64);
        }
        tokio::join!(
            told(&page, "postgres", Box::pin(postgres::ask(&self.postgres, &self.endpoints, &page))),
            told(&page, "kafka", Box::pin(self.kafka.ask(&self.endpoints, &page))),
            told(&page, "cassandra", Box::pin(cassandra::ask(&self.cassandra, &self.endpoints, &page))),
            told(&page, "schema_registry", Box::pin(self.registry())),
            told(&page, "spark_connect", Box::pin(self.spark())),
            async {
                if let Some(url) = &self.collector_url {
                    told(&page, "collector", Box::pin(self.collector(url))).await;
                }
            },
        );
        page.text(form)
    }

    async fn registry(&self) -> Result<(), Refused> {
        let subjects = format!("{}/subjects", self.endpoints.schema_registry_url.as_str());
        self.http.get(subjects).send().await?.error_for_status()?;
        Ok(())
    }

    /// Whether it takes events, by its own judgement.
    async fn collector(&self, url: &str) -> Result<(), Refused> {
        let health = format!("{}/v1/health", url.trim_end_matches('/'));
        self.http.get(health).send().await?.error_for_status()?;
        Ok(())
    }

    /// Whether it takes connections: its protocol needs the Spark client, which is not known here.
    async fn spark(&self) -> Result<(), Refused> {
        TcpStream::connect(self.endpoints.spark_address()).await?;
        Ok(())
    }
}

/// What the console itself does.
#[expect(clippy::cast_precision_loss, reason = "counters of one process stay below 2^53")]
fn told_of_console(page: &Page, own: Counts) {
    page.set(&CONSOLE_VIEWERS, &[], own.viewers as f64);
    for (service, asked) in [("postgres", own.postgres), ("cassandra", own.cassandra), ("kafka", own.kafka)] {
        page.set(&CONSOLE_QUERIES, &[("service", service)], asked as f64);
    }
    page.set(&CONSOLE_DRAWINGS, &[], own.drawings as f64);
    page.set(&CONSOLE_DRAWING, &[], own.drawing.as_secs_f64());
}

/// Waits for an answer, which is boxed: those of all services are awaited side by side.
async fn told(page: &Page, service: &str, answer: Pin<Box<impl Future<Output = Result<(), Refused>>>>) {
    let answered = match tokio::time::timeout(ANSWER, answer).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::warn!(service, error = &*error, "a service did not tell its figures");
            false
        }
        Err(_) => {
            tracing::warn!(service, "a service did not tell its figures in time");
            false
        }
    };
    page.set(&UP, &[("service", service)], f64::from(u8::from(answered)));
}
