//! A repeated id is a repeat, whatever else changed.
//!
//! An id that was made of the source's id and a time claims the source's id in `raw.event_identity`, in the
//! transaction that stores the event; the unique index there decides between two with another time. All that
//! is claimed is claimed before the first event is stored and in one order, so that two writers wait for each
//! other and not in a circle.
//!
//! A sender's own UUIDv7 is the event's id where its time fits, and nothing is claimed. Told with another
//! time, the event claims as above, and `raw.event_told` notes the sender's id for when it is told again.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{NaiveDate, NaiveTime};
use contracts::ids;
use contracts::validation::Claim;
use tokio_postgres::{Client, Error};
use uuid::Uuid;

use super::connection::Store;
use super::error::StoreError;

/// Events that repeat one with another id: by their own ids, the id of the one that counts.
pub(super) type Repeats = HashMap<Uuid, Uuid>;

/// What a claim is about: the id without its time, as the unique index has it.
macro_rules! identity {
    ($id:literal) => {
        concat!("substring(uuid_send(", $id, ") from 7)")
    };
}

const CLAIM: &str = concat!(
    "insert into raw.event_identity (event_id) select id from unnest($1::uuid[]) id order by ",
    identity!("id")
);

const HELD: &str = concat!(
    "select id, held.event_id from unnest($1::uuid[]) id join raw.event_identity held on ",
    identity!("held.event_id"),
    " = ",
    identity!("id")
);

/// Whoever comes second finds the row changed, and changes nothing.
const TAKE_OVER: &str = concat!(
    "update raw.event_identity held set event_id = taken.id
     from (select * from unnest($1::uuid[], $2::uuid[]) taken (id, void) order by ",
    identity!("id"),
    ") taken where held.event_id = taken.void and ",
    identity!("held.event_id"),
    " = ",
    identity!("taken.id"),
    " returning held.event_id"
);

/// Notes under which id an event stands whose sender gave it another. One that is gone counts no more.
const NOTE_TOLD: &str = "
    insert into raw.event_told as known (told, event_id) select * from unnest($1::uuid[], $2::uuid[])
    on conflict (told) do update set event_id = excluded.event_id where not known.event_id = any($3)";

/// What the transaction that stores events holds to its end: in those of events whose own ids do not fit,
/// nobody else stores any. So of two who tell the same id at once, one with a time that fits, the second one
/// knows of the first.
pub(super) fn lock(claims: &[Claim]) -> &'static str {
    match need_care(claims) {
        true => "pg_advisory_xact_lock(hashtext('raw.event_told'))",
        false => "pg_advisory_xact_lock_shared(hashtext('raw.event_told'))",
    }
}

/// Asks whether ids of some days were told with times far from them.
pub(super) fn asks_told(days: &BTreeSet<NaiveDate>) -> String {
    let bound = |day: Option<NaiveDate>| {
        let start = day.map_or(0, |day| day.and_time(NaiveTime::MIN).and_utc().timestamp_millis());
        ids::v7_lower_bound(start)
    };
    let (least, most) = (bound(days.first().copied()), bound(days.last().and_then(NaiveDate::succ_opt)));
    format!("select exists (select from raw.event_told where told >= '{least}' and told < '{most}')")
}

/// Those events of a table whose own ids were told before, with times far from them.
pub(super) async fn told_otherwise(client: &Client, table: &str) -> Result<Repeats, Error> {
    let sql = format!(
        "select known.told, known.event_id from raw.event_told known
         where known.told in (select event_id from {table})"
    );
    let rows = client.query(&sql, &[]).await?;
    let told: Vec<(Uuid, Uuid)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let counting: HashSet<Uuid> = told.iter().map(|(_, counting)| *counting).collect();
    let counting: Vec<Uuid> = counting.into_iter().collect();
    // The one that counts may come with the same batch.
    let comes = format!("select event_id from {table} where event_id = any($1)");
    let mut there = ids_of(client, &comes, &counting).await?;
    there.extend(stored(client, counting).await?);
    Ok(told.into_iter().filter(|(_, counting)| there.contains(counting)).collect())
}

