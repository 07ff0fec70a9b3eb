//! Upserts into the tables of the cube: by our sink, by the scylla driver from Rust, and by the connector's
//! own data source, the same rows in turns.
//!
//! Rows are made where they are written, by a formula that is said in SQL and in Rust. Every turn writes days
//! of its own, so that none meets the rows of another. The sink and the connector send batches as the
//! connector makes them; the driver's are unlogged and of 16 rows of one partition.

mod driver;
mod rows;

use anyhow::ensure;
use contracts::cube::{CUBE, GROUPINGS, Grouping};
use contracts::endpoints::Endpoints;
use contracts::measure::MeasureKind;
use jobs::measured::Measured;
use scylla::client::session::Session;
use scylla::value::{CqlDate, Row};

use self::driver::Driver;
use self::rows::{MINUTE_ROWS, Rows};
use crate::Warm;
use crate::report::Report;
use crate::scratch::in_scratch_namespace;

/// Rows of the turns before those that are measured: an hour of them, which both sides must have written
/// alike.
const WARM_ROWS: u64 = 60 * MINUTE_ROWS;

/// Who writes.
#[derive(Clone, Copy)]
enum Writer {
    Sink,
    Driver,
    Connector,
    /// Nobody: what it takes Spark to make the rows.
    Nobody,
}

const WRITERS: [(Writer, &str); 4] = [
    (Writer::Sink, "our sink"),
    (Writer::Driver, "scylla driver, unlogged batches of 16"),
    (Writer::Connector, "the connector's append, table by table"),
    (Writer::Nobody, "rows made by spark, written by nobody"),
];

pub(crate) async fn run(warm: &Warm, rows: u64, runs: usize) -> anyhow::Result<()> {
    ensure!(runs > 0 && rows > 0, "at least one run of one row is needed");
    let report = Report::new("sink", warm.stack.services())?;
    let body = async |endpoints: Endpoints| Box::pin(measure(&endpoints, rows, runs, report)).await;
    in_scratch_namespace(&warm.endpoints, body).await
}

async fn measure(endpoints: &Endpoints, count: u64, runs: usize, mut report: Report) -> anyhow::Result<()> {
    let assigned = provision::apply(endpoints).await?.assigned;
    let measured = Measured::connect(endpoints, &assigned).await?;
    let session = provision::connect_cassandra(&endpoints.cassandra_contact_points).await?;
    let keyspace = endpoints.namespace.keyspace();
    let driver = Driver::connect(session, keyspace).await?;
    let mut first_day = 0;
    let mut turn = async |writer: Writer, count: u64| {
        let rows = Rows { first_day, count };
        first_day = rows.next_day();
        let took = match writer {
            Writer::Sink => measured.time_sink(rows.sql()).await?,
            Writer::Driver => driver.write(rows).await?,
            Writer::Connector => measured.time_connector(rows.sql()).await?,
            Writer::Nobody => measured.time_rows(rows.sql()).await?,
        };
        anyhow::Ok((took.as_secs_f64(), rows))
    };
    let mut written = Vec::new();
    for (writer, _) in WRITERS {
        let (_, rows) = turn(writer, WARM_ROWS).await?;
        if !matches!(writer, Writer::Nobody) {
            written.push(rows);
        }
    }
    all_alike(driver.session(), keyspace, &written).await?;

    let mut rates: [Vec<f64>; WRITERS.len()] = Default::default();
    for run in 0..=runs {
        for place in 0..WRITERS.len() {
            // None is always the first.
            let place = (place + run) % WRITERS.len();
            let (seconds, _) = turn(WRITERS[place].0, count).await?;
            // Spark compiles in the first one.
            if run > 0 {
                rates[place].push(count as f64 / seconds);
            }
        }
    }
    println!("{count} rows of {} tables a run, {runs} runs and one that is not counted", GROUPINGS.len());
    let mut medians = [0.0; WRITERS.len()];
    for ((median, (_, what)), rates) in medians.iter_mut().zip(WRITERS).zip(&mut rates) {
        *median = report.runs(what, "rows/s", rates);
    }
    let [sink, driver, connector, _] = medians;
    report.once("ratio to the driver", sink / driver, "", ">= 0.7");
    report.once("ratio to the connector's append", sink / connector, "", "");
    report.end()
}

/// Every writer has written the same rows but for their days.
async fn all_alike(session: &Session, keyspace: &str, written: &[Rows]) -> anyhow::Result<()> {
    for grouping in GROUPINGS {
        let first = stored(session, keyspace, grouping, written[0]).await?;
        ensure!(
            first.len() as u64 == rows::of(grouping.table) * 60,
            "{} rows in {}",
            first.len(),
            grouping.table
        );
        for rows in &written[1..] {
            let other = stored(session, keyspace, grouping, *rows).await?;
            ensure!(first == other, "two writers have not written the same rows into {}", grouping.table);
        }
    }
    Ok(())
}

/// The rows of one writer in a table, without what tells the day.
async fn stored(
    session: &Session,
    keyspace: &str,
    grouping: &Grouping,
    rows: Rows,
) -> anyhow::Result<Vec<Row>> {
    let dimensions = grouping.dimensions.iter().map(ToString::to_string);
    let measures = grouping.measures.iter().filter(|measure| measure.kind() != MeasureKind::Instant);
    let measures = measures.map(|measure| measure.column().to_string());
    let columns = dimensions.chain(measures).collect::<Vec<_>>().join(", ");
    let cql =
        format!("select {columns} from {keyspace}.{} where {} = ? allow filtering", grouping.table, CUBE.day);
    let found = session.query_unpaged(cql, (CqlDate::from(rows.day()),)).await?.into_rows_result()?;
    let mut rows = found.rows::<Row>()?.collect::<Result<Vec<_>, _>>()?;
    // Partitions come in an order that depends on the day.
    rows.sort_by_cached_key(|row| format!("{row:?}"));
    Ok(rows)
}
