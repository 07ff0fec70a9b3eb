//! Counts that are kept from one look to the next.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row};

use super::{Events, Hour, KINDS, Name, Others};
use crate::watch::Refused;
use crate::watch::counted::{Count, Counters, SETTLES, connection, first_hour, hour_of, hours, snapshot};

const TABLE: &str = "other_events";
/// As many names are told: whoever has a key may send any number of them.
const NAMES: usize = 200;

/// All rows by name, from an index that holds nothing else.
const ALL: &str = "
    with named as (
        select source, dialect, kind, name, count(*) as events, max(received_at) as newest_at
        from raw.other_events group by 1, 2, 3, 4),
    ranked as (select *, row_number() over (order by events desc, source, dialect, kind, name) as rank from named)
    select source, dialect, kind, case when rank <= $1 then name end, sum(events)::bigint, max(newest_at)
    from ranked group by 1, 2, 3, 4";

/// The hours before a moment, by the names that are told. Hour by hour, since PostgreSQL takes each moment
/// for an hour of its own and would sort all rows by it.
const PAST_HOURS: &str = "
    select e.source, e.dialect, e.kind, told.name, hour, sum(e.events)::bigint
    from generate_series($5::timestamptz, $6, interval '1 hour') hour
        cross join lateral (
            select source, dialect, kind, name, count(*) as events from raw.other_events
            where received_at >= hour and received_at < least(hour + interval '1 hour', $6)
            group by 1, 2, 3, 4) e
        left join unnest($1::text[], $2::text[], $3::text[], $4::text[]) told (source, dialect, kind, name)
            on (told.source, told.dialect, told.kind, told.name) = (e.source, e.dialect, e.kind, e.name)
    group by 1, 2, 3, 4, 5";

/// What is young, apart by whether it may settle now.
const YOUNG: &str = "
    select source, dialect, kind, name, date_trunc('hour', received_at, 'UTC'), count(*), max(received_at),
        received_at < $2
    from raw.other_events where received_at >= $1
    group by 1, 2, 3, 4, 5, 8";

/// What is counted apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    source: String,
    dialect: String,
    kind: String,
    name: Option<String>,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct OfKey {
    events: i64,
    newest_at: DateTime<Utc>,
    hours: BTreeMap<DateTime<Utc>, i64>,
}

/// Rows counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Counted(BTreeMap<Key, OfKey>);

impl Counted {
    fn of(&mut self, mut key: Key) -> &mut OfKey {
        if self.0.len() >= NAMES && !self.0.contains_key(&key) {
            key.name = None;
        }
        self.0.entry(key).or_default()
    }

    fn add(&mut self, row: &Young) {
        let of_key = self.of(row.key.clone());
        of_key.events += row.events;
        of_key.newest_at = of_key.newest_at.max(row.newest_at);
        *of_key.hours.entry(row.hour).or_default() += row.events;
    }

    fn all(&self) -> i64 {
        self.0.values().map(|of_key| of_key.events).sum()
    }
}

/// What is known of all rows.
#[derive(Debug)]
struct Tally {
    /// Rows that came before `settled`.
    before: Counted,
    settled: DateTime<Utc>,
    /// When all was counted last.
    count: Count,
}

struct Young {
    key: Key,
    hour: DateTime<Utc>,
    events: i64,
    newest_at: DateTime<Utc>,
    settles: bool,
}

/// Counts over a connection of its own.
#[derive(Default)]
pub(super) struct Counting {
    client: Option<Client>,
    tally: Option<Tally>,
}

impl Counting {
    /// What is kept now; what was removed since the last look, within a minute.
    pub(super) async fn look(&mut self, pg_url: &str) -> Result<Others, Refused> {
        let mut client = connection(&mut self.client, pg_url).await?;
        let now = Utc::now();
        let told = match self.tally.take() {
            Some(tally) => add(&client, tally, now).await?,
            None => None,
        };
        let (tally, young) = match told {
            Some(told) => told,
            None => count(&mut client, now).await?,
        };
        let others = others(&tally, &young, now);
        (self.tally, self.client) = (Some(tally), Some(client));
        Ok(others)
    }
}

