//! How fresh the tables are, as a reader finds them.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::cube::{CUBE, GROUPINGS};
use contracts::endpoints::Endpoints;
use scylla::client::session::Session;
use tokio::sync::Mutex;

use super::Refused;
use super::names::NEWEST_WINDOW;
use super::page::Page;

pub(super) async fn ask(
    kept: &Mutex<Option<Session>>,
    endpoints: &Endpoints,
    page: &Page,
) -> Result<(), Refused> {
    let mut kept = kept.lock().await;
    let session = match kept.take() {
        Some(session) => session,
        None => provision::connect_cassandra(&endpoints.cassandra_contact_points).await?,
    };
    let newest = newest_window(&session, endpoints.namespace.keyspace()).await;
    // The session finds its nodes again by itself.
    *kept = Some(session);
    page.set_some(&NEWEST_WINDOW, &[], newest?.map(|at| at.timestamp() as f64));
    Ok(())
}

/// The first row of the newest day that has one: rows of a day are kept from the newest on.
async fn newest_window(session: &Session, keyspace: &str) -> Result<Option<DateTime<Utc>>, Refused> {
    // The one of the whole shop.
    let grouping = &GROUPINGS[0];
    let cql = format!(
        "select {at} from {keyspace}.{table} where {day} = ? limit 1",
        at = grouping.at,
        table = grouping.table,
        day = CUBE.day
    );
    let today = Utc::now().date_naive();
    for day in [today, today - TimeDelta::days(1)] {
        let rows = session.query_unpaged(cql.as_str(), (day,)).await?.into_rows_result()?;
        if let Some((at,)) = rows.maybe_first_row::<(DateTime<Utc>,)>()? {
            return Ok(Some(at));
        }
    }
    Ok(None)
}
