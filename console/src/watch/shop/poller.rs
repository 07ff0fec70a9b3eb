//! Looks at the shop's tables: what is new twice a second, what may still grow every ten seconds, what is
//! over once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use contracts::family::HOURS;

use super::fetch::{fetch, products, visitors};
use super::loads::{DAYS_KEPT, Loads};
use super::marker::{Marker, Moved};
use super::memory::Memory;
use super::store::Stored;
use super::table::{QUARTER, quarter};
use super::{Hour, Kept, Products, Shop};
use crate::app::App;
use crate::figures::coverage::Coverage;
use crate::figures::distinct::Distinct;
use crate::figures::period::{Stretch, floor};
use crate::watch::{Pace, Refused, refused, told, words};

/// How often the newest minutes are looked at; a round may take as long as its reads may.
const PACE: Pace = Pace {
    watched: Duration::from_millis(500),
    alone: Duration::from_secs(30),
    answer: Duration::from_secs(20),
};
/// Between two looks at all minutes that may still grow.
const GROWING: Duration = Duration::from_secs(10);
/// Between two looks at visitors, hours and products.
const SLOWER: Duration = Duration::from_secs(5);
/// Between two looks at PostgreSQL's marker.
const MARKED: Duration = Duration::from_secs(10);
/// Between two comparisons of what is stored with what is in memory: a line that catches up after an outage
/// writes rows of days that are over.
const SWEPT: Duration = Duration::from_secs(60);
/// Between two looks at which countries and days there are; a shop that has just begun has few.
const LISTED: Duration = Duration::from_secs(300);
const LISTED_FIRST: Duration = Duration::from_secs(5);
/// The same where the countries together have less than the shop: one has come that is not listed.
const LISTED_AGAIN: Duration = Duration::from_secs(15);
/// So many countries of a day are more than a beginning.
const COUNTRIES: usize = 15;
/// While something is still to be loaded, a round loads this long.
const LOADING: Duration = Duration::from_millis(400);
/// Events may come ten minutes late, and a little while passes until they are written.
const STILL_GROWS: TimeDelta = TimeDelta::minutes(12);
/// Days of hours that are kept.
const HOUR_DAYS: i64 = 15;

/// Looks until the console stops.
pub(crate) async fn run(app: App) {
    let mut poller = Poller::new(app.clone());
    loop {
        let round = tokio::select! {
            () = app.stop.cancelled() => return,
            round = tokio::time::timeout(PACE.answer, poller.round()) => round,
        };
        let answered = matches!(round, Ok(Ok(())));
        match round {
            Ok(Ok(())) => told(&app.watch.shop, poller.shop()),
            Ok(Err(error)) => refused(&app.watch.shop, words(&*error)),
            Err(_) => refused(&app.watch.shop, format!("no answer within {} s", PACE.answer.as_secs())),
        }
        let loads = answered && !poller.loads.is_empty();
        tokio::select! {
            () = app.stop.cancelled() => return,
            // Loading leaves room for others.
            () = tokio::time::sleep(LOADING / 2), if loads => {}
            () = app.watch.due(PACE), if !loads => {}
        }
    }
}

