use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use contracts::Event;
use contracts::admission::Admission;
use futures::SinkExt;
use tokio_postgres::{Client, SimpleQueryMessage};
use uuid::Uuid;

use super::admission::Refused;
use super::appended::Appended;
use super::committed::{Committed, Fresh, Written};
use super::connection::{Session, Store};
use super::error::{Failure, StoreError, classify};
use super::files::FileStep;
use super::held::Held;
use super::identity::{self, Repeats};
use super::other_events;
use super::outcome::{Commit, Outcome, outcome};
use super::quarantine::Columns;
use super::rows::{EncodedRows, MAX_ROWS_PER_COMMIT};
use super::screening::Screening;
use super::tally::{Counts, Tally};

/// After a repeat was met, this many batches expect more: each failed COPY costs a whole batch.
const CAREFUL_BATCHES: u32 = 16;
/// One COPY message: large enough to be few, small enough that the server parses while more is on its way.
const COPY_MESSAGE_BYTES: usize = 64 * 1024;

/// Rows on their way into the table, and what goes with them.
struct Load<'a> {
    screened: Screening,
    admission: Arc<Admission>,
    writer: Uuid,
    step: Option<&'a FileStep>,
    /// By what its refunds were judged.
    held: Option<&'a Held>,
}

impl Store {
    /// Commits events in transactions of at most [`MAX_ROWS_PER_COMMIT`] rows.
    ///
    /// # Errors
    /// When PostgreSQL stays away or refuses. Earlier transactions of the same call stay committed, so send
    /// all of the events again: those that are there count as repeated.
    pub async fn append(&mut self, events: &[Event]) -> Result<Appended, StoreError> {
        let mut total = Appended::default();
        for chunk in events.chunks(MAX_ROWS_PER_COMMIT) {
            let mut rows = EncodedRows::with_capacity(chunk.len());
            for event in chunk {
                let taken = rows.push(event);
                debug_assert!(taken, "a chunk fits into a transaction");
            }
            total += self.append_rows(rows).await?;
        }
        Ok(total)
    }

