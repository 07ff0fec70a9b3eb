//! Records in quarantine for whoever asks: pages of them, or one. Their bytes are never read here, and of the
//! text that says what is wrong only the field's name is taken, since the rest may quote the record.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use contracts::{Event, Reason, User};
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::app::App;
use crate::problem::Problem;

/// How many rows a page has, and at most.
pub(crate) const PAGE: usize = 50;
const LARGEST_PAGE: usize = 200;
/// How long PostgreSQL may look, and how long an answer is waited for, which is more: its own words are the
/// better ones. Of a source, few pages in many places are cheaper than all of the newest ones: the planner is
/// told so.
const LOOKS: &str = "set local statement_timeout = '3s'; set local random_page_cost = 1.1";
const ANSWER: Duration = Duration::from_secs(5);

/// Which records.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// Of this source.
    pub(crate) source: Option<String>,
    /// Set aside for this reason.
    pub(crate) reason: Option<String>,
    /// `open` or `passed`.
    pub(crate) state: Option<String>,
    /// Go on below this row: `next` of the answer before.
    pub(crate) after: Option<String>,
    /// How many rows: 50, 200 at most.
    pub(crate) limit: Option<usize>,
}

/// A record in quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = QuarantinedRecord)]
pub(crate) struct Record {
    pub(crate) source: String,
    pub(crate) coordinates: String,
    pub(crate) reason: String,
    /// What was wrong, where a single field was.
    pub(crate) field: Option<String>,
    pub(crate) size_bytes: i64,
    /// Of its bytes, hex.
    pub(crate) sha256: String,
    pub(crate) quarantined_at: DateTime<Utc>,
    /// When it was last judged again.
    pub(crate) replayed_at: Option<DateTime<Utc>>,
    /// What became of it then: `accepted`, `repeated` or `refused`.
    pub(crate) outcome: Option<String>,
    /// Why it was refused again.
    pub(crate) outcome_reason: Option<String>,
}

impl Record {
    /// Whether it still waits: never judged again, or refused again.
    pub(crate) fn is_open(&self) -> bool {
        self.outcome.as_deref().is_none_or(|outcome| outcome == "refused")
    }
}

/// A page of records, and where the next one begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Records {
    pub(crate) records: Vec<Record>,
    pub(crate) next: Option<String>,
}

/// Everything but `payload`, which the console's role may not read either. Of `detail` the part before the
/// first colon is read, which is a field's name where it was the ingestor who refused.
const COLUMNS: &str = "source, coordinates, reason, left(split_part(detail, ': ', 1), 64), size_bytes, sha256, \
                       quarantined_at, replayed_at, outcome, outcome_reason";

/// A question for PostgreSQL: only what is asked stands in it, so that it is planned for just that.
#[derive(Debug)]
struct Question {
    sql: String,
    parameters: Vec<Box<dyn ToSql + Sync + Send>>,
    limit: usize,
}

/// The row that a page begins below.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cursor {
    quarantined_at: DateTime<Utc>,
    source: String,
    coordinates: String,
}

impl Cursor {
    fn of(record: &Record) -> Self {
        let Record { quarantined_at, source, coordinates, .. } = record;
        Self { quarantined_at: *quarantined_at, source: source.clone(), coordinates: coordinates.clone() }
    }

    /// In plain text: when, and where it came from. The source's length stands before it, since it may hold
    /// anything.
    fn text(&self) -> String {
        let at = self.quarantined_at.to_rfc3339_opts(SecondsFormat::Micros, true);
        format!("{at} {} {}{}", self.source.len(), self.source, self.coordinates)
    }

    fn read(text: &str) -> Option<Self> {
        let (at, rest) = text.split_once(' ')?;
        let (length, rest) = rest.split_once(' ')?;
        let (source, coordinates) = rest.split_at_checked(length.parse().ok()?)?;
        let storable = !rest.contains('\0');
        storable.then_some(Self {
            quarantined_at: at.parse().ok()?,
            source: source.to_owned(),
            coordinates: coordinates.to_owned(),
        })
    }
}

impl Wanted {
    /// What is empty in a form is not asked for.
    pub(crate) fn tidy(self) -> Self {
        let some = |text: Option<String>| text.filter(|text| !text.is_empty());
        Self {
            source: some(self.source),
            reason: some(self.reason),
            state: some(self.state),
            after: some(self.after),
            limit: self.limit,
        }
    }

