mod verdict;

use std::collections::HashSet;
use std::pin::pin;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use contracts::Event;
use contracts::ledger::minute_us;
use contracts::validation::Claim;
use futures::SinkExt;
use tokio_postgres::{Client, Transaction};
use uuid::Uuid;

use super::connection::Store;
use super::error::{Failure, StoreError, classify};
use super::held::Held;
use super::identity::{self, Repeats};
use super::quarantined::Outcome;
use super::rows::EncodedRows;
use super::tally::{Counts, Tally};
use super::users::UserRecord;

pub use verdict::{Judgement, Verdict};

impl Store {
    /// Stores what passed and marks every row, in one transaction; returns the verdicts in their order, those
    /// that the retention floor or an erasure forbids turned into refusals, and what became of each.
    ///
    /// A row that another replay has settled meanwhile is left alone and has no outcome here. `at` marks the
    /// rows and must be the caller's alone: with it, a call whose commit was not answered finds out what it
    /// did.
    ///
    /// # Errors
    /// When PostgreSQL stays away or refuses; replaying again is safe, since what is settled is not open any
    /// more.
    pub async fn settle(
        &mut self,
        verdicts: &[Verdict],
        at: DateTime<Utc>,
    ) -> Result<Vec<(Verdict, Option<Outcome>)>, StoreError> {
        let writer = self.writer;
        let mut wait = self.wait();
        loop {
            // By what is known now: refunds may have to be judged again.
            let (judged, held) = self.judged_by_orders(verdicts.to_vec()).await?;
            match self.settle_judged(judged, held, at, writer).await {
                Err(StoreError::Refused { source, .. }) if classify(&source) == Failure::Outrun => {
                    wait.after(source).await?;
                }
                settled => return settled,
            }
        }
    }

    async fn settle_judged(
        &mut self,
        mut verdicts: Vec<Verdict>,
        held: Option<Held>,
        at: DateTime<Utc>,
        writer: Uuid,
    ) -> Result<Vec<(Verdict, Option<Outcome>)>, StoreError> {
        let open = verdicts.iter_mut().flat_map(|verdict| verdict.judgement.events_mut());
        self.tell_open(open, &[]).await?;
        verdicts.iter_mut().for_each(Verdict::add_visit_start);
        self.admitted("replay the quarantine", async |client, admission| {
            let verdicts: Vec<Verdict> = verdicts.iter().map(|verdict| verdict.by(admission)).collect();
            ensure_partitions(client, &verdicts).await?;
            let transaction = client.transaction().await?;
            transaction.query_one("select raw.admit($1)", &[&admission.rules]).await?;
            let claims: Vec<Claim> = verdicts.iter().flat_map(|verdict| verdict.judgement.claims()).collect();
            transaction.batch_execute(&format!("select {}", identity::lock(&claims))).await?;
            let open = lock(&transaction, &verdicts).await?;
            if let Some(held) = &held {
                held.hold(transaction.client()).await?;
            }
            let open: Vec<&Verdict> = verdicts
                .iter()
                .filter(|v| open.contains(&(v.source.clone(), v.coordinates.clone())))
                .collect();
            let (mut new, repeats) = insert_events(&transaction, &open).await?;
            new.extend(insert_users(&transaction, &open).await?);
            let counts = counts(&open, new.clone());
            let outcomes = outcomes(&open, new);
            mark(&transaction, &open, &outcomes, &repeats, at).await?;
            if counts != Tally::default() {
                transaction.batch_execute(&counts.statement(writer)).await?;
            }
            transaction.commit().await?;
            let settled = settled(client, &verdicts, at).await?;
            Ok(verdicts.into_iter().zip(settled).collect())
        })
        .await
    }

    /// Which of these ids are there already.
    ///
    /// # Errors
    /// When PostgreSQL stays away or refuses.
    pub async fn known(&mut self, ids: &[Uuid]) -> Result<HashSet<Uuid>, StoreError> {
        let sql = "select event_id from raw.events where event_id = any($1)
                   union all select told from raw.event_told where told = any($1)
                   union all select user_id from raw.users where user_id = any($1)";
        let rows = self.repeatable("look for ids", async |client| client.query(sql, &[&ids]).await).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }
}

