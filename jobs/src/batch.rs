//! The batch side of the plan: windows computed again from `raw.events`, with the function that the stream uses.
//!
//! What a snapshot sees is counted, late records included; who calls it chooses windows that are closed. Written twice with one
//! revision and snapshot it changes nothing, and a higher revision wins over whatever is there, so a batch that died is simply
//! run again.

use std::ops::Range;
use std::time::Duration;

use chrono::{DateTime, Utc};
use contracts::Event;
use contracts::endpoints::Endpoints;
use contracts::event::EVENT;
use contracts::record::Kind;
use spark_connect_rs::{DataFrame, SparkSession};
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use crate::metrics;
use crate::plans::Owned;
use crate::sink::CassandraSink;
use crate::spark::{self, CallError};

/// How long a batch may take.
const BATCH: Duration = Duration::from_secs(1_800);
/// Rows a round trip: the driver would else take the whole result into memory.
const FETCH_ROWS: u32 = 10_000;

/// A batch that was not written. What it had written already is the same when it is run again.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// The URL cannot be given to Spark's JDBC source.
    #[error("PG_URL cannot be handed to spark: {0}")]
    Url(&'static str),
    /// Spark failed at it.
    #[error("the windows could not be written: check `storepulse stack status`, then run this again")]
    Spark(#[from] CallError),
}

/// Writes the windows of a range (whole minutes) as a PostgreSQL snapshot (in the text form of `pg_snapshot`) sees their events.
/// Returns when they are in Cassandra.
///
/// # Errors
/// [`BatchError`].
pub async fn write(
    endpoints: &Endpoints,
    sink_retries: u32,
    windows: &Range<DateTime<Utc>>,
    snapshot: &str,
    revision: i64,
) -> Result<(), BatchError> {
    let source = JdbcSource::of(&endpoints.pg_url)?;
    let sink = CassandraSink { keyspace: endpoints.namespace.keyspace().to_owned(), retries: sink_retries };
    let session = spark::connect(&endpoints.spark_remote).await?;
    let query = events_sql(windows, snapshot);
    let owned = Owned { from: Some(windows.start), to: Some(windows.end) };
    spark::call("write windows from postgresql", BATCH, move || {
        let events = source.read(&session, &query);
        let rows = metrics::cube::cube(&events, revision, owned)?;
        // A 3.5 server knows no call that ends a session: it ends by itself after an hour.
        sink.batch(rows.write()).save(None)
    })
    .await?;
    Ok(())
}

/// The events of some windows as a snapshot sees them. An event's id is within a minute of its time, so bounds on the id find
/// the partitions.
fn events_sql(windows: &Range<DateTime<Utc>>, snapshot: &str) -> String {
    let columns = Event::FIELDS.iter().map(|field| match field.kind {
        Kind::Uuid => format!("\"{0}\"::text as \"{0}\"", field.name),
        _ => format!("\"{}\"", field.name),
    });
    let at = |at: DateTime<Utc>| format!("timestamptz '{}'", at.to_rfc3339());
    let (from, to) = (at(windows.start), at(windows.end));
    let (id, occurred_at) = (EVENT.event_id, EVENT.occurred_at);
    format!(
        "select {} from raw.events where {occurred_at} >= {from} and {occurred_at} < {to} \
         and {id} >= raw.uuid_v7_lower_bound({from} - interval '2 minutes') \
         and {id} < raw.uuid_v7_lower_bound({to} + interval '2 minutes') \
         and pg_visible_in_snapshot(tx, '{snapshot}'::pg_snapshot)",
        columns.collect::<Vec<_>>().join(", ")
    )
}

/// PostgreSQL as Spark's JDBC source reaches it.
struct JdbcSource {
    url: String,
    user: String,
    password: String,
}

impl JdbcSource {
    fn of(pg_url: &str) -> Result<Self, BatchError> {
        // The parser's error may show the URL, which holds a secret.
        let config: Config = pg_url.parse().map_err(|_| BatchError::Url("it cannot be parsed"))?;
        let [Host::Tcp(host)] = config.get_hosts() else {
            return Err(BatchError::Url("it must name one host by name or address"));
        };
        let port = config.get_ports().first().copied().unwrap_or(5432);
        let database = config.get_dbname().ok_or(BatchError::Url("it names no database"))?;
        let password = std::str::from_utf8(config.get_password().unwrap_or_default())
            .map_err(|_| BatchError::Url("its password is not UTF-8"))?;
        Ok(Self {
            url: format!("jdbc:postgresql://{host}:{port}/{database}"),
            user: config.get_user().unwrap_or_default().to_owned(),
            password: password.to_owned(),
        })
    }

    fn read(&self, session: &SparkSession, query: &str) -> DataFrame {
        session
            .read()
            .format("jdbc")
            .option("url", &self.url)
            .option("user", &self.user)
            .option("password", &self.password)
            .option("driver", "org.postgresql.Driver")
            .option("fetchsize", &FETCH_ROWS.to_string())
            .option("query", query)
            .load(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_becomes_one_of_jdbc_without_its_secret() {
        let source = JdbcSource::of("postgresql://pulse:s3cret@127.0.0.1:55432/shop").unwrap();
        assert_eq!(source.url, "jdbc:postgresql://127.0.0.1:55432/shop");
        assert_eq!((source.user.as_str(), source.password.as_str()), ("pulse", "s3cret"));
        let error = JdbcSource::of("postgresql://pulse:s3cret@127.0.0.1").err().unwrap();
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }

    #[test]
    fn every_column_of_the_event_is_read() {
        let at = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let sql = events_sql(&(at..at), "1:2:");
        for field in Event::FIELDS {
            assert!(sql.contains(&format!("\"{}\"", field.name)), "{}", field.name);
        }
    }
}