/// Adds what has come; nothing where all has to be counted anew.
async fn add(
    client: &Client,
    mut tally: Tally,
    now: DateTime<Utc>,
) -> Result<Option<(Tally, Vec<Young>)>, Refused> {
    let settles = tally.settled.max(now - SETTLES);
    let asked: [&(dyn ToSql + Sync); 2] = [&tally.settled, &settles];
    let (rows, counters) = tokio::try_join!(client.query(YOUNG, &asked), Counters::read(client, TABLE))?;
    let mut young = Vec::new();
    for row in &rows {
        let row = young_row(row)?;
        if row.settles {
            tally.before.add(&row);
        } else {
            young.push(row);
        }
    }
    tally.settled = settles;
    let whole = tally.before.all() + young.iter().map(|row| row.events).sum::<i64>();
    Ok((!tally.count.outdated(whole, counters, now)).then_some((tally, young)))
}

/// Counts all rows as of one moment.
async fn count(client: &mut Client, now: DateTime<Utc>) -> Result<(Tally, Vec<Young>), Refused> {
    let (settled, since) = (now - SETTLES, first_hour(now));
    let snapshot = snapshot(client).await?;
    // The counters first: what is removed while all is counted then counts as changed since.
    let counters = Counters::read(&snapshot, TABLE).await?;
    let mut before = Counted::default();
    let most = i64::try_from(NAMES).unwrap_or(i64::MAX);
    for row in snapshot.query(ALL, &[&most]).await? {
        let of_key = before.of(key(&row)?);
        of_key.events += row.try_get::<_, i64>(4)?;
        of_key.newest_at = of_key.newest_at.max(row.try_get(5)?);
    }
    let count = Count { at: now, rows: before.all(), counters };
    let young = snapshot.query(YOUNG, &[&settled, &settled]).await?;
    let young = young.iter().map(young_row).collect::<Result<Vec<_>, _>>()?;
    // Those are added to it at each look.
    for row in &young {
        let mut key = row.key.clone();
        if !before.0.contains_key(&key) {
            key.name = None;
        }
        before.of(key).events -= row.events;
    }
    let known: Vec<&Key> = before.0.keys().filter(|key| key.name.is_some()).collect();
    let column = |of: fn(&Key) -> &str| known.iter().map(|key| of(key)).collect::<Vec<&str>>();
    let (sources, dialects) = (column(|key| key.source.as_str()), column(|key| key.dialect.as_str()));
    let (kinds, names) =
        (column(|key| key.kind.as_str()), column(|key| key.name.as_deref().unwrap_or_default()));
    let rows = snapshot.query(PAST_HOURS, &[&sources, &dialects, &kinds, &names, &since, &settled]).await?;
    for row in rows {
        *before.of(key(&row)?).hours.entry(row.try_get(4)?).or_default() += row.try_get::<_, i64>(5)?;
    }
    snapshot.commit().await?;
    Ok((Tally { before, settled, count }, young))
}

fn key(row: &Row) -> Result<Key, tokio_postgres::Error> {
    let name: Option<&str> = row.try_get(3)?;
    Ok(Key {
        source: row.try_get(0)?,
        dialect: row.try_get(1)?,
        kind: row.try_get(2)?,
        name: name.filter(|name| names_no_person(name)).map(str::to_owned),
    })
}

fn young_row(row: &Row) -> Result<Young, tokio_postgres::Error> {
    Ok(Young {
        key: key(row)?,
        hour: row.try_get(4)?,
        events: row.try_get(5)?,
        newest_at: row.try_get(6)?,
        settles: row.try_get(7)?,
    })
}

/// How long a name may be, and how many digits in a row it may have.
const LONGEST: usize = 80;
const DIGITS: usize = 5;

/// Whether a name is a word of a program's vocabulary as far as can be told: a sender may call an event
/// whatever it likes, also by an address, a telephone number or an id.
fn names_no_person(name: &str) -> bool {
    let digits = name.split(|letter: char| !letter.is_ascii_hexdigit() && !" -.+()/".contains(letter));
    let digits = digits.map(|run| run.chars().filter(char::is_ascii_digit).count()).max();
    !name.contains('@') && name.chars().count() <= LONGEST && digits.unwrap_or(0) <= DIGITS
}