#[derive(Debug, Default)]
struct Times(HashMap<&'static str, Instant>);

impl Times {
    /// Whether something is due again; asked once a round.
    fn due(&self, what: &'static str, every: Duration) -> bool {
        self.0.get(what).is_none_or(|last| last.elapsed() >= every)
    }

    fn done(&mut self, what: &'static str) {
        self.0.insert(what, Instant::now());
    }
}

struct Poller {
    app: App,
    times: Times,
    marker: Option<Marker>,
    memory: Memory,
    loads: Loads,
    /// When all minutes that may still grow were last read.
    grown_at: Option<DateTime<Utc>>,
    hours: Arc<BTreeMap<DateTime<Utc>, Hour>>,
    hours_from: Option<DateTime<Utc>>,
    visitors: Arc<BTreeMap<DateTime<Utc>, Distinct>>,
    products: Option<Arc<Products>>,
    rounds: u64,
    /// How often rows of days that were over were found to have changed.
    changed: u64,
}

impl Poller {
    fn new(app: App) -> Self {
        Self {
            app,
            times: Times::default(),
            marker: None,
            memory: Memory::new(),
            loads: Loads::default(),
            grown_at: None,
            hours: Arc::default(),
            hours_from: None,
            visitors: Arc::default(),
            products: None,
            rounds: 0,
            changed: 0,
        }
    }

    fn shop(&self) -> Shop {
        let now = Utc::now();
        let (marker, newest) = (self.marker.as_ref(), self.memory.newest());
        Shop {
            coverage: Coverage {
                floor: marker.and_then(|marker| marker.floor),
                owned_from: marker.and_then(|marker| marker.owned_from),
                first_row: self.memory.first_row(),
                as_of: newest.map(|newest| newest.min(now)),
                quiet_to: None,
            },
            currency: marker.and_then(|marker| marker.currency.clone()),
            tables: self.memory.tables().clone(),
            hours: Arc::clone(&self.hours),
            hours_from: self.hours_from,
            visitors: Arc::clone(&self.visitors),
            products: self.products.clone(),
            ahead: newest.filter(|newest| *newest > now),
            revision: format!(
                "{}.{}.{}",
                marker.map(Marker::revision).unwrap_or_default(),
                self.app.hub.epoch(),
                self.changed
            ),
            countries: self.memory.countries(),
            ..Shop::default()
        }
    }

    async fn round(&mut self) -> Result<(), Refused> {
        self.rounds += 1;
        let now = Utc::now();
        self.look_at_marker(now).await?;
        let today = self.memory.countries_of(now.date_naive());
        if self.times.due("listed", if today < COUNTRIES { LISTED_FIRST } else { LISTED }) {
            self.memory.list(self.app.shop.store()).await?;
            self.times.done("listed");
        }
        if self.times.due("slower", SLOWER) {
            self.slower(now).await?;
            self.times.done("slower");
        }
        self.refresh(now).await?;
        if self.times.due("swept", SWEPT) && self.loads.is_empty() {
            self.sweep(now).await?;
            self.times.done("swept");
            let (queries, rows) = self.app.shop.store().asked();
            let cells = self.memory.cells();
            tracing::debug!(rounds = self.rounds, queries, rows, cells, "looks at the shop's tables");
        }
        for load in self.memory.without_minutes(now) {
            self.loads.first(load);
        }
        let begun = Instant::now();
        while begun.elapsed() < LOADING
            && let Some(load) = self.loads.next()
        {
            self.memory.load(self.app.shop.store(), load, now).await?;
            self.loads.done();
        }
        self.memory.thin(now);
        Ok(())
    }

    /// Without PostgreSQL it goes on with what was known, but does not begin: nobody could say how far
    /// figures reach.
    async fn look_at_marker(&mut self, now: DateTime<Utc>) -> Result<(), Refused> {
        if !self.times.due("marked", MARKED) {
            return Ok(());
        }
        let read = async {
            self.app.own.asks_postgres(1);
            let marker = Marker::read(&self.app.pool).await?;
            let moved = match &self.marker {
                Some(earlier) => marker.since(earlier, &self.app.pool).await?,
                None => Moved::All,
            };
            Ok::<_, Refused>((marker, moved))
        };
        let read = tokio::time::timeout(Duration::from_secs(2), read).await;
        self.times.done("marked");
        match read {
            Ok(Ok((marker, moved))) => {
                self.marker = Some(marker);
                match moved {
                    Moved::Nothing => {}
                    Moved::Windows(stretch) => self.load_again(stretch),
                    Moved::All => self.load_all(now),
                }
                Ok(())
            }
            _ if self.marker.is_some() => Ok(()),
            Ok(Err(error)) => {
                self.times = Times::default();
                Err(format!("PostgreSQL does not say how far figures reach: {}", words(&*error)).into())
            }
            Err(_) => {
                self.times = Times::default();
                Err("PostgreSQL does not say how far figures reach: no answer within 2 s".into())
            }
        }
    }

    /// Everything anew.
    fn load_all(&mut self, now: DateTime<Utc>) {
        self.loads = Loads::all(now);
        self.memory.forget_newest();
        self.hours_from = None;
        self.times = Times::default();
        self.times.done("marked");
    }

    /// These windows of all tables anew.
    fn load_again(&mut self, windows: Stretch) {
        if self.loads.again(windows, Utc::now()) {
            self.hours_from = None;
        }
    }

    /// What changes more slowly.
    async fn slower(&mut self, now: DateTime<Utc>) -> Result<(), Refused> {
        let hour = now.duration_trunc(TimeDelta::hours(1)).unwrap_or(now);
        let today = now.duration_trunc(TimeDelta::days(1)).unwrap_or(now);
        let oldest = today - TimeDelta::days(HOUR_DAYS);
        let from = if self.hours_from.is_some() { hour - TimeDelta::hours(2) } else { oldest };
        let store = self.app.shop.store();
        let stretch = Stretch { from, to: hour + TimeDelta::hours(1) };
        let (hours, visitors, products) = futures::future::try_join3(
            fetch(store, &HOURS.tables[0], stretch, |_| vec![None]),
            visitors(store, now),
            products(store, hour),
        )
        .await?;
        self.keep_hours(oldest, stretch, hours);
        self.hours_from = Some(oldest);
        self.visitors = Arc::new(visitors);
        self.products = Some(Arc::new(products));
        Ok(())
    }

    /// The newest minutes; every while all that may still grow.
    async fn refresh(&mut self, now: DateTime<Utc>) -> Result<(), Refused> {
        let to = floor(now) + TimeDelta::minutes(2);
        if self.memory.has_a_gap(now) || self.times.due("grown", GROWING) {
            let from = quarter(self.grown_at.unwrap_or(now).min(now) - STILL_GROWS);
            // After a long while without a look that is more than is shown: what was loaded then is loaded
            // anew.
            let stretch = Stretch { from: from.max(now - TimeDelta::days(DAYS_KEPT)), to };
            self.memory.read(self.app.shop.store(), &Kept::ALL, stretch, now, true).await?;
            self.grown_at = Some(now);
            self.times.done("grown");
            if self.memory.lacks_a_country(stretch) && self.times.due("listed", LISTED_AGAIN) {
                self.memory.list(self.app.shop.store()).await?;
                self.times.done("listed");
            }
            return Ok(());
        }
        let stretch = Stretch { from: floor(now) - TimeDelta::minutes(1), to };
        // Every second round is for those that people follow.
        let tables: &[Kept] =
            if self.rounds.is_multiple_of(2) { &Kept::ALL } else { &[Kept::Activity, Kept::Countries] };
        self.memory.read(self.app.shop.store(), tables, stretch, now, false).await
    }

    /// Takes what was read of a stretch in place of what was known of it, and forgets what is older than it
    /// may be.
    fn keep_hours(&mut self, oldest: DateTime<Utc>, stretch: Stretch, rows: Vec<Stored>) {
        let kept = Arc::make_mut(&mut self.hours);
        *kept = kept.split_off(&oldest);
        kept.retain(|at, _| !stretch.contains(*at));
        for row in rows {
            let users = Distinct::new(row.users.unwrap_or_default());
            kept.insert(row.at, Hour { sums: row.sums, users });
        }
    }

    /// Compares what is stored with what is in memory, and reads anew what differs: minutes of yesterday and
    /// today, and of earlier days their hours, of which there are few.
    async fn sweep(&mut self, now: DateTime<Utc>) -> Result<(), Refused> {
        let today = now.duration_trunc(TimeDelta::days(1)).unwrap_or(now);
        let (oldest, yesterday) = (today - TimeDelta::days(HOUR_DAYS), today - TimeDelta::days(1));
        let recent = Stretch { from: yesterday, to: quarter(now - STILL_GROWS) };
        let quarters = self.memory.differing(self.app.shop.store(), recent).await?;
        let earlier = Stretch { from: oldest, to: yesterday };
        let hours = fetch(self.app.shop.store(), &HOURS.tables[0], earlier, |_| vec![None]).await?;
        let differing = self.memory.differing_hours(&hours, earlier);
        if !differing.is_empty() {
            // Such a day may be new, and so may its countries.
            self.memory.list(self.app.shop.store()).await?;
            self.times.done("listed");
        }
        let before = Arc::clone(&self.hours);
        self.keep_hours(oldest, earlier, hours);
        if !(quarters.is_empty() && differing.is_empty() && before == self.hours) {
            self.changed += 1;
        }
        let quarters = quarters.into_iter().map(|at| Stretch { from: at, to: at + QUARTER });
        for stretch in quarters.chain(differing) {
            self.load_again(stretch);
        }
        Ok(())
    }
}