fn keys(verdicts: &[impl AsRef<Verdict>]) -> (Vec<&str>, Vec<&str>) {
    verdicts
        .iter()
        .map(AsRef::as_ref)
        .map(|verdict| (verdict.source.as_str(), verdict.coordinates.as_str()))
        .unzip()
}

/// The events that passed, as rows.
fn encode<'a>(verdicts: impl Iterator<Item = &'a Verdict>) -> EncodedRows {
    let mut rows = EncodedRows::default();
    for accepted in verdicts.flat_map(|verdict| verdict.judgement.events()) {
        let taken = rows.push(&accepted.event);
        debug_assert!(taken, "a page is smaller than a transaction");
    }
    rows
}

/// Partitions are made before and apart: an empty one does no harm.
async fn ensure_partitions(client: &Client, verdicts: &[Verdict]) -> Result<(), tokio_postgres::Error> {
    for day in encode(verdicts.iter()).days() {
        client.execute("select raw.ensure_events_partition($1)", &[day]).await?;
    }
    Ok(())
}

/// Locks the rows that are open still.
async fn lock(
    transaction: &Transaction<'_>,
    verdicts: &[Verdict],
) -> Result<HashSet<(String, String)>, tokio_postgres::Error> {
    let (sources, coordinates) = keys(verdicts);
    // In the order of the key, so that two replays wait for each other and not in a circle.
    let rows = transaction
        .query(
            "select q.source, q.coordinates from raw.quarantine q
             where (q.source, q.coordinates) in (select * from unnest($1::text[], $2::text[]))
               and (q.outcome is null or q.outcome = 'refused')
             order by q.source, q.coordinates for update",
            &[&sources, &coordinates],
        )
        .await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Inserts the events whose ids are new, and returns these; and which of the others repeat one with another
/// id.
async fn insert_events(
    transaction: &Transaction<'_>,
    verdicts: &[&Verdict],
) -> Result<(HashSet<Uuid>, Repeats), tokio_postgres::Error> {
    let rows = encode(verdicts.iter().copied());
    if rows.rows() == 0 {
        return Ok(Default::default());
    }
    let claims: Vec<Claim> = verdicts.iter().flat_map(|verdict| verdict.judgement.claims()).collect();
    let mut repeats = identity::claim(transaction.client(), &claims).await?;
    let columns = Event::column_list();
    transaction
        .batch_execute(&format!(
            "create temp table replayed_events on commit drop as select {columns} from raw.events with no data"
        ))
        .await?;
    let copy = format!("copy replayed_events ({columns}) from stdin (format binary)");
    let mut sink = pin!(transaction.copy_in::<_, Bytes>(&copy).await?);
    sink.feed(rows.into_copy_stream()).await?;
    sink.finish().await?;
    repeats.extend(identity::told_otherwise(transaction.client(), "replayed_events").await?);
    let barred: Vec<&Uuid> = repeats.keys().collect();
    let insert = format!(
        "insert into raw.events ({columns}) select {columns} from replayed_events
         where event_id not in (select unnest($1::uuid[]))
         on conflict (event_id) do nothing returning event_id"
    );
    let rows = transaction.query(&insert, &[&barred]).await?;
    Ok((rows.iter().map(|row| row.get(0)).collect(), repeats))
}

/// Inserts the users who are new, and returns their ids. One who is there stays: the newer record is the
/// better one.
async fn insert_users(
    transaction: &Transaction<'_>,
    verdicts: &[&Verdict],
) -> Result<HashSet<Uuid>, tokio_postgres::Error> {
    let mut new = HashSet::new();
    for verdict in verdicts {
        let Judgement::User(record) = &verdict.judgement else { continue };
        let UserRecord { user, profile } = record.as_ref();
        let inserted = transaction
            .execute(
                "insert into raw.users (user_id, gender, age, age_band, country, city, latitude, longitude,
                                        registered_at, ingested_at, profile)
                 values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict do nothing",
                &[
                    &user.user_id,
                    &user.gender.as_str(),
                    &user.age,
                    &user.age_band.as_str(),
                    &user.country.as_str(),
                    &user.city.as_str(),
                    &user.latitude,
                    &user.longitude,
                    &user.registered_at,
                    &user.ingested_at,
                    profile,
                ],
            )
            .await?;
        if inserted > 0 {
            new.insert(user.user_id);
        }
    }
    Ok(new)
}

