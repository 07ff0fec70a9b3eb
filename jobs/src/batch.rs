//! The batch side of the plan: rows computed again from PostgreSQL, with the function that the stream uses.
//!
//! What a snapshot sees is counted, late records included unless they are left out; who calls it chooses rows
//! that are closed. Written twice with one revision and snapshot it changes nothing, and a higher revision
//! wins over whatever is there, so a batch that died is simply run again.

use std::ops::Range;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::Event;
use contracts::admission::BELONGS_TO_NOBODY;
use contracts::endpoints::Endpoints;
use contracts::event::EVENT;
use contracts::family::{Family, Geometry, Source};
use contracts::ids;
use contracts::lateness::ON_TIME_SQL;
use contracts::record::Kind;
use contracts::user::USER;
use spark_connect_rs::{DataFrame, SparkSession};
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use crate::metrics;
use crate::plans::Owned;
use crate::sink::CassandraSink;
use crate::spark::{self, CallError, SHUFFLE_PARTITIONS_SETTING};

/// How long a batch may take.
const BATCH: Duration = Duration::from_secs(1_800);
/// Tasks of a batch: short ones, as the stream waits for a core until a task ends, and windows of a slow year
/// may have a row an event.
const TASKS: i32 = 32;
/// Rows a round trip: the driver would else take the whole result into memory.
const FETCH_ROWS: u32 = 10_000;

/// A batch that was not written. What it had written already is the same when it is run again.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// The URL cannot be given to Spark's JDBC source.
    #[error("PG_URL cannot be passed to spark: {0}")]
    Url(&'static str),
    /// What takes longer than the server's patience would be cut off without an error.
    #[error(
        "the connect server ends an answer before a long batch is written: start it with \
         spark.connect.execute.reattachable.senderMaxStreamDuration=0, as spark/conf does"
    )]
    AnswersEnd,
    /// Spark failed at it.
    #[error("the windows could not be written: check `storepulse stack status`, then run this again")]
    Spark(#[from] CallError),
}

/// Which records are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Records {
    /// All, late ones included.
    All,
    /// Those that the stream counts.
    OnTime,
}

/// What to write.
#[derive(Debug, Clone)]
pub struct Piece<'a> {
    /// Of which family.
    pub family: &'static Family,
    /// The rows in a range of the family's axis, whole steps.
    pub range: &'a Range<DateTime<Utc>>,
    /// The PostgreSQL snapshot that tells which records there are, in the text form of `pg_snapshot`.
    pub snapshot: &'a str,
    /// Which of them count.
    pub records: Records,
    /// What the rows carry.
    pub revision: i64,
}

/// Writes rows. Returns when they are in Cassandra.
///
/// # Errors
/// [`BatchError`].
pub async fn write(endpoints: &Endpoints, piece: &Piece<'_>) -> Result<(), BatchError> {
    let Piece { family, range, snapshot, records, revision } = *piece;
    let source = JdbcSource::of(&endpoints.pg_url)?;
    let sink = CassandraSink { keyspace: endpoints.namespace.keyspace().to_owned() };
    let session = spark::connect(&endpoints.spark_remote).await?;
    let query = records_sql(family, range, snapshot, records);
    let owned = Owned { from: Some(range.start), to: Some(range.end) };
    let answered_to_the_end = spark::call("write rows from postgresql", BATCH, move || {
        if !spark::answers_to_the_end(&session)? {
            return Ok(false);
        }
        session.conf().set(SHUFFLE_PARTITIONS_SETTING, &TASKS.to_string())?;
        let records = source.read(&session, &query);
        let mut rows = metrics::rows(&records, family, revision, owned)?;
        if family.geometry == Geometry::Records {
            // Nothing is aggregated: all rows would stay in the one task that read them.
            rows = rows.repartition(TASKS);
        }
        // A 3.5 server knows no call that ends a session: it ends by itself after an hour.
        sink.batch(family, rows.write()).save(None)?;
        Ok(true)
    })
    .await?;
    if answered_to_the_end { Ok(()) } else { Err(BatchError::AnswersEnd) }
}

/// The records that rows in a range of a family's axis are computed from.
fn records_sql(family: &Family, range: &Range<DateTime<Utc>>, snapshot: &str, records: Records) -> String {
    let (step_us, length_us) = family.stretch_us();
    let to = range.end + TimeDelta::microseconds(length_us - step_us);
    let visible = format!("pg_visible_in_snapshot(tx, '{snapshot}'::pg_snapshot)");
    if family.source == Source::Users {
        let (country, at) = (USER.country, USER.ingested_at);
        let within = between(at.name(), range.start, to);
        return format!("select {country}, {at} from raw.registrations where {within} and {visible}");
    }
    let columns = Event::FIELDS.iter().map(|field| match field.kind {
        Kind::Uuid => format!("\"{0}\"::text as \"{0}\"", field.name),
        _ => format!("\"{}\"", field.name),
    });
    let (id, at) = (EVENT.event_id, EVENT.occurred_at);
    let (first, behind) = ids::bounds(&(range.start..to));
    let ids = format!("{id} >= '{first}' and {id} < '{behind}'");
    let within = match family.geometry {
        Geometry::Sessions => between(EVENT.session_started_at.name(), range.start, range.end),
        Geometry::Windows { .. } | Geometry::Records => between(at.name(), range.start, to),
    };
    let of_somebody =
        if family.is_by_user() { format!(" and not {BELONGS_TO_NOBODY}") } else { String::new() };
    let on_time = match records {
        Records::All => String::new(),
        Records::OnTime => format!(" and {ON_TIME_SQL}"),
    };
    format!(
        "select {} from raw.events where {within} and {ids} and {visible}{on_time}{of_somebody}",
        columns.collect::<Vec<_>>().join(", ")
    )
}

fn instant(at: DateTime<Utc>) -> String {
    format!("timestamptz '{}'", at.to_rfc3339())
}

fn between(column: &str, from: DateTime<Utc>, to: DateTime<Utc>) -> String {
    format!("{column} >= {} and {column} < {}", instant(from), instant(to))
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
    use contracts::family::{CUBE_FAMILY, PRODUCTS, SESSIONS};

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
        let sql = records_sql(&CUBE_FAMILY, &(at..at), "1:2:", Records::All);
        for field in Event::FIELDS {
            assert!(sql.contains(&format!("\"{}\"", field.name)), "{}", field.name);
        }
    }

    #[test]
    fn overlapping_windows_and_visits_are_read_to_their_end() {
        let at = |hour: i64| DateTime::from_timestamp(1_800_000_000 + hour * 3_600, 0).unwrap();
        let sql = |family| records_sql(family, &(at(0)..at(3)), "1:2:", Records::OnTime);
        assert!(sql(&PRODUCTS).contains(&format!("occurred_at < {}", instant(at(4)))));
        assert!(sql(&SESSIONS).contains(&format!("session_started_at < {}", instant(at(3)))));
        let (_, behind) = ids::bounds(&(at(0)..at(27)));
        assert!(sql(&SESSIONS).contains(&format!("event_id < '{behind}'")));
        assert!(sql(&PRODUCTS).contains(ON_TIME_SQL));
    }
}
