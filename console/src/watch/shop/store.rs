//! Rows of the shop's tables, read as the contract describes them: no column is named here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use audit::decimal;
use chrono::{DateTime, NaiveDate, Timelike, Utc};
use contracts::cube::{CUBE, Grouping};
use contracts::endpoints::Endpoints;
use contracts::family;
use contracts::ledger::PIPELINE_LEDGER;
use contracts::measure::{MEASURE, MeasureKind};
use contracts::record::Column;
use scylla::response::PagingState;
use scylla::value::{CqlTimestamp, CqlValue, Row};
use tokio::sync::{Mutex, Semaphore};

use super::read_only::{ReadOnly, Rows, Select};
use crate::figures::period::Stretch;
use crate::figures::sums::{Slot, Sums};
use crate::watch::Refused;

/// How many reads are under way at once.
const AT_ONCE: usize = 16;
/// How long one page may take.
const ANSWER: Duration = Duration::from_secs(5);

/// The values of a row's dimensions in the grouping's order; empty where it has fewer than two.
pub(crate) type Key = [Arc<str>; 2];

/// One row.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) at: DateTime<Utc>,
    pub(crate) key: Key,
    pub(crate) sums: Sums,
    /// Of the hour before, in tables that have it.
    pub(crate) before: Sums,
    /// Distinct users, in tables that have them.
    pub(crate) users: Option<i64>,
    /// The newest event in it, in tables that tell.
    pub(crate) newest: Option<DateTime<Utc>>,
}

/// What to read: rows of one partition, or of several that differ in the dimension alone.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) grouping: &'static Grouping,
    /// A moment of the partition.
    pub(crate) at: DateTime<Utc>,
    /// The dimension in the partition key, where there is one and the rows do not name several.
    pub(crate) dimension: Option<Arc<str>>,
    pub(crate) rows: Which,
}

/// Which of them.
#[derive(Debug, Clone)]
pub(crate) enum Which {
    Between(Stretch),
    /// Of the partitions of all these dimensions.
    BetweenOfSeveral(Stretch, Vec<Arc<str>>),
    At(DateTime<Utc>),
    NewestTo(DateTime<Utc>, u32),
    First,
}

/// The tables, over one session for all.
pub(crate) struct Store {
    contact_points: String,
    keyspace: String,
    session: Mutex<Option<Arc<ReadOnly>>>,
    at_once: Semaphore,
    queries: AtomicU64,
    rows: AtomicU64,
}

impl Store {
    pub(crate) fn new(endpoints: &Endpoints) -> Self {
        Self {
            contact_points: endpoints.cassandra_contact_points.clone(),
            keyspace: endpoints.namespace.keyspace().to_owned(),
            session: Mutex::default(),
            at_once: Semaphore::new(AT_ONCE),
            queries: AtomicU64::new(0),
            rows: AtomicU64::new(0),
        }
    }

    /// Queries and rows since the start.
    pub(crate) fn asked(&self) -> (u64, u64) {
        (self.queries.load(Ordering::Relaxed), self.rows.load(Ordering::Relaxed))
    }

    /// The statement and the values of what is asked, for telling how a figure came about.
    pub(crate) fn statement(&self, ask: &Ask) -> (Select, Vec<CqlValue>) {
        (Select::of(&self.keyspace, ask.grouping, &columns(ask), ask.rows.rows()), ask.values())
    }

    /// Hands every row of what is asked to `each`, page by page.
    pub(crate) async fn read(&self, ask: &Ask, mut each: impl FnMut(Stored)) -> Result<(), Refused> {
        let columns = columns(ask);
        let (select, values) = self.statement(ask);
        let plan = Plan::of(ask, &columns);
        self.pages(&select, &values, |row| {
            each(plan.row(row).ok_or_else(|| format!("a row of {} has another shape", ask.grouping.table))?);
            Ok(())
        })
        .await
    }

    /// The partitions of a table that have rows: days, and the dimension where it is in the key.
    pub(crate) async fn partitions(
        &self,
        grouping: &'static Grouping,
    ) -> Result<Vec<(NaiveDate, Option<Arc<str>>)>, Refused> {
        let mut partitions = Vec::new();
        let select = Select::partitions(&self.keyspace, grouping);
        self.pages(&select, &[], |row| {
            let (mut day, mut dimension) = (None, None);
            for value in row.columns {
                match value {
                    Some(CqlValue::Date(date)) => day = date.try_into().ok(),
                    Some(CqlValue::Text(text)) => dimension = Some(text.into()),
                    _ => {}
                }
            }
            partitions.extend(day.map(|day| (day, dimension)));
            Ok(())
        })
        .await?;
        Ok(partitions)
    }

    /// Hands rows of the ledger to `each`, as it was drawn up for these minutes of one day.
    pub(crate) async fn ledger(
        &self,
        stretch: Stretch,
        each: impl FnMut(Row) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        let select = Select::of_ledger(&self.keyspace, &PIPELINE_LEDGER);
        let instant = |at: DateTime<Utc>| CqlValue::Timestamp(CqlTimestamp(at.timestamp_millis()));
        let day = CqlValue::Date(stretch.from.date_naive().into());
        self.pages(&select, &[day, instant(stretch.from), instant(stretch.to)], each).await
    }

