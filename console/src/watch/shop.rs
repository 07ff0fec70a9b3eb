//! The shop's figures, from Cassandra: the newest minutes as they change, and sums of what is over, kept in
//! memory.

mod fetch;
mod loads;
mod marker;
mod memory;
mod minutes;
mod poller;
mod read_only;
pub(crate) mod store;
pub(crate) mod table;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use contracts::cube::{GROUPINGS, Grouping};
use contracts::event::EVENT;
use contracts::record::Column;

pub(crate) use fetch::asks;
pub(crate) use poller::run;

use self::table::{Cells, NotKept, Table};
use crate::figures::coverage::Coverage;
use crate::figures::distinct::Distinct;
use crate::figures::period::Stretch;
use crate::figures::sums::Sums;

/// The tables of the cube whose sums are kept. That of products is too large: of it, the newest hour's is
/// read alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kept {
    Activity,
    Countries,
    Categories,
    Channels,
    Who,
}

impl Kept {
    pub(crate) const ALL: [Self; 5] =
        [Self::Activity, Self::Countries, Self::Categories, Self::Channels, Self::Who];

    const fn dimensions(self) -> &'static [Column] {
        match self {
            Self::Activity => &[],
            Self::Countries => &[EVENT.country],
            Self::Categories => &[EVENT.category],
            Self::Channels => &[EVENT.channel, EVENT.device],
            Self::Who => &[EVENT.gender, EVENT.age_band],
        }
    }

    /// What the contract says of it.
    pub(crate) fn grouping(self) -> &'static Grouping {
        let own = GROUPINGS.iter().find(|grouping| grouping.dimensions == self.dimensions());
        // A test holds that there is one.
        own.unwrap_or(&GROUPINGS[0])
    }
}

/// One hour of the whole shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hour {
    pub(crate) sums: Sums,
    pub(crate) users: Distinct,
}

/// What a product sold in an hour and in the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Product {
    pub(crate) item_id: Arc<str>,
    pub(crate) item_name: Arc<str>,
    pub(crate) sums: Sums,
    pub(crate) before: Sums,
}

/// All products of an hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Products {
    pub(crate) hour: DateTime<Utc>,
    pub(crate) rows: Vec<Product>,
}

/// All of it. What is not loaded yet is not there, which is not the same as 0.
#[derive(Debug, Default)]
pub(crate) struct Shop {
    pub(crate) coverage: Coverage,
    /// Of the money.
    pub(crate) currency: Option<String>,
    tables: HashMap<Kept, Table>,
    pub(crate) hours: Arc<BTreeMap<DateTime<Utc>, Hour>>,
    /// Hours from here on are in `hours`; nothing before they were read.
    pub(crate) hours_from: Option<DateTime<Utc>>,
    /// Visitors of five minutes by the end of these, of the last hour.
    pub(crate) visitors: Arc<BTreeMap<DateTime<Utc>, Distinct>>,
    pub(crate) products: Option<Arc<Products>>,
    /// The newest event, where it lies ahead of the clock: a sender's clock is wrong.
    pub(crate) ahead: Option<DateTime<Utc>>,
    /// Changes with every rebuild, repair, plan and move of the floor, and where the line has caught up on
    /// days that were over: whatever was made of earlier figures is out of date.
    pub(crate) revision: String,
    /// The countries that have rows.
    pub(crate) countries: Arc<[Arc<str>]>,
    sums: Mutex<HashMap<(Kept, Stretch), Arc<Cells>>>,
}

impl Shop {
    /// With tables, all of whose minutes were read in a stretch.
    #[cfg(test)]
    pub(crate) fn of(coverage: Coverage, stretch: Stretch, rows: Vec<(Kept, Vec<store::Stored>)>) -> Self {
        let mut tables: HashMap<Kept, Table> = HashMap::new();
        for (kept, rows) in rows {
            tables.entry(kept).or_default().replace(stretch, rows, |_| true);
        }
        Self { coverage, tables, currency: Some("EUR".to_owned()), ..Self::default() }
    }

    /// A table.
    pub(crate) fn table(&self, kept: Kept) -> Option<&Table> {
        self.tables.get(&kept)
    }

    /// The sums of a stretch by key, added up once for all who ask.
    pub(crate) fn sums(&self, kept: Kept, stretch: Stretch) -> Result<Arc<Cells>, NotKept> {
        let lock = || self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sums) = lock().get(&(kept, stretch)) {
            return Ok(Arc::clone(sums));
        }
        let sums = Arc::new(self.table(kept).ok_or(NotKept)?.sums(stretch)?);
        lock().insert((kept, stretch), Arc::clone(&sums));
        Ok(sums)
    }

    /// The sums of a stretch of the whole shop.
    pub(crate) fn total(&self, stretch: Stretch) -> Result<Sums, NotKept> {
        let mut total = Sums::default();
        self.sums(Kept::Activity, stretch)?.values().for_each(|sums| total += sums);
        Ok(total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_that_is_kept_is_one_of_the_cube() {
        for kept in Kept::ALL {
            assert_eq!(kept.grouping().dimensions, kept.dimensions(), "{kept:?}");
        }
    }
}