    /// Commits encoded events in one transaction.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub async fn append_rows(&mut self, rows: EncodedRows) -> Result<Appended, StoreError> {
        Ok(self.write(rows).await?.0.appended)
    }

    /// As [`append_rows`](Self::append_rows), for whoever has to tell each event's sender what became of it.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub async fn append_rows_telling(&mut self, rows: EncodedRows) -> Result<Committed, StoreError> {
        let (Written { fresh, repeats, .. }, refused) = self.write(rows).await?;
        Ok(Committed { fresh, repeats, refused })
    }

    async fn write(&mut self, rows: EncodedRows) -> Result<(Written, Refused), StoreError> {
        if rows.rows() == 0 {
            let nothing =
                Written { appended: Appended::default(), fresh: Fresh::All, repeats: Repeats::new() };
            return Ok((nothing, Refused::new()));
        }
        // Once a transaction: what waits for it stays small.
        Box::pin(self.write_with(rows, None)).await
    }

    /// Commits encoded events and what a step through a file brings with them, in one transaction.
    pub(super) async fn append_with(
        &mut self,
        rows: EncodedRows,
        step: &FileStep,
    ) -> Result<Appended, StoreError> {
        Ok(Box::pin(self.write_with(rows, Some(step))).await?.0.appended)
    }

    async fn write_with(
        &mut self,
        mut rows: EncodedRows,
        step: Option<&FileStep>,
    ) -> Result<(Written, Refused), StoreError> {
        // Once, whatever becomes of the transaction: what is sent again is the same.
        let told = rows.told();
        self.leave_out_repeats(&mut rows).await?;
        self.tell_open(rows.open(), &told).await?;
        let renamed = self.add_visit_starts(&mut rows).await?;
        // Refunds may have to be judged again: then by what is left of their orders by then.
        let unpaid = rows.has_refunds().then(|| rows.clone());
        // A file tells again what was stored, also by others: there the first one counts without a word.
        let is_compared = step.is_none();
        let (mut orders, mut sealed) = self.sealed(rows, is_compared).await?;
        let mut wait = self.wait();
        let mut committing: Option<(Commit, Refused)> = None;
        let mut partitions_were_missing = false;
        loop {
            let mut session = self.take_session(&mut wait).await?;
            if let Some((commit, refused)) = committing.take() {
                match outcome(&session.client, commit, &mut wait).await? {
                    Outcome::Committed(written) => {
                        self.session = Some(session);
                        return Ok((orders.told_of(written).told_by(&renamed), refused));
                    }
                    Outcome::Aborted => {}
                    Outcome::Lost(commit) => {
                        committing = Some((commit, refused));
                        continue;
                    }
                }
            }
            let admission = match self.admission(&session.client).await {
                Ok(admission) => admission,
                Err(source) if classify(&source) == Failure::ConnectionLost => {
                    wait.after(source).await?;
                    continue;
                }
                Err(source) => return Err(StoreError::Refused { what: "tell what may come in", source }),
            };
            let screened = orders.refused_of(sealed.screen(&admission));
            let load = Load { screened, admission, writer: self.writer, step, held: orders.held.as_ref() };
            let days = &load.screened.days;
            let mut sent = None;
            let written = match self.ensure_partitions(&session.client, days).await {
                Err(error) => Err(error),
                Ok(()) if self.careful_batches > 0 || identity::need_care(&load.screened.claims) => {
                    write_counting_repeats(&mut session, &load, &mut sent).await
                }
                Ok(()) => match write_directly(&session.client, &load, &mut sent).await {
                    Ok(Some(written)) => Ok(written),
                    Ok(None) => match session.client.batch_execute("rollback").await {
                        Ok(()) => write_counting_repeats(&mut session, &load, &mut sent).await,
                        Err(error) => Err(error),
                    },
                    Err(error) => Err(error),
                },
            };
            let first_day = days.first().copied();
            let refused = load.screened.refused;
            committing = sent.map(|commit| (commit, refused.clone()));
            let source = match written {
                Ok(written) => {
                    self.session = Some(session);
                    self.careful_batches = match written.appended.repeated {
                        0 => self.careful_batches.saturating_sub(1),
                        _ => CAREFUL_BATCHES,
                    };
                    return Ok((orders.told_of(written).told_by(&renamed), refused));
                }
                Err(source) => source,
            };
            match classify(&source) {
                // An id is there, or the source's id with another time.
                Failure::UniqueViolation if self.careful_batches == 0 => {
                    self.careful_batches = CAREFUL_BATCHES;
                    self.roll_back(session).await;
                }
                // Retention may have dropped a partition that was seen before.
                Failure::NoPartition if !partitions_were_missing => {
                    partitions_were_missing = true;
                    self.ensured_days.clear();
                    self.roll_back(session).await;
                }
                Failure::NoPartition => {
                    return Err(StoreError::NoPartition { day: first_day.unwrap_or_default() });
                }
                Failure::Outdated => {
                    self.admission = None;
                    self.roll_back(session).await;
                    // Orders are judged by the rules, too.
                    if let Some(rows) = &unpaid {
                        (orders, sealed) = self.sealed(rows.clone(), is_compared).await?;
                    }
                }
                Failure::Outrun => {
                    self.roll_back(session).await;
                    wait.after(source).await?;
                    if let Some(rows) = &unpaid {
                        (orders, sealed) = self.sealed(rows.clone(), is_compared).await?;
                    }
                }
                Failure::Transient => {
                    self.roll_back(session).await;
                    wait.after(source).await?;
                }
                Failure::ConnectionLost => wait.after(source).await?,
                Failure::UniqueViolation | Failure::Final => {
                    return Err(StoreError::Refused { what: "take events", source });
                }
            }
        }
    }

    /// Keeps the session where it can be brought back to a clean state.
    async fn roll_back(&mut self, session: Session) {
        if session.client.batch_execute("rollback").await.is_ok() {
            self.session = Some(session);
        }
    }

    async fn ensure_partitions(
        &mut self,
        client: &Client,
        days: &std::collections::BTreeSet<chrono::NaiveDate>,
    ) -> Result<(), tokio_postgres::Error> {
        for day in days {
            if self.ensured_days.contains(day) {
                continue;
            }
            let row = client.query_one("select raw.ensure_events_partition($1)", &[day]).await?;
            if row.get(0) {
                tracing::info!(%day, "made a partition of raw.events");
            }
            self.ensured_days.insert(*day);
        }
        Ok(())
    }
}

