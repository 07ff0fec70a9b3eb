//! Whether rows flow: how new the newest event in Cassandra is.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use contracts::cube::CUBE;
use contracts::endpoints::Endpoints;
use contracts::measure::MEASURE;
use scylla::client::session::Session;
use scylla::value::CqlTimestamp;

/// A node that takes longer over one small partition is not serving.
const PATIENCE: Duration = Duration::from_secs(3);

/// Looks into Cassandra. A session that failed is replaced: a driver's own way back to a node may take longer
/// than what is measured with it.
pub(crate) struct Flow<'a> {
    endpoints: &'a Endpoints,
    session: Option<Session>,
}

impl<'a> Flow<'a> {
    pub(crate) const fn new(endpoints: &'a Endpoints) -> Self {
        Self { endpoints, session: None }
    }

    /// When the newest event happened whose minute's row is written; nothing where Cassandra does not answer.
    pub(crate) async fn newest(&mut self) -> Option<DateTime<Utc>> {
        let newest = tokio::time::timeout(PATIENCE, self.ask()).await.ok().and_then(Result::ok);
        if newest.is_none() {
            self.session = None;
        }
        newest.flatten()
    }

    async fn ask(&mut self) -> anyhow::Result<Option<DateTime<Utc>>> {
        let session = match self.session.take() {
            Some(session) => session,
            None => provision::connect_cassandra(&self.endpoints.cassandra_contact_points).await?,
        };
        let select = format!(
            "select max({}) from {}.activity_by_minute where {} = ?",
            MEASURE.last_occurred_at,
            self.endpoints.namespace.keyspace(),
            CUBE.day
        );
        let today = Utc::now().date_naive();
        let mut newest = None;
        // Just after midnight the newest is yesterday's.
        for day in [today - TimeDelta::days(1), today] {
            let rows =
                session.query_unpaged(select.as_str(), (day,) as (NaiveDate,)).await?.into_rows_result()?;
            let (at,) = rows.single_row::<(Option<CqlTimestamp>,)>()?;
            newest = newest.max(at.and_then(|at| DateTime::from_timestamp_millis(at.0)));
        }
        self.session = Some(session);
        Ok(newest)
    }
}
