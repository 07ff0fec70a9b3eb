//! Orders that can be told from all others, followed from their commit to the page.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use chrono::Utc;
use contracts::cube;
use contracts::endpoints::Endpoints;
use contracts::validation::accept;
use ingest::clock::Clock;
use ingest::source::draft;
use ingest::store::Store;
use scylla::client::session::Session;
use scylla::value::{CqlDate, Row};

use super::browser::Stream;
use crate::marked_order::{COUNTRY, order};

/// How long one order may take to be shown.
const SHOWN: Duration = Duration::from_secs(60);
/// Between two looks at Cassandra.
const LOOK: Duration = Duration::from_millis(20);

/// From the commit of one order, in ms.
pub(super) struct Followed {
    /// To the list of orders as they come in.
    pub(super) ticker_ms: f64,
    /// To its row in Cassandra: the line's own lag.
    pub(super) stored_ms: f64,
    /// To the figures of its country on the page.
    pub(super) figure_ms: f64,
}

/// Commits orders and follows each.
pub(super) struct Marking<'a> {
    store: Store,
    cassandra: Session,
    endpoints: &'a Endpoints,
}

impl<'a> Marking<'a> {
    pub(super) async fn new(endpoints: &'a Endpoints) -> anyhow::Result<Self> {
        Ok(Self {
            store: Store::connect(&endpoints.pg_url).await?,
            cassandra: provision::connect_cassandra(&endpoints.cassandra_contact_points).await?,
            endpoints,
        })
    }

    /// Commits one and waits until it is everywhere.
    pub(super) async fn follow(&mut self, number: usize, page: &Stream) -> anyhow::Result<Followed> {
        let name = format!("Marked {number:04}");
        let now = Clock::wall().now();
        let draft = draft::read(order("marked", &name, now).as_bytes())?;
        let event = accept(draft, "bench", now, &ingest::rates::built_in())?.event;
        let (stored_before, shown_before) = (self.rows().await?, shown(page));
        self.store.append(&[event]).await?;
        let committed = Instant::now();
        let ms = |at: Instant| at.duration_since(committed).as_secs_f64() * 1_000.0;

        let stored = async {
            while self.rows().await? == stored_before {
                ensure!(committed.elapsed() < SHOWN, "{name} is not in Cassandra after {SHOWN:?}");
                tokio::time::sleep(LOOK).await;
            }
            anyhow::Ok(ms(Instant::now()))
        };
        let ticker = async {
            let at = page.until("live.orders", SHOWN, |html| html.contains(&name)).await;
            at.map(ms).with_context(|| format!("{name} is not among the orders after {SHOWN:?}"))
        };
        let figure = async {
            let at =
                page.until("live.countries", SHOWN, |html| country(html) != shown_before.as_deref()).await;
            at.map(ms).with_context(|| format!("{name} is not in the figures after {SHOWN:?}"))
        };
        let (stored_ms, ticker_ms, figure_ms) = tokio::try_join!(stored, ticker, figure)?;
        Ok(Followed { ticker_ms, stored_ms, figure_ms })
    }

    /// The country's rows of today, whatever their columns are.
    async fn rows(&self) -> anyhow::Result<String> {
        let grouping = cube::grouping("activity_by_country").context("no table of countries")?;
        let keyspace = self.endpoints.namespace.keyspace();
        let statement = format!("select * from {keyspace}.{} where day = ? and country = ?", grouping.table);
        let day: CqlDate = Utc::now().date_naive().into();
        let rows = self.cassandra.query_unpaged(statement, (day, COUNTRY)).await?.into_rows_result()?;
        let rows = rows.rows::<Row>()?.collect::<Result<Vec<_>, _>>()?;
        Ok(format!("{rows:?}"))
    }
}

fn shown(page: &Stream) -> Option<String> {
    page.part("live.countries").and_then(|html| country(&html).map(str::to_owned))
}

/// The country's amount in the table: its share beside it changes with every order of others.
fn country(html: &str) -> Option<&str> {
    let (_, row) = html.split_once(&format!("data-key=\"{COUNTRY}\""))?;
    let (_, amount) = row.split_once("class=\"num\">")?;
    amount.split("</td>").next()
}