/// The fast path: claims, where there are any, and COPY into the keyed table; any repeat fails the whole
/// batch. Nothing where some of the ids may have been told before with other times.
async fn write_directly(
    client: &Client,
    load: &Load<'_>,
    committing: &mut Option<Commit>,
) -> Result<Option<Written>, tokio_postgres::Error> {
    let (xid, may_be_told) = begin(client, load).await?;
    if may_be_told {
        return Ok(None);
    }
    identity::claim_all(client, &load.screened.claims).await?;
    let committed = copy(client, "raw.events", &load.screened.stream).await?;
    // All or nothing: COPY takes every row or fails.
    debug_assert_eq!(i64::try_from(committed), Ok(load.screened.handed_in.total().records_in));
    let new = (Fresh::All, Repeats::new());
    commit(client, xid, load, &load.screened.handed_in.all_committed(), new, committing).await.map(Some)
}

/// The careful path: COPY beside the table, then insert what is not there.
async fn write_counting_repeats(
    session: &mut Session,
    load: &Load<'_>,
    committing: &mut Option<Commit>,
) -> Result<Written, tokio_postgres::Error> {
    let columns = Event::column_list();
    if !session.has_incoming_table {
        let sql = format!(
            "create temp table incoming_events on commit delete rows as select {columns} from raw.events with no data"
        );
        session.client.batch_execute(&sql).await?;
        session.has_incoming_table = true;
    }
    let client = &session.client;
    let (xid, may_be_told) = begin(client, load).await?;
    copy(client, "incoming_events", &load.screened.stream).await?;
    let mut repeats = identity::claim(client, &load.screened.claims).await?;
    if may_be_told || identity::need_care(&load.screened.claims) {
        repeats.extend(identity::told_otherwise(client, "incoming_events").await?);
    }
    let barred: Vec<&Uuid> = repeats.keys().collect();
    let mut counts = load.screened.handed_in.clone();
    let mut fresh = HashSet::new();
    for row in client.query(&insert_counting(&columns), &[&barred]).await? {
        let taken = Counts { records_out: row.try_get(1)?, repeated: row.try_get(2)?, ..Counts::default() };
        counts.add(row.try_get(0)?, taken);
        fresh.extend(row.try_get::<_, Vec<Uuid>>(3)?);
    }
    commit(client, xid, load, &counts, (Fresh::Only(fresh), repeats), committing).await
}

/// Inserts what is not there and counts, by minute in µs, the rows that were taken and those that found their
/// id taken, one by one and not one from the other; gives the ids of those taken. Of rows with one id in the
/// batch the first is taken, and none with an id of `$1`: those repeat an event of another id.
fn insert_counting(columns: &str) -> String {
    let minute = "extract(epoch from date_trunc('minute', ingested_at, 'UTC'))::bigint * 1000000";
    format!(
        "with fresh as (
             insert into raw.events ({columns}) select {columns} from incoming_events
             where event_id not in (select unnest($1::uuid[]))
             on conflict (event_id) do nothing returning event_id, ingested_at
         ), numbered as (
             select event_id, ingested_at, row_number() over (partition by event_id order by ctid) as nth
             from incoming_events
         )
         select {minute}, sum(taken)::bigint, sum(repeated)::bigint,
                coalesce(array_agg(event_id) filter (where taken = 1), '{{}}')
         from (
             select event_id, ingested_at, 1 as taken, 0 as repeated from fresh
             union all
             select event_id, ingested_at, 0, 1 from numbered
             where nth > 1 or not exists (select from fresh where fresh.event_id = numbered.event_id)
         ) as judged group by 1"
    )
}