    async fn pages(
        &self,
        select: &Select,
        values: &[CqlValue],
        mut each: impl FnMut(Row) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        let mut from = PagingState::start();
        loop {
            let page = async {
                let _turn = self.at_once.acquire().await?;
                let session = self.session().await?;
                self.queries.fetch_add(1, Ordering::Relaxed);
                session.select(select, values, from).await
            };
            let (rows, next) = match tokio::time::timeout(ANSWER, page).await {
                Ok(page) => page?,
                Err(_) => return Err(format!("no answer within {} s", ANSWER.as_secs()).into()),
            };
            self.rows.fetch_add(u64::try_from(rows.len()).unwrap_or_default(), Ordering::Relaxed);
            rows.into_iter().try_for_each(&mut each)?;
            match next {
                Some(next) => from = next,
                None => return Ok(()),
            }
        }
    }

    /// Connects where nobody has; the session finds its nodes again by itself.
    async fn session(&self) -> Result<Arc<ReadOnly>, Refused> {
        let mut kept = self.session.lock().await;
        if let Some(session) = &*kept {
            return Ok(Arc::clone(session));
        }
        let session = provision::connect_cassandra(&self.contact_points).await?;
        Ok(Arc::clone(kept.insert(Arc::new(ReadOnly::new(session)))))
    }
}

impl Which {
    fn rows(&self) -> Rows {
        match self {
            Self::Between(_) => Rows::Between,
            Self::BetweenOfSeveral(..) => Rows::BetweenOfSeveral,
            Self::At(_) => Rows::At,
            Self::NewestTo(_, limit) => Rows::NewestTo { limit: *limit },
            Self::First => Rows::First,
        }
    }
}

impl Ask {
    fn values(&self) -> Vec<CqlValue> {
        let key = self.grouping.partition_key.iter().map(|column| {
            if *column == CUBE.day {
                CqlValue::Date(self.at.date_naive().into())
            } else if *column == CUBE.hour {
                CqlValue::Int(i32::try_from(self.at.hour()).unwrap_or_default())
            } else if let Which::BetweenOfSeveral(_, several) = &self.rows {
                CqlValue::List(several.iter().map(|one| CqlValue::Text((**one).to_owned())).collect())
            } else {
                CqlValue::Text(self.dimension.as_deref().unwrap_or_default().to_owned())
            }
        });
        let instant = |at: DateTime<Utc>| CqlValue::Timestamp(CqlTimestamp(at.timestamp_millis()));
        let bounds = match &self.rows {
            Which::Between(stretch) | Which::BetweenOfSeveral(stretch, _) => {
                vec![instant(stretch.from), instant(stretch.to)]
            }
            Which::At(at) | Which::NewestTo(at, _) => vec![instant(*at)],
            Which::First => Vec::new(),
        };
        key.chain(bounds).collect()
    }
}

/// What is read of a table: the key within the partition, what adds up, distinct users and the newest event.
/// Of several partitions also which one a row is of.
fn columns(ask: &Ask) -> Vec<Column> {
    let grouping = ask.grouping;
    let several = matches!(ask.rows, Which::BetweenOfSeveral(..));
    let which =
        grouping.dimensions.iter().filter(|column| several && grouping.partition_key.contains(column));
    let measures = grouping.measures.iter().filter(|measure| match measure.kind() {
        MeasureKind::Count | MeasureKind::Money => true,
        MeasureKind::Distinct => measure.column() == MEASURE.users,
        MeasureKind::Instant => measure.column() == MEASURE.last_occurred_at,
        MeasureKind::Text | MeasureKind::Flag => false,
    });
    let measures = measures.map(|measure| measure.column());
    which.copied().chain(grouping.clustering_key()).chain(measures).collect()
}

/// What each column of an answer is.
#[derive(Debug, Clone, Copy)]
enum Part {
    At,
    Dimension(usize),
    Sum(Slot),
    Before(Slot),
    Users,
    Newest,
    Other,
}

struct Plan {
    parts: Vec<Part>,
    key: Key,
}

impl Plan {
    fn of(ask: &Ask, columns: &[Column]) -> Self {
        let dimension = |column: Column| ask.grouping.dimensions.iter().position(|own| *own == column);
        let parts = columns.iter().map(|&column| {
            if column == ask.grouping.at {
                Part::At
            } else if let Some(at) = dimension(column) {
                Part::Dimension(at)
            } else if let Some(slot) = Sums::slot(column) {
                Part::Sum(slot)
            } else if let Some(slot) = family::counterpart(column).and_then(Sums::slot) {
                Part::Before(slot)
            } else if column == MEASURE.users {
                Part::Users
            } else if column == MEASURE.last_occurred_at {
                Part::Newest
            } else {
                Part::Other
            }
        });
        let mut key = [Arc::from(""), Arc::from("")];
        for column in ask.grouping.partition_key {
            if let (Some(at), Some(value)) = (dimension(*column), &ask.dimension)
                && let Some(own) = key.get_mut(at)
            {
                *own = Arc::clone(value);
            }
        }
        Self { parts: parts.collect(), key }
    }