/// Notes the own ids of those whose claims hold.
async fn note_told(client: &Client, claims: &[Claim], repeats: &Repeats) -> Result<(), Error> {
    let told = claims.iter().filter(|claim| !repeats.contains_key(&claim.event_id));
    let told: BTreeMap<Uuid, Uuid> = told.filter_map(|claim| Some((claim.told?, claim.event_id))).collect();
    if told.is_empty() {
        return Ok(());
    }
    let (told, ids): (Vec<Uuid>, Vec<Uuid>) = told.into_iter().unzip();
    let known = ids_of(client, "select event_id from raw.event_told where told = any($1)", &told).await?;
    let there: Vec<Uuid> = stored(client, known.into_iter().collect()).await?.into_iter().collect();
    client.execute(NOTE_TOLD, &[&told, &ids, &there]).await?;
    Ok(())
}

/// Whether claims may be about events that no claim tells of.
pub(super) fn need_care(claims: &[Claim]) -> bool {
    claims.iter().any(|claim| claim.told.is_some())
}

/// Claims everything, or fails with a unique violation where something is claimed already or twice.
pub(super) async fn claim_all(client: &Client, claims: &[Claim]) -> Result<(), Error> {
    if claims.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = claims.iter().map(|claim| claim.event_id).collect();
    client.execute(CLAIM, &[&ids]).await?;
    Ok(())
}

/// Claims what nobody has claimed; the rest repeats what is told here. An event with the very id of the one
/// that counts is not in it: about that the key of `raw.events` decides, as about any other.
///
/// In a transaction that holds the [lock] of these claims.
pub(super) async fn claim(client: &Client, claims: &[Claim]) -> Result<Repeats, Error> {
    let repeats = claimed_before(client, claims).await?;
    note_told(client, claims, &repeats).await?;
    Ok(repeats)
}

async fn claimed_before(client: &Client, claims: &[Claim]) -> Result<Repeats, Error> {
    let mut repeats = told_before(client, claims).await?;
    let (first, within) = first_of_each(claims, &repeats);
    if first.is_empty() {
        return Ok(repeats);
    }
    let statement = format!("{CLAIM} on conflict do nothing returning event_id");
    let claimed = ids_of(client, &statement, &first).await?;
    let held: Vec<Uuid> = first.into_iter().filter(|id| !claimed.contains(id)).collect();
    let (counting, void) = holders(client, &held).await?;
    repeats.extend(counting);
    if !void.is_empty() {
        let (ids, voids): (Vec<Uuid>, Vec<Uuid>) = void.iter().map(|(id, void)| (*id, *void)).unzip();
        let rows = client.query(TAKE_OVER, &[&ids, &voids]).await?;
        let taken: HashSet<Uuid> = rows.iter().map(|row| row.get(0)).collect();
        repeats.extend(void.into_iter().filter(|(id, _)| !taken.contains(id)));
    }
    add_within(&mut repeats, &within);
    Ok(repeats)
}

/// What claims repeat that is stored, without claiming anything.
async fn repeated(client: &Client, claims: &[Claim]) -> Result<Repeats, Error> {
    let mut repeats = told_before(client, claims).await?;
    let (first, within) = first_of_each(claims, &repeats);
    repeats.extend(holders(client, &first).await?.0);
    add_within(&mut repeats, &within);
    Ok(repeats)
}

/// Those that stand under the source's own UUIDv7.
pub(super) async fn told_before(client: &Client, claims: &[Claim]) -> Result<Repeats, Error> {
    let told: Vec<(Uuid, Uuid)> =
        claims.iter().filter_map(|claim| Some((claim.event_id, claim.told?))).collect();
    let there = stored(client, told.iter().map(|(_, told)| *told).collect()).await?;
    Ok(told.into_iter().filter(|(_, told)| there.contains(told)).collect())
}

/// Of those that are not known as repeats the ids to be claimed, of several with one identity the first; and
/// the others, as repeats of it.
fn first_of_each(claims: &[Claim], known: &Repeats) -> (Vec<Uuid>, Repeats) {
    let mut first: HashMap<Uuid, Uuid> = HashMap::new();
    let (mut ids, mut within) = (Vec::new(), Repeats::new());
    for Claim { event_id, .. } in claims.iter().filter(|claim| !known.contains_key(&claim.event_id)) {
        match first.entry(ids::identity(event_id)) {
            Entry::Vacant(place) => {
                place.insert(*event_id);
                ids.push(*event_id);
            }
            Entry::Occupied(place) if place.get() != event_id => {
                within.insert(*event_id, *place.get());
            }
            Entry::Occupied(_) => {}
        }
    }
    (ids, within)
}