/// Begins a transaction under the rules that its rows were judged by. Learns its id, and whether some of the
/// rows' ids may have been told before with other times, in one round trip. Another one holds the orders of
/// its refunds, if there are any.
async fn begin(client: &Client, load: &Load<'_>) -> Result<(String, bool), tokio_postgres::Error> {
    let Screening { claims, days, handed_in, .. } = &load.screened;
    let (rules, lock) = (load.admission.rules.replace('\'', "''"), identity::lock(claims));
    let mut statements = format!("begin; select pg_current_xact_id(), raw.admit('{rules}'), {lock}");
    // Only ids that no claim is about are their senders' own.
    if handed_in.total().records_in.unsigned_abs() > claims.len() as u64 {
        // A statement of its own, so that it sees what was committed before the lock was given.
        statements += "; ";
        statements += &identity::asks_told(days);
    }
    let answers = client.simple_query(&statements).await?;
    let mut rows = answers.iter().filter_map(|answer| match answer {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    let xid = rows.next().unwrap_or_default().to_owned();
    let may_be_told = rows.next() == Some("t");
    if let Some(held) = load.held {
        held.hold(client).await?;
    }
    Ok((xid, may_be_told))
}

async fn copy(client: &Client, table: &str, stream: &Bytes) -> Result<u64, tokio_postgres::Error> {
    let statement = format!("copy {table} ({}) from stdin (format binary)", Event::column_list());
    let mut sink = pin!(client.copy_in::<_, Bytes>(&statement).await?);
    let mut rest = stream.clone();
    while !rest.is_empty() {
        let message = rest.split_to(rest.len().min(COPY_MESSAGE_BYTES));
        sink.feed(message).await?;
    }
    sink.finish().await
}

/// Adds the counts to the ledger, writes what else belongs to the transaction, and commits; until the answer
/// is in, `committing` holds what would be needed to find out.
async fn commit(
    client: &Client,
    xid: String,
    load: &Load<'_>,
    counts: &Tally,
    (fresh, repeats): (Fresh, Repeats),
    committing: &mut Option<Commit>,
) -> Result<Written, tokio_postgres::Error> {
    let total = counts.total();
    let Load { screened, admission, writer, step, .. } = load;
    let appended = Appended {
        committed: total.records_out.unsigned_abs(),
        repeated: total.repeated.unsigned_abs(),
        refused: screened.set_aside.len() as u64,
    };
    if !screened.set_aside.is_empty() {
        Columns::of(&screened.set_aside, admission).insert(client, *writer, &admission.rules).await?;
    }
    let mut counts = counts.clone();
    counts.merge(&other_events::insert(client, &screened.others).await?);
    let mut statements = counts.statement(*writer);
    if let Some(step) = step {
        step.write(client, *writer, admission, &screened.refused, &repeats).await?;
        statements += &step.statement(appended);
    }
    let written = Written { appended, fresh, repeats };
    *committing = Some(Commit { xid, written: written.clone() });
    // One way to the server for all: a failure of the first is a failure of the transaction.
    let answer = client.batch_execute(&format!("{statements} commit")).await;
    // An answer of the server, good or bad, settles it; only silence leaves it open.
    if answer.as_ref().err().is_none_or(|error| classify(error) != Failure::ConnectionLost) {
        *committing = None;
    }
    answer.map(|()| written)
}