/// What became of each row, given the ids that were new. Of two rows that are the same event, the first one
/// is it.
fn outcomes(verdicts: &[&Verdict], mut new: HashSet<Uuid>) -> Vec<Outcome> {
    let outcome = |verdict: &&Verdict| match &verdict.judgement {
        Judgement::Refused { .. } => Outcome::Refused,
        Judgement::User(record) if new.remove(&record.user.user_id) => Outcome::Accepted,
        // Of an order, some lines may have been paid back before.
        judgement => {
            let taken = judgement.events().iter().filter(|accepted| new.remove(&accepted.event.event_id));
            if taken.count() > 0 { Outcome::Accepted } else { Outcome::Repeated }
        }
    };
    verdicts.iter().map(outcome).collect()
}

/// For the ledger: an event that is judged again comes in again. One that is still refused was counted when
/// it was set aside.
fn counts(verdicts: &[&Verdict], mut new: HashSet<Uuid>) -> Tally {
    let mut counts = Tally::default();
    for accepted in verdicts.iter().flat_map(|verdict| verdict.judgement.events()) {
        let taken = i64::from(new.remove(&accepted.event.event_id));
        let count = Counts { records_in: 1, records_out: taken, repeated: 1 - taken, ..Counts::default() };
        counts.add(minute_us(accepted.event.ingested_at.timestamp_micros()), count);
    }
    counts
}

/// Writes down what became of each row, and under which id what it tells counts.
async fn mark(
    transaction: &Transaction<'_>,
    verdicts: &[&Verdict],
    outcomes: &[Outcome],
    repeats: &Repeats,
    at: DateTime<Utc>,
) -> Result<(), tokio_postgres::Error> {
    let (sources, coordinates) = keys(verdicts);
    let counts = |id: Uuid| *repeats.get(&id).unwrap_or(&id);
    let ids: Vec<Option<Uuid>> =
        verdicts.iter().map(|verdict| verdict.judgement.record_id().map(counts)).collect();
    let outcomes: Vec<&str> = outcomes.iter().map(|outcome| outcome.as_str()).collect();
    let (reasons, details): (Vec<Option<&str>>, Vec<Option<String>>) = verdicts
        .iter()
        .map(|verdict| match &verdict.judgement {
            // PostgreSQL's text holds no NUL; a detail may quote the record.
            Judgement::Refused { reason, detail } => {
                (Some(reason.as_str()), Some(detail.replace('\0', "\u{fffd}")))
            }
            _ => (None, None),
        })
        .unzip();
    let keeps_bytes: Vec<bool> = verdicts
        .iter()
        .map(|verdict| match &verdict.judgement {
            Judgement::Refused { reason, .. } => !reason.keeps_no_bytes(),
            _ => true,
        })
        .collect();
    transaction
        .execute(
            "update raw.quarantine q
             set replayed_at = $1, outcome = r.outcome, payload = case when r.keeps_bytes then q.payload end, outcome_reason = r.reason, outcome_detail = r.detail,
                 record_id = r.record_id
             from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::uuid[],
                         $8::bool[])
                  r (source, coordinates, outcome, reason, detail, record_id, keeps_bytes)
             where q.source = r.source and q.coordinates = r.coordinates",
            &[&at, &sources, &coordinates, &outcomes, &reasons, &details, &ids, &keeps_bytes],
        )
        .await?;
    Ok(())
}

/// What the rows say that this call has marked, now or before its connection died.
async fn settled(
    client: &Client,
    verdicts: &[Verdict],
    at: DateTime<Utc>,
) -> Result<Vec<Option<Outcome>>, tokio_postgres::Error> {
    let (sources, coordinates) = keys(verdicts);
    let rows = client
        .query(
            "select q.outcome from unnest($1::text[], $2::text[]) with ordinality r (source, coordinates, number)
             left join raw.quarantine q
                 on q.source = r.source and q.coordinates = r.coordinates and q.replayed_at = $3
             order by r.number",
            &[&sources, &coordinates, &at],
        )
        .await?;
    Ok(rows.iter().map(|row| Outcome::read(row.get(0))).collect())
}