    fn row(&self, row: Row) -> Option<Stored> {
        let mut at = None;
        let (mut key, mut sums, mut before) = (self.key.clone(), Sums::default(), Sums::default());
        let (mut users, mut newest) = (None, None);
        for (part, value) in self.parts.iter().zip(row.columns) {
            match (part, value?) {
                (Part::At, CqlValue::Timestamp(CqlTimestamp(ms))) => at = DateTime::from_timestamp_millis(ms),
                (Part::Newest, CqlValue::Timestamp(CqlTimestamp(ms))) => {
                    newest = DateTime::from_timestamp_millis(ms);
                }
                (Part::Dimension(at), CqlValue::Text(text)) => *key.get_mut(*at)? = text.into(),
                (Part::Sum(Slot::Count(at)), CqlValue::BigInt(count)) => sums.set_count(*at, count),
                (Part::Before(Slot::Count(at)), CqlValue::BigInt(count)) => before.set_count(*at, count),
                (Part::Sum(Slot::Money(at)), CqlValue::Decimal(amount)) => {
                    sums.set_money(*at, decimal(&amount)?);
                }
                (Part::Before(Slot::Money(at)), CqlValue::Decimal(amount)) => {
                    before.set_money(*at, decimal(&amount)?);
                }
                (Part::Users, CqlValue::BigInt(count)) => users = Some(count),
                (Part::Other, _) => {}
                _ => return None,
            }
        }
        Some(Stored { at: at?, key, sums, before, users, newest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::cube::GROUPINGS;
    use contracts::family::{FAMILIES_BESIDE, PRODUCTS};
    use scylla::value::CqlDecimal;

    #[test]
    fn every_table_of_the_shop_has_its_sums_read() {
        let tables = GROUPINGS.iter().chain(FAMILIES_BESIDE.iter().flat_map(|family| family.tables));
        for table in tables.filter(|table| table.partition_key.contains(&CUBE.day)) {
            let ask =
                Ask { grouping: table, at: Utc::now(), dimension: Some("CH".into()), rows: Which::First };
            let columns = columns(&ask);
            let plan = Plan::of(&ask, &columns);
            assert_eq!(plan.parts.iter().filter(|part| matches!(part, Part::At)).count(), 1);
            let values = ask.values();
            assert_eq!(values.len(), table.partition_key.len(), "{}", table.table);
        }
        let table = &PRODUCTS.tables[0];
        let ask = Ask { grouping: table, at: Utc::now(), dimension: None, rows: Which::First };
        let parts = Plan::of(&ask, &columns(&ask)).parts;
        assert_eq!(parts.iter().filter(|part| matches!(part, Part::Before(_))).count(), 3);
    }

    #[test]
    fn rows_of_several_partitions_say_which_one_they_are_of() {
        let table = contracts::cube::grouping("activity_by_country").unwrap();
        let stretch = Stretch { from: Utc::now(), to: Utc::now() };
        let rows = Which::BetweenOfSeveral(stretch, vec!["CH".into(), "DE".into()]);
        let ask = Ask { grouping: table, at: Utc::now(), dimension: None, rows };
        let columns = columns(&ask);
        let mut row = Row { columns: vec![None; columns.len()] };
        for (place, column) in columns.iter().enumerate() {
            row.columns[place] = Some(match *column {
                column if column == table.at => CqlValue::Timestamp(CqlTimestamp(60_000)),
                column if table.dimensions.contains(&column) => CqlValue::Text("DE".to_owned()),
                column if column == MEASURE.last_occurred_at => CqlValue::Timestamp(CqlTimestamp(61_000)),
                column => match Sums::slot(column) {
                    Some(Slot::Money(_)) => {
                        CqlValue::Decimal(CqlDecimal::from_signed_be_bytes_slice_and_exponent(&[1], 2))
                    }
                    _ => CqlValue::BigInt(1),
                },
            });
        }
        let stored = Plan::of(&ask, &columns).row(row).unwrap();
        assert_eq!(&*stored.key[0], "DE");
        let texts = ask.values().into_iter().find_map(|value| match value {
            CqlValue::List(texts) => Some(texts.len()),
            _ => None,
        });
        assert_eq!(texts, Some(2));
    }

    #[test]
    fn a_null_or_another_type_is_no_row() {
        let table = &GROUPINGS[0];
        let ask = Ask { grouping: table, at: Utc::now(), dimension: None, rows: Which::First };
        let plan = Plan::of(&ask, &[table.at, MEASURE.events]);
        let row = |value| Row { columns: vec![Some(CqlValue::Timestamp(CqlTimestamp(60_000))), value] };
        let stored = plan.row(row(Some(CqlValue::BigInt(7)))).unwrap();
        assert_eq!(stored.sums.count(crate::figures::view::Measure::Events), 7);
        assert!(plan.row(row(None)).is_none());
        assert!(plan.row(row(Some(CqlValue::Int(7)))).is_none());
    }
}
