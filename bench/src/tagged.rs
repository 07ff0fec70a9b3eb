//! Tagged orders, each of a product of its own, and a client that looks for their rows as any other would.

use std::time::Duration;

use anyhow::{Context, ensure};
use chrono::{DateTime, DurationRound, TimeDelta, Timelike, Utc};
use contracts::endpoints::Endpoints;
use contracts::validation::accept;
use ingest::source::draft;
use ingest::store::Store;
use scylla::client::session::Session;
use scylla::statement::prepared::PreparedStatement;
use scylla::value::{CqlDate, CqlTimestamp};
use uuid::Uuid;

use crate::marked_order::order;

/// Between two looks at Cassandra for one order: the figures are true to half of it.
const LOOK: Duration = Duration::from_millis(10);

/// How long one order may take to be readable; far more than what is asked for.
const READABLE: Duration = Duration::from_secs(120);

/// An order that was committed.
pub(crate) struct Tagged {
    item_id: String,
    occurred_at: DateTime<Utc>,
}

impl Tagged {
    /// Commits one of a time.
    pub(crate) async fn commit(store: &mut Store, occurred_at: DateTime<Utc>) -> anyhow::Result<Self> {
        let item_id = Uuid::now_v7().to_string();
        let draft = draft::read(order(&item_id, "Tagged", occurred_at).as_bytes())?;
        let event = accept(draft, "bench", occurred_at, &ingest::rates::built_in())?.event;
        store.append(&[event]).await?;
        Ok(Self { item_id, occurred_at })
    }
}

/// Looks for rows.
pub(crate) struct Reader {
    session: Session,
    product: PreparedStatement,
}

impl Reader {
    /// Connects, to a keyspace that is there.
    pub(crate) async fn connect(endpoints: &Endpoints) -> anyhow::Result<Self> {
        let session = provision::connect_cassandra(&endpoints.cassandra_contact_points).await?;
        let product = format!(
            "select order_lines, units from {}.sales_by_product \
             where day = ? and hour = ? and minute = ? and item_id = ?",
            endpoints.namespace.keyspace()
        );
        Ok(Self { product: session.prepare(product).await?, session })
    }

    /// Waits until the row of an order can be read, and says how long that was after the order's time.
    ///
    /// # Errors
    /// When it cannot be read in time, or says something else than the order.
    pub(crate) async fn lag(&self, order: &Tagged) -> anyhow::Result<Duration> {
        let Tagged { item_id, occurred_at } = order;
        let (day, hour) = (CqlDate::from(occurred_at.date_naive()), i32::try_from(occurred_at.hour())?);
        let minute = CqlTimestamp(occurred_at.duration_trunc(TimeDelta::minutes(1))?.timestamp_millis());
        loop {
            let rows = self.session.execute_unpaged(&self.product, (day, hour, minute, item_id)).await?;
            let row = rows.into_rows_result()?.maybe_first_row::<(i64, i64)>()?;
            let lag = (Utc::now() - *occurred_at).to_std().context("the clock was set back")?;
            if let Some(row) = row {
                ensure!(row == (1, 1), "an order of one line and one unit is counted as {row:?}");
                return Ok(lag);
            }
            ensure!(lag < READABLE, "an order cannot be read after {READABLE:?}");
            tokio::time::sleep(LOOK).await;
        }
    }
}
