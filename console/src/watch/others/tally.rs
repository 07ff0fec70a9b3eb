//! Counts of what is kept beside the figures, kept from one look to the next.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use tokio_postgres::{Error, Row, Transaction};

use super::{Events, Hour, KINDS, Name, Others};
use crate::watch::counted::{self, CountedTable, first_hour, hour_of, hours};

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
        received_at < $2 as settles
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

/// The events that are kept, counted.
pub(super) type Counting = counted::Counting<Kept>;

/// Events counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Kept(BTreeMap<Key, OfKey>);

/// Events of one name and hour.
pub(super) struct Young {
    key: Key,
    hour: DateTime<Utc>,
    events: i64,
    newest_at: DateTime<Utc>,
}

impl Kept {
    fn of(&mut self, mut key: Key) -> &mut OfKey {
        if self.0.len() >= NAMES && !self.0.contains_key(&key) {
            key.name = None;
        }
        self.0.entry(key).or_default()
    }
}

impl CountedTable for Kept {
    const NAME: &'static str = "other_events";
    const YOUNG: &'static str = YOUNG;
    type Young = Young;
    type View = Others;

    fn young(row: &Row) -> Result<Young, Error> {
        Ok(Young {
            key: key(row)?,
            hour: row.try_get(4)?,
            events: row.try_get(5)?,
            newest_at: row.try_get(6)?,
        })
    }

    fn len(young: &Young) -> i64 {
        young.events
    }

    async fn read(snapshot: &Transaction<'_>) -> Result<Self, Error> {
        let mut kept = Self::default();
        let most = i64::try_from(NAMES).unwrap_or(i64::MAX);
        for row in snapshot.query(ALL, &[&most]).await? {
            let of_key = kept.of(key(&row)?);
            of_key.events += row.try_get::<_, i64>(4)?;
            of_key.newest_at = of_key.newest_at.max(row.try_get(5)?);
        }
        Ok(kept)
    }

    async fn read_hours(
        &mut self,
        snapshot: &Transaction<'_>,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<(), Error> {
        let known: Vec<&Key> = self.0.keys().filter(|key| key.name.is_some()).collect();
        let column = |of: fn(&Key) -> &str| known.iter().map(|key| of(key)).collect::<Vec<&str>>();
        let (sources, dialects) = (column(|key| key.source.as_str()), column(|key| key.dialect.as_str()));
        let (kinds, names) =
            (column(|key| key.kind.as_str()), column(|key| key.name.as_deref().unwrap_or_default()));
        let rows = snapshot.query(PAST_HOURS, &[&sources, &dialects, &kinds, &names, &from, &to]).await?;
        for row in rows {
            *self.of(key(&row)?).hours.entry(row.try_get(4)?).or_default() += row.try_get::<_, i64>(5)?;
        }
        Ok(())
    }

    fn rows(&self) -> i64 {
        self.0.values().map(|of_key| of_key.events).sum()
    }

    fn add(&mut self, young: &Young) {
        let of_key = self.of(young.key.clone());
        of_key.events += young.events;
        of_key.newest_at = of_key.newest_at.max(young.newest_at);
        *of_key.hours.entry(young.hour).or_default() += young.events;
    }

    fn take_out(&mut self, young: &Young) {
        let mut key = young.key.clone();
        if !self.0.contains_key(&key) {
            key.name = None;
        }
        self.of(key).events -= young.events;
    }

    /// Hours without any event stand there too.
    fn view(&self, counted_at: DateTime<Utc>, now: DateTime<Utc>) -> Others {
        let since = first_hour(now);
        let none = || KINDS.map(|kind| (kind.to_owned(), 0)).into();
        let mut told_hours: Vec<Hour> = hours(now).map(|from| Hour { from, by_kind: none() }).collect();
        let mut by_kind: BTreeMap<String, Events> =
            KINDS.map(|kind| (kind.to_owned(), Events::default())).into();
        let mut names = Vec::new();
        for (key, of_key) in self.0.iter().filter(|(_, of_key)| of_key.events != 0) {
            let mut recent = 0;
            for (hour, events) in of_key.hours.range(since..) {
                // What a collector's clock puts ahead is of the hour under way.
                let hour = (*hour).min(hour_of(now));
                if let Some(told) = told_hours.iter_mut().find(|told| told.from == hour) {
                    *told.by_kind.entry(key.kind.clone()).or_default() += events;
                    recent += events;
                }
            }
            let events = Events { recent, kept: of_key.events };
            *by_kind.entry(key.kind.clone()).or_default() += events;
            let Key { source, dialect, kind, name } = key.clone();
            names.push(Name { source, dialect, kind, name, events, newest_at: of_key.newest_at });
        }
        names.sort_by_key(|name| std::cmp::Reverse((name.events.recent, name.events.kept)));
        Others { since, by_kind, names, hours: told_hours, counted_at }
    }
}

fn key(row: &Row) -> Result<Key, Error> {
    let name: Option<&str> = row.try_get(3)?;
    Ok(Key {
        source: row.try_get(0)?,
        dialect: row.try_get(1)?,
        kind: row.try_get(2)?,
        name: name.filter(|name| names_no_person(name)).map(str::to_owned),
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::watch::counted::tests_support::at;

    fn young(name: &str, kind: &str, hour: &str, events: i64) -> Young {
        let key = Key {
            source: "shop".into(),
            dialect: "segment".into(),
            kind: kind.into(),
            name: Some(name.into()),
        };
        Young { key, hour: at(hour), events, newest_at: at(hour) }
    }

    #[test]
    fn hours_and_kinds_without_any_are_told_as_none() {
        let now = at("2026-01-02T03:04:05Z");
        let mut kept = Kept::default();
        kept.add(&young("Page", "other", "2026-01-01T02:00:00Z", 4));
        kept.add(&young("Page", "other", "2026-01-01T03:00:00Z", 2));
        // A collector's clock may be ahead.
        kept.add(&young("Page", "other", "2026-01-02T04:00:00Z", 3));
        let told = kept.view(now, now);
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
        /// However many names are sent, and whichever rows were counted with all, all events are told once
        /// and no more names than may be.
        #[test]
        fn the_sum_is_of_all_rows(
            rows in prop::collection::vec((0..400_u32, any::<bool>(), any::<bool>(), 1..50_i64), 0..600),
        ) {
            let now = at("2026-01-02T03:04:05Z");
            let mut kept = Kept::default();
            let mut expected = BTreeMap::from([("bot", 0), ("other", 0)]);
            for (name, bot, counted_before, events) in rows {
                let kind = if bot { "bot" } else { "other" };
                *expected.entry(kind).or_default() += events;
                let young = young(&name.to_string(), kind, "2026-01-02T03:00:00Z", events);
                if counted_before {
                    kept.of(young.key.clone()).events += events;
                    kept.take_out(&young);
                }
                kept.add(&young);
            }
            prop_assert_eq!(kept.rows(), expected.values().sum::<i64>());
            let told = kept.view(now, now);
            for (kind, events) in expected {
                prop_assert_eq!(told.by_kind[kind], Events { recent: events, kept: events });
                prop_assert_eq!(told.hours[24].by_kind[kind], events);
            }
            prop_assert!(told.names.len() <= NAMES + KINDS.len());
            let all: i64 = told.names.iter().map(|name| name.events.kept).sum();
            prop_assert_eq!(all, told.by_kind.values().map(|events| events.kept).sum::<i64>());
        }
    }
}
