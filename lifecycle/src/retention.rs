//! Retention: the floor moves up, and what lies before it goes.
//!
//! The floor moves no further than what is removed, to the midnight behind the newest day that goes: a shop
//! with nothing that old keeps none, so that its history may still be read. It moves first. From then on
//! nothing from before it comes in, is repaired, verified or rebuilt, so that whatever a run that was killed
//! has left behind is of no account until the next one removes it.

mod rows;

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use contracts::endpoints::Endpoints;
use contracts::ids::EVENT_ID_TOLERANCE_MS;
use provision::retention::{floor, raise_floor};
use tokio_postgres::Client;

use crate::cassandra::Keyspace;
use crate::{LifecycleError, checkpoints, kafka, repair_lock};

/// The longest time that can be kept, in days.
pub const MAX_KEEP_DAYS: u32 = 36_500;

/// What is kept, and where.
#[derive(Debug, Clone)]
pub struct RetentionConfig {
    /// Where the services are, and under which namespace.
    pub endpoints: Endpoints,
    /// Whole days before today that are kept.
    pub keep_days: u32,
    /// The time by which today is today.
    pub now: DateTime<Utc>,
    /// Only say what would go.
    pub dry_run: bool,
}

/// What was removed, or would be.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Retained {
    /// The floor that is in force now; in a dry run, that would be. None where nothing was ever old enough to
    /// be removed.
    pub floor: Option<DateTime<Utc>>,
    /// The one before, where there was one.
    pub floor_before: Option<DateTime<Utc>>,
    /// Whether nothing was changed, since it was not asked for.
    pub dry_run: bool,
    /// Partitions of `raw.events`.
    pub partitions: Vec<String>,
    /// Rows of PostgreSQL's tables.
    pub rows: BTreeMap<&'static str, u64>,
    /// Partitions of Cassandra's tables by day, and users with old rows in the tables by user.
    pub cassandra: BTreeMap<String, u64>,
    /// Records of Kafka's topics.
    pub kafka: BTreeMap<String, u64>,
    /// Folders of checkpoints of plans that are not in force.
    pub checkpoints: u64,
    /// What stays for now, and why.
    pub notes: Vec<String>,
}

/// Tells up to which offset of each partition all readers of a topic have come; nothing where one has not
/// begun.
pub type Committed<'a> = &'a (dyn Fn(&str) -> Option<BTreeMap<i32, i64>> + Sync);

/// The floor that keeps so many whole days before today.
///
/// # Errors
/// [`LifecycleError::KeepDays`].
pub fn floor_of(now: DateTime<Utc>, keep_days: u32) -> Result<DateTime<Utc>, LifecycleError> {
    if !(1..=MAX_KEEP_DAYS).contains(&keep_days) {
        return Err(LifecycleError::KeepDays { asked: keep_days, longest: MAX_KEEP_DAYS });
    }
    let today = now.date_naive();
    let day = today.checked_sub_days(Days::new(keep_days.into())).ok_or(LifecycleError::Calendar(today))?;
    Ok(day.and_time(NaiveTime::MIN).and_utc())
}

/// The first midnight after an instant.
fn midnight_behind(at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    Some(at.date_naive().succ_opt()?.and_time(NaiveTime::MIN).and_utc())
}

/// Moves the floor up and removes what lies before it. `progress` hears of each step when it begins.
///
/// # Errors
/// [`LifecycleError`]; running it again goes on.
pub async fn run(
    config: &RetentionConfig,
    committed: Committed<'_>,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<Retained, LifecycleError> {
    let Endpoints { pg_url, namespace, .. } = &config.endpoints;
    let wanted = floor_of(config.now, config.keep_days)?;
    let mut client = provision::connect(pg_url).await?;
    if !config.dry_run {
        progress("waiting for repairs and verification to end");
        repair_lock::take(&client, namespace).await?;
    }
    let before = floor(&client).await.map_err(LifecycleError::postgres("read the retention floor"))?;
    let reached = rows::newest_before(&client, wanted).await?.and_then(midnight_behind);
    let floor = match reached.map(|reached| reached.min(wanted)) {
        None => before,
        Some(reached) if config.dry_run => before.max(Some(reached)),
        Some(reached) => {
            let raised = raise_floor(&mut client, reached).await;
            Some(raised.map_err(LifecycleError::postgres("move the retention floor"))?)
        }
    };
    let mut retained =
        Retained { floor, floor_before: before, dry_run: config.dry_run, ..Retained::default() };
    match floor {
        Some(floor) if floor > wanted => {
            retained.notes.push(format!("the floor stays at {}: it never moves back", floor.date_naive()));
        }
        Some(floor) if floor == wanted => {}
        Some(floor) => retained.notes.push(format!(
            "no event is from between {} and {}: the floor moves no further than what is removed",
            floor.date_naive(),
            wanted.date_naive()
        )),
        None => retained.notes.push(format!(
            "no event is from before {}: the floor moves no further than what is removed",
            wanted.date_naive()
        )),
    }

    progress("old rows in postgresql");
    rows::delete_aged(&client, floor.unwrap_or(wanted).max(wanted), &mut retained).await?;
    if let Some(floor) = floor {
        remove_before(floor, config, &mut client, committed, progress, &mut retained).await?;
    }
    progress("checkpoints of plans that are not in force");
    let removed = checkpoints::remove_retired(&client, config.dry_run).await?;
    retained.checkpoints = removed.folders;
    retained.notes.extend(removed.notes);
    Ok(retained)
}