/// Adds the repeats within a batch: what they repeat may itself repeat what counts, which is none of itself.
fn add_within(repeats: &mut Repeats, within: &Repeats) {
    let counting = within.iter().map(|(id, first)| (*id, *repeats.get(first).unwrap_or(first)));
    let counting: Vec<(Uuid, Uuid)> = counting.filter(|(id, counts)| id != counts).collect();
    repeats.extend(counting);
}

/// Those of these ids whose identities are held, each with the id that holds its identity: its own, or that
/// of another time.
pub(super) async fn held(client: &Client, ids: &[Uuid]) -> Result<Vec<(Uuid, Uuid)>, Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = client.query(HELD, &[&ids]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Who holds the identities of these ids, where it is another id: events that count, and such as are gone.
async fn holders(client: &Client, ids: &[Uuid]) -> Result<(Repeats, Repeats), Error> {
    let mut others = held(client, ids).await?;
    others.retain(|(id, holder)| id != holder);
    let there = stored(client, others.iter().map(|(_, holder)| *holder).collect()).await?;
    Ok(others.into_iter().partition(|(_, holder)| there.contains(holder)))
}

/// Which of these ids are in `raw.events`. Handed in as an array, so that PostgreSQL looks into no partition
/// but theirs.
async fn stored(client: &Client, ids: Vec<Uuid>) -> Result<HashSet<Uuid>, Error> {
    ids_of(client, "select event_id from raw.events where event_id = any($1)", &ids).await
}

/// What a statement about some ids gives; about none it is not asked.
async fn ids_of(client: &Client, statement: &str, ids: &[Uuid]) -> Result<HashSet<Uuid>, Error> {
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let rows = client.query(statement, &[&ids]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

impl Store {
    /// Which of these claims events have that are stored; by the ids of those that claim, the ids of those
    /// that count.
    ///
    /// # Errors
    /// When PostgreSQL stays away or refuses.
    pub async fn claimed(&mut self, claims: &[Claim]) -> Result<HashMap<Uuid, Uuid>, StoreError> {
        self.repeatable("look for ids of sources", async |client| repeated(client, claims).await).await
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use proptest::prelude::*;

    use super::*;

    fn claim(ms: i64, id: u8) -> Claim {
        let at = DateTime::from_timestamp_millis(ms).unwrap();
        Claim { event_id: ids::rekeyed(at, "s", &id.to_string()), told: None }
    }

    proptest! {
        #[test]
        fn of_each_identity_one_is_claimed_and_the_others_repeat_it(
            told in prop::collection::vec((0i64..4, 0u8..6), 0..40)
        ) {
            let claims: Vec<Claim> = told.iter().map(|(ms, id)| claim(*ms, *id)).collect();
            let (first, within) = first_of_each(&claims, &Repeats::new());
            let identities: HashSet<Uuid> = first.iter().map(ids::identity).collect();
            prop_assert_eq!(identities.len(), first.len());
            for Claim { event_id, .. } in &claims {
                let counts = within.get(event_id).unwrap_or(event_id);
                prop_assert!(first.contains(counts) && ids::identity(counts) == ids::identity(event_id));
            }
        }
    }

    #[test]
    fn a_chain_of_repeats_ends_at_what_counts() {
        let [a, b, c] = [1, 2, 3].map(Uuid::from_u128);
        let mut repeats = Repeats::from([(b, a)]);
        add_within(&mut repeats, &Repeats::from([(c, b)]));
        assert_eq!(repeats, Repeats::from([(b, a), (c, a)]));
        // The one that counts comes second in its batch.
        let mut repeats = Repeats::from([(b, a)]);
        add_within(&mut repeats, &Repeats::from([(a, b)]));
        assert_eq!(repeats, Repeats::from([(b, a)]));
    }
}