    fn question(&self) -> Result<Question, Problem> {
        let mut conditions: Vec<String> = Vec::new();
        let mut parameters: Vec<Box<dyn ToSql + Sync + Send>> = Vec::new();
        if let Some(source) = &self.source {
            parameters.push(Box::new(storable(source)?));
            conditions.push(format!("source = ${}", parameters.len()));
        }
        if let Some(reason) = &self.reason {
            let reason: Reason = reason.parse().map_err(|_| {
                let known: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
                Problem::bad_request(
                    "bad-choice",
                    format!("{reason:?} is no reason: use one of {}", known.join(", ")),
                )
            })?;
            parameters.push(Box::new(reason.as_str()));
            conditions.push(format!("reason = ${}", parameters.len()));
        }
        match self.state.as_deref() {
            None => {}
            // As the partial indexes have it.
            Some("open") => conditions.push("(outcome is null or outcome = 'refused')".into()),
            Some("passed") => conditions.push("outcome in ('accepted', 'repeated')".into()),
            Some(state) => {
                return Err(Problem::bad_request(
                    "bad-choice",
                    format!("{state:?} is no state: use open or passed"),
                ));
            }
        }
        if let Some(after) = &self.after {
            let cursor = Cursor::read(after).ok_or_else(|| {
                Problem::bad_request(
                    "bad-cursor",
                    "take `next` of the answer before as it is, or leave it out",
                )
            })?;
            let first = parameters.len() + 1;
            parameters.push(Box::new(cursor.quarantined_at));
            parameters.push(Box::new(cursor.source));
            parameters.push(Box::new(cursor.coordinates));
            conditions.push(format!(
                "quarantined_at <= ${first} and (quarantined_at, source, coordinates) < (${first}, ${}, ${})",
                first + 1,
                first + 2
            ));
        }
        let limit = self.limit.unwrap_or(PAGE).clamp(1, LARGEST_PAGE);
        let conditions =
            if conditions.is_empty() { String::new() } else { format!("where {}", conditions.join(" and ")) };
        // One more than asked for tells whether there is a next page.
        let sql = format!(
            "select {COLUMNS} from raw.quarantine {conditions}
             order by quarantined_at desc, source desc, coordinates desc limit {}",
            limit + 1
        );
        Ok(Question { sql, parameters, limit })
    }
}

/// PostgreSQL's text holds no NUL, so nothing of that name can be there.
fn storable(text: &str) -> Result<String, Problem> {
    if text.contains('\0') {
        return Err(Problem::not_found("no source and no coordinates hold a NUL character"));
    }
    Ok(text.to_owned())
}

/// A page of records, the newest first.
///
/// # Errors
/// Where something else than filters is asked, or PostgreSQL does not answer.
pub(crate) async fn list(app: &App, wanted: &Wanted) -> Result<Records, Problem> {
    let Question { sql, parameters, limit } = wanted.question()?;
    let rows = ask(app, &sql, &parameters).await?;
    let records = rows.iter().map(read).collect::<Result<_, _>>().map_err(away)?;
    Ok(page(records, limit))
}

fn page(mut records: Vec<Record>, limit: usize) -> Records {
    let more = records.len() > limit;
    records.truncate(limit);
    let next = records.last().filter(|_| more).map(|last| Cursor::of(last).text());
    Records { records, next }
}

/// One record.
///
/// # Errors
/// Where there is none at these coordinates, or PostgreSQL does not answer.
pub(crate) async fn record(app: &App, source: &str, coordinates: &str) -> Result<Record, Problem> {
    let sql = format!("select {COLUMNS} from raw.quarantine where source = $1 and coordinates = $2");
    let parameters: Vec<Box<dyn ToSql + Sync + Send>> =
        vec![Box::new(storable(source)?), Box::new(storable(coordinates)?)];
    let rows = ask(app, &sql, &parameters).await?;
    let row = rows.first().ok_or_else(|| {
        Problem::not_found(format!(
            "nothing of {} at {} is in quarantine; /quarantine lists what is",
            contracts::printable::printable_name(source),
            contracts::printable::printable_name(coordinates)
        ))
    })?;
    read(row).map_err(away)
}

async fn ask(app: &App, sql: &str, parameters: &[Box<dyn ToSql + Sync + Send>]) -> Result<Vec<Row>, Problem> {
    let parameters: Vec<&(dyn ToSql + Sync)> =
        parameters.iter().map(|parameter| &**parameter as &(dyn ToSql + Sync)).collect();
    let asked = async {
        let mut client = app.pool.get().await.map_err(away)?;
        let transaction = client.build_transaction().read_only(true).start().await.map_err(away)?;
        transaction.batch_execute(LOOKS).await.map_err(away)?;
        transaction.query(sql, &parameters).await.map_err(away)
    };
    tokio::time::timeout(ANSWER, asked).await.unwrap_or_else(|_| {
        Err(Problem::store_away("PostgreSQL", format!("no answer within {} s", ANSWER.as_secs())))
    })
}

fn away(error: impl std::error::Error) -> Problem {
    Problem::store_away("PostgreSQL", crate::watch::words(&error))
}

