//! Reads stretches of the shop's tables: one question a partition, all of them at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, DurationRound, NaiveDate, TimeDelta, Utc};
use contracts::cube::Grouping;
use contracts::family::{LIVE, PRODUCTS};
use futures::future::try_join_all;

use super::store::{Ask, Store, Stored, Which};
use super::{Product, Products};
use crate::figures::distinct::Distinct;
use crate::figures::period::Stretch;
use crate::watch::Refused;

/// Windows of five minutes shown: an hour of them, two a minute.
const VISITORS: u32 = 121;
/// So many partitions are asked for in one statement at most: its coordinator reads them all.
const TOGETHER: usize = 64;

/// The rows of a stretch, from the partitions of its days.
pub(super) async fn fetch(
    store: &Store,
    grouping: &'static Grouping,
    stretch: Stretch,
    dimensions: impl Fn(NaiveDate) -> Vec<Option<Arc<str>>>,
) -> Result<Vec<Stored>, Refused> {
    read(store, &asks(grouping, stretch, dimensions)).await
}

/// The same in one question a day, for stretches so short that every partition gives a row or two.
pub(super) async fn fetch_newest(
    store: &Store,
    grouping: &'static Grouping,
    stretch: Stretch,
    dimensions: impl Fn(NaiveDate) -> Vec<Option<Arc<str>>>,
) -> Result<Vec<Stored>, Refused> {
    let mut together: Vec<Ask> = Vec::new();
    for mut ask in asks(grouping, stretch, dimensions) {
        let Some(dimension) = ask.dimension.take() else {
            together.push(ask);
            continue;
        };
        match together.last_mut() {
            Some(Ask { at, rows: Which::BetweenOfSeveral(_, several), .. })
                if *at == ask.at && several.len() < TOGETHER =>
            {
                several.push(dimension);
            }
            _ => {
                ask.rows = Which::BetweenOfSeveral(stretch, vec![dimension]);
                together.push(ask);
            }
        }
    }
    read(store, &together).await
}

async fn read(store: &Store, asks: &[Ask]) -> Result<Vec<Stored>, Refused> {
    let read = asks.iter().map(async |ask| {
        let mut rows = Vec::new();
        store.read(ask, |row| rows.push(row)).await?;
        Ok::<_, Refused>(rows)
    });
    Ok(try_join_all(read).await?.into_iter().flatten().collect())
}

/// A question a partition.
pub(crate) fn asks(
    grouping: &'static Grouping,
    stretch: Stretch,
    dimensions: impl Fn(NaiveDate) -> Vec<Option<Arc<str>>>,
) -> Vec<Ask> {
    let step = if grouping.partition_key.contains(&contracts::cube::CUBE.hour) {
        TimeDelta::hours(1)
    } else {
        TimeDelta::days(1)
    };
    let mut asks = Vec::new();
    let mut at = stretch.from.duration_trunc(step).unwrap_or(stretch.from);
    while at < stretch.to {
        for dimension in dimensions(at.date_naive()) {
            asks.push(Ask { grouping, at, dimension, rows: Which::Between(stretch) });
        }
        at += step;
    }
    asks
}

/// Visitors of the windows of the last hour. Each event lies in windows that end later: these are of the
/// future yet.
pub(super) async fn visitors(
    store: &Store,
    now: DateTime<Utc>,
) -> Result<BTreeMap<DateTime<Utc>, Distinct>, Refused> {
    let hour_ago = now - TimeDelta::hours(1);
    let mut visitors = BTreeMap::new();
    for at in BTreeSet::from([hour_ago.date_naive(), now.date_naive()]) {
        let ask = Ask {
            grouping: &LIVE.tables[0],
            at: at.and_time(chrono::NaiveTime::MIN).and_utc(),
            dimension: None,
            rows: Which::NewestTo(now, VISITORS),
        };
        let mut rows = Vec::new();
        store.read(&ask, |row| rows.push(row)).await?;
        for row in rows {
            visitors.insert(row.at, Distinct::new(row.users.unwrap_or_default()));
        }
    }
    // Of a shop that has been quiet for long, the newest alone.
    let newest = visitors.last_key_value().map(|(at, _)| *at);
    visitors.retain(|at, _| *at > hour_ago || Some(*at) == newest);
    Ok(visitors)
}

pub(super) async fn products(store: &Store, hour: DateTime<Utc>) -> Result<Products, Refused> {
    let ask = Ask { grouping: &PRODUCTS.tables[0], at: hour, dimension: None, rows: Which::At(hour) };
    let mut rows = Vec::new();
    store
        .read(&ask, |row| {
            let [item_id, item_name] = row.key;
            rows.push(Product { item_id, item_name, sums: row.sums, before: row.before });
        })
        .await?;
    Ok(Products { hour, rows })
}

#[cfg(test)]
mod tests {
    use super::super::Kept;
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_stretch_is_asked_of_each_day_and_hour_that_it_touches() {
        let stretch = Stretch { from: at("2026-11-27T23:50:00Z"), to: at("2026-11-28T02:00:00Z") };
        assert_eq!(asks(Kept::Activity.grouping(), stretch, |_| vec![None]).len(), 2);
        let countries = |day: NaiveDate| {
            let known = if day == stretch.from.date_naive() { vec!["CH"] } else { vec!["CH", "DE"] };
            known.into_iter().map(|country| Some(Arc::from(country))).collect()
        };
        assert_eq!(asks(Kept::Countries.grouping(), stretch, countries).len(), 3);
        let products = contracts::cube::grouping("sales_by_product").unwrap();
        assert_eq!(asks(products, stretch, |_| vec![None]).len(), 3);
        let empty = Stretch { from: stretch.to, to: stretch.to };
        assert!(asks(products, empty, |_| vec![None]).len() <= 1);
    }
}