/// Removes what belongs to windows from before the floor.
async fn remove_before(
    floor: DateTime<Utc>,
    config: &RetentionConfig,
    client: &mut Client,
    committed: Committed<'_>,
    progress: &(dyn Fn(&str) + Sync),
    retained: &mut Retained,
) -> Result<(), LifecycleError> {
    let Endpoints { namespace, kafka_brokers, cassandra_contact_points, .. } = &config.endpoints;
    progress("partitions of raw.events");
    rows::drop_partitions(client, floor, retained).await?;
    rows::delete_identities(client, floor, retained).await?;
    rows::delete_of_windows(client, floor, retained).await?;
    progress("old rows in cassandra");
    let session = provision::connect_cassandra(cassandra_contact_points).await?;
    let keyspace = Keyspace::open(&session, namespace.keyspace()).await?;
    retained.cassandra = keyspace.remove_days_before(floor.date_naive(), config.dry_run).await?;
    retained.cassandra.extend(keyspace.remove_of_users_before(floor, config.dry_run).await?);
    progress("old records in kafka");
    for generation in generations(client).await? {
        let topic = namespace.events_topic(generation);
        let gone = cut(kafka_brokers, &topic, floor, committed(&topic), retained).await?;
        retained.kafka.insert(topic, gone);
    }
    Ok(())
}

async fn generations(client: &Client) -> Result<Vec<i32>, LifecycleError> {
    let sql = "select generation from ops.topic_generation where retired_at is null order by 1";
    let rows =
        client.query(sql, &[]).await.map_err(LifecycleError::postgres("read the topic's generations"))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Removes records that were produced before the floor, as far as everybody has read them. Where Kafka has
/// forgotten them by itself, as its topics do after seven days, nothing is left to remove.
async fn cut(
    brokers: &str,
    topic: &str,
    floor: DateTime<Utc>,
    committed: Option<BTreeMap<i32, i64>>,
    retained: &mut Retained,
) -> Result<u64, LifecycleError> {
    // An event may be ingested, and produced, so long before it is said to have occurred.
    let before = floor - TimeDelta::milliseconds(EVENT_ID_TOLERANCE_MS);
    let bounds = kafka::bounds(brokers, topic, before).await?;
    let (offsets, behind) = deletable(&bounds, &committed.unwrap_or_default());
    if behind > 0 {
        retained.notes.push(format!(
            "{behind} records of {topic} from before the floor are not read yet and stay: let `storepulse job run` catch up, then run \
             this again"
        ));
    }
    let gone = offsets.iter().map(|(partition, offset)| offset - bounds[partition].0).sum::<i64>();
    if !retained.dry_run && !offsets.is_empty() {
        kafka::delete_before(brokers, topic, &offsets).await?;
    }
    Ok(gone.unsigned_abs())
}

/// Up to where each partition may be cut, and how many old records are not read yet.
fn deletable(
    bounds: &BTreeMap<i32, (i64, i64)>,
    committed: &BTreeMap<i32, i64>,
) -> (BTreeMap<i32, i64>, i64) {
    let mut offsets = BTreeMap::new();
    let mut behind = 0;
    for (&partition, &(low, first_kept)) in bounds {
        let read = committed.get(&partition).copied().unwrap_or(0);
        let upto = first_kept.min(read);
        behind += first_kept - upto.max(low);
        if upto > low {
            offsets.insert(partition, upto);
        }
    }
    (offsets, behind)
}

/// The last day whose partition of `raw.events` holds nothing from the floor on: an event's id may be a
/// minute older than the event, so the partition of the day before the floor may.
fn last_day_to_drop(floor: DateTime<Utc>) -> Option<NaiveDate> {
    floor.date_naive().checked_sub_days(Days::new(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_floor_is_a_midnight_that_keeps_whole_days() {
        assert_eq!(floor_of(at("2026-03-10T23:59:59Z"), 1).unwrap(), at("2026-03-09T00:00:00Z"));
        assert_eq!(floor_of(at("2026-03-10T00:00:00Z"), 30).unwrap(), at("2026-02-08T00:00:00Z"));
        assert!(floor_of(at("2026-03-10T00:00:00Z"), 0).is_err());
        assert!(floor_of(at("2026-03-10T00:00:00Z"), MAX_KEEP_DAYS + 1).is_err());
    }

    #[test]
    fn behind_a_day_is_its_midnight() {
        for time in ["1971-05-05T00:00:00Z", "1971-05-05T23:59:59.999999Z"] {
            assert_eq!(midnight_behind(at(time)), Some(at("1971-05-06T00:00:00Z")));
        }
    }

    #[test]
    fn the_partition_before_the_floors_is_looked_at_first() {
        assert_eq!(last_day_to_drop(at("2026-03-09T00:00:00Z")), Some("2026-03-07".parse().unwrap()));
    }

    #[test]
    fn what_is_not_read_is_never_cut() {
        let bounds = BTreeMap::from([(0, (0, 10)), (1, (5, 10)), (2, (7, 7)), (3, (0, 4))]);
        let committed = BTreeMap::from([(0, 20), (1, 8), (2, 9)]);
        assert_eq!(deletable(&bounds, &committed), (BTreeMap::from([(0, 10), (1, 8)]), 2 + 4));
        assert_eq!(deletable(&bounds, &BTreeMap::new()).0, BTreeMap::new());
    }
}