/// What is told of it: hours without any event stand there too.
fn others(tally: &Tally, young: &[Young], now: DateTime<Utc>) -> Others {
    let mut counted = tally.before.clone();
    for row in young {
        counted.add(row);
    }
    let since = first_hour(now);
    let none = || KINDS.map(|kind| (kind.to_owned(), 0)).into();
    let mut told_hours: Vec<Hour> = hours(now).map(|from| Hour { from, by_kind: none() }).collect();
    let mut by_kind: BTreeMap<String, Events> = KINDS.map(|kind| (kind.to_owned(), Events::default())).into();
    let mut names = Vec::new();
    for (Key { source, dialect, kind, name }, of_key) in counted.0 {
        if of_key.events == 0 {
            continue;
        }
        let mut recent = 0;
        for (hour, events) in of_key.hours.range(since..) {
            // What a collector's clock puts ahead is of the hour under way.
            let hour = (*hour).min(hour_of(now));
            if let Some(told) = told_hours.iter_mut().find(|told| told.from == hour) {
                *told.by_kind.entry(kind.clone()).or_default() += events;
                recent += events;
            }
        }
        let events = Events { recent, kept: of_key.events };
        *by_kind.entry(kind.clone()).or_default() += events;
        names.push(Name { source, dialect, kind, name, events, newest_at: of_key.newest_at });
    }
    names.sort_by_key(|name| std::cmp::Reverse((name.events.recent, name.events.kept)));
    Others { since, by_kind, names, hours: told_hours, counted_at: tally.count.at }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::watch::counted::tests_support::{at, counted};

    fn young(name: &str, kind: &str, hour: &str, events: i64, settles: bool) -> Young {
        let key = Key {
            source: "shop".into(),
            dialect: "segment".into(),
            kind: kind.into(),
            name: Some(name.into()),
        };
        Young { key, hour: at(hour), events, newest_at: at(hour), settles }
    }

    fn tally(now: DateTime<Utc>) -> Tally {
        Tally { before: Counted::default(), settled: now, count: counted(now) }
    }

    #[test]
    fn hours_and_kinds_without_any_are_told_as_none() {
        let now = at("2026-01-02T03:04:05Z");
        let mut tally = tally(now);
        tally.before.add(&young("Page", "other", "2026-01-01T02:00:00Z", 4, true));
        tally.before.add(&young("Page", "other", "2026-01-01T03:00:00Z", 2, true));
        // A collector's clock may be ahead.
        let ahead = [young("Page", "other", "2026-01-02T04:00:00Z", 3, false)];
        let told = others(&tally, &ahead, now);
        assert_eq!(told.by_kind["other"], Events { recent: 5, kept: 9 });
        assert_eq!(told.by_kind["bot"], Events::default());
        assert_eq!((told.since, told.hours.len()), (at("2026-01-01T03:00:00Z"), 25));
        let of = |kind: &str| told.hours.iter().map(|hour| hour.by_kind[kind]).collect::<Vec<_>>();
        let others = of("other");
        assert_eq!((others[0], others[24], others[1..24].iter().sum::<i64>()), (2, 3, 0));
        assert_eq!(of("bot").iter().sum::<i64>(), 0);
        assert_eq!(told.names[0].newest_at, at("2026-01-02T04:00:00Z"));
    }

    #[test]
    fn a_name_that_may_be_a_persons_is_not_told() {
        for name in
            ["Product List Viewed", "$autocapture", "orders/paid", "Step 12345", "A/B 2026", "Ünïcode"]
        {
            assert!(names_no_person(name), "{name}");
        }
        for name in [
            "Welcome ada@example.org",
            "Called +41 79 123 45 67",
            "Viewed 6d0ac2ce-0000-5000-8000-000000000001",
            "Order 1234567",
            &"x".repeat(81),
        ] {
            assert!(!names_no_person(name), "{name}");
        }
    }

    proptest! {
        /// However many names are sent, and whichever rows have settled, all events are told and no more
        /// names than may be.
        #[test]
        fn the_sum_is_of_all_rows(
            rows in prop::collection::vec((0..400_u32, any::<bool>(), any::<bool>(), 1..50_i64), 0..600),
        ) {
            let now = at("2026-01-02T03:04:05Z");
            let mut tally = tally(now);
            let (mut unsettled, mut expected) = (Vec::new(), BTreeMap::from([("bot", 0), ("other", 0)]));
            for (name, bot, settles, events) in rows {
                let kind = if bot { "bot" } else { "other" };
                *expected.entry(kind).or_default() += events;
                let row = young(&name.to_string(), kind, "2026-01-02T03:00:00Z", events, settles);
                if settles { tally.before.add(&row) } else { unsettled.push(row) }
            }
            let told = others(&tally, &unsettled, now);
            for (kind, events) in expected {
                prop_assert_eq!(told.by_kind[kind], Events { recent: events, kept: events });
                prop_assert_eq!(told.hours[24].by_kind[kind], events);
            }
            prop_assert!(told.names.len() <= NAMES + KINDS.len());
            let kept: i64 = told.names.iter().map(|name| name.events.kept).sum();
            prop_assert_eq!(kept, told.by_kind.values().map(|events| events.kept).sum::<i64>());
        }
    }
}