fn read(row: &Row) -> Result<Record, tokio_postgres::Error> {
    let named: &str = row.try_get(3)?;
    Ok(Record {
        source: row.try_get(0)?,
        coordinates: row.try_get(1)?,
        reason: row.try_get(2)?,
        field: field(named),
        size_bytes: row.try_get(4)?,
        sha256: row.try_get(5)?,
        quarantined_at: row.try_get(6)?,
        replayed_at: row.try_get(7)?,
        outcome: row.try_get(8)?,
        outcome_reason: row.try_get(9)?,
    })
}

/// Names that ingestors give beside those of the contract's fields.
const OTHER_FIELDS: [&str; 3] = ["login.uuid", "record", "topic_generation"];

/// The field that a detail begins with. Only names of the contract are taken: a detail may quote the record.
fn field(named: &str) -> Option<String> {
    let fields = Event::FIELDS.iter().chain(User::FIELDS).map(|field| field.name);
    fields.chain(OTHER_FIELDS).find(|field| *field == named).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_a_field_of_the_contract_is_told() {
        assert_eq!(field("price").as_deref(), Some("price"));
        assert_eq!(field("login.uuid").as_deref(), Some("login.uuid"));
        assert_eq!(field("ada@example.org"), None);
        assert_eq!(field(""), None);
    }

    #[test]
    fn bad_filters_are_refused_before_anything_is_asked() {
        for wanted in [
            Wanted { reason: Some("nonsense".into()), ..Wanted::default() },
            Wanted { state: Some("closed".into()), ..Wanted::default() },
            Wanted { after: Some("1; drop table".into()), ..Wanted::default() },
            Wanted { source: Some("a\0b".into()), ..Wanted::default() },
        ] {
            assert!(wanted.question().is_err(), "{wanted:?}");
        }
    }

    #[test]
    fn what_is_asked_goes_as_parameters() {
        let wanted = Wanted {
            source: Some("x' or true --".into()),
            reason: Some("future".into()),
            state: Some("open".into()),
            after: Some("2026-01-02T03:04:05.000001Z 1 ab".into()),
            limit: Some(9_999),
        };
        let question = wanted.question().unwrap();
        assert_eq!(question.parameters.len(), 5);
        assert!(!question.sql.contains("or true") && question.sql.contains("limit 201"), "{}", question.sql);
    }

    fn any_record() -> impl Strategy<Value = Record> {
        (0..4_i64, "[a-c ]{0,3}", "[a-c0-9/ ]{0,3}").prop_map(|(at, source, coordinates)| Record {
            source,
            coordinates,
            reason: "future".into(),
            field: None,
            size_bytes: 1,
            sha256: String::new(),
            quarantined_at: DateTime::from_timestamp_micros(1_700_000_000_000_000 + at).unwrap(),
            replayed_at: None,
            outcome: None,
            outcome_reason: None,
        })
    }

    /// What PostgreSQL does: rows below the cursor in the order of the key, one more than asked for.
    fn below(rows: &[Record], cursor: Option<&Cursor>, limit: usize) -> Vec<Record> {
        let key =
            |record: &Record| (record.quarantined_at, record.source.clone(), record.coordinates.clone());
        let mut rows: Vec<Record> = rows
            .iter()
            .filter(|record| {
                cursor.is_none_or(|cursor| {
                    key(record) < (cursor.quarantined_at, cursor.source.clone(), cursor.coordinates.clone())
                })
            })
            .cloned()
            .collect();
        rows.sort_by_key(|record| std::cmp::Reverse(key(record)));
        rows.truncate(limit + 1);
        rows
    }

    proptest! {
        #[test]
        fn a_cursor_is_read_as_it_was_written(
            record in any_record(),
            source in "[^\0]{0,8}",
            coordinates in "[^\0]{0,8}",
        ) {
            let cursor = Cursor { source, coordinates, ..Cursor::of(&record) };
            prop_assert_eq!(Cursor::read(&cursor.text()), Some(cursor));
        }

        #[test]
        fn any_text_as_a_cursor_is_read_or_refused(text in any::<String>()) {
            let _ = Cursor::read(&text);
        }

        /// Page after page, every row comes once.
        #[test]
        fn pages_hold_every_row_once(
            rows in prop::collection::vec(any_record(), 0..60),
            limit in 1..7_usize,
        ) {
            let mut rows = rows;
            rows.sort_by_key(|r| (r.quarantined_at, r.source.clone(), r.coordinates.clone()));
            rows.dedup_by_key(|r| (r.source.clone(), r.coordinates.clone()));
            let (mut seen, mut after) = (Vec::new(), None::<Cursor>);
            loop {
                let page = page(below(&rows, after.as_ref(), limit), limit);
                prop_assert!(page.records.len() <= limit);
                seen.extend(page.records);
                let Some(next) = page.next else { break };
                after = Some(Cursor::read(&next).unwrap());
            }
            prop_assert_eq!(seen.len(), rows.len());
            let mut expected = rows.clone();
            expected.reverse();
            prop_assert_eq!(seen, expected);
        }
    }
}
