//! What a period shows that was chosen: from memory where it is there, else from the tables.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::family::{HOURS, LIVE};

use super::breakdown::{Groups, Slice, breakdown};
use super::compare::Sides;
use super::coverage::Coverage;
use super::live::{self, compared, groups, kept_by, matrix_of};
use super::period::{Period, Stretch};
use super::reader::{self, BY_WINDOW, Failure, Reader, by_product};
use super::series::{self, Drawn};
use super::teller::{Teller, coverage};
use super::view::{Breakdown, By, Hour, Hours, Matrix, Measure, Part, PeriodView, Series, Totals, Visitors};
use super::{Asked, label};
use crate::watch::Snapshot;
use crate::watch::shop::{Kept, Shop};

/// Rows of a breakdown on a page.
const ROWS: usize = 250;
/// Windows of visitors on a page.
const WINDOWS: usize = 300;

/// One look at one period.
pub(crate) struct Look<'a> {
    pub(crate) reader: &'a Reader,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) shop: &'a Shop,
    pub(crate) coverage: Coverage,
    pub(crate) period: Period,
    pub(crate) now: DateTime<Utc>,
}

impl<'a> Look<'a> {
    /// At what is asked for. Nothing where the poller has not begun: how far figures reach is not known then.
    pub(crate) fn at(
        reader: &'a Reader,
        snapshot: &'a Snapshot,
        asked: &Asked,
        now: DateTime<Utc>,
    ) -> Option<Self> {
        let shop = snapshot.shop.value.as_deref()?;
        let coverage = coverage(snapshot, shop, now);
        Some(Self { reader, snapshot, shop, coverage, period: asked.period(&coverage, now), now })
    }

    pub(crate) fn teller(&self) -> Teller<'a> {
        Teller::of(self.snapshot, self.coverage, self.now)
    }

    pub(crate) fn currency(&self, measure: Measure) -> Option<String> {
        self.shop.currency.clone().filter(|_| measure.is_money())
    }

    fn whole(&self) -> Result<(), Failure> {
        reader::told(&self.coverage, &self.period)
    }

    pub(crate) async fn sides(&self) -> Result<Sides, Failure> {
        self.reader.sides(self.shop, &self.coverage, &self.period).await
    }

    pub(crate) fn totals(&self, sides: &Sides) -> Totals {
        live::totals(sides, self.shop.currency.clone())
    }

    pub(crate) async fn series(&self, measure: Measure, step: TimeDelta) -> Result<Series, Failure> {
        let steps = series::steps(self.period.whole, step, self.period.zone);
        let compared = self.period.compared.clone();
        let shift = compared.map(|compared| self.period.closed.to - compared.to);
        let value = self.reader.in_steps(self.shop, &steps).await?;
        let before = match &shift {
            Ok(shift) => {
                let back = |step: &Stretch| Stretch { from: step.from - *shift, to: step.to - *shift };
                let earlier: Vec<_> = steps.iter().map(back).collect();
                Some(self.reader.in_steps(self.shop, &earlier).await?)
            }
            Err(_) => None,
        };
        let drawn = Drawn { coverage: &self.coverage, steps: &steps, shift, measure, now: self.now };
        let mut series = drawn.of(Some(&value), before.as_ref());
        series.currency = self.currency(measure);
        Ok(series)
    }

    pub(crate) async fn breakdown(
        &self,
        by: By,
        measure: Measure,
        slice: &Slice<'_>,
    ) -> Result<Breakdown, Failure> {
        self.whole()?;
        let before = compared(&self.coverage, &self.period);
        let mut told = if let Some((kept, place)) = kept_by(by) {
            let value = groups(&*self.reader.cells(self.shop, kept, self.period.whole).await?, place);
            let before = match before {
                Ok(stretch) => Ok(groups(&*self.reader.cells(self.shop, kept, stretch).await?, place)),
                Err(why) => Err(why),
            };
            breakdown(by, measure, &value, before.as_ref(), slice, |key| label::of(by, key).to_owned())
        } else {
            let (value, mut names) = self.reader.products(self.period.whole).await?;
            let before: Result<Groups, String> = match before {
                Ok(stretch) => {
                    let (before, earlier) = self.reader.products(stretch).await?;
                    earlier.into_iter().for_each(|(key, name)| {
                        names.entry(key).or_insert(name);
                    });
                    Ok(before)
                }
                Err(why) => Err(why),
            };
            let name = |key: &str| names.get(key).cloned().unwrap_or_else(|| key.to_owned());
            breakdown(by, measure, &value, before.as_ref(), slice, name)
        };
        told.currency = self.currency(measure);
        Ok(told)
    }

    async fn matrix(&self, kept: Kept, measure: Measure) -> Result<Matrix, Failure> {
        self.whole()?;
        let cells = self.reader.cells(self.shop, kept, self.period.whole).await?;
        Ok(matrix_of(&cells, measure, self.currency(measure)))
    }

    /// Hours on the zone's clock: from minutes where its hours begin amid those of UTC, and without distinct
    /// users then.
    pub(crate) async fn hours(&self) -> Result<Hours, Failure> {
        self.whole()?;
        let whole = self.period.whole;
        let steps = series::steps(whole, TimeDelta::hours(1), self.period.zone);
        let hours = self.reader.hours(self.shop, whole).await?;
        let rows = self.reader.in_steps(self.shop, &steps).await?;
        let users = |step: &Stretch| {
            hours.get(&step.from).filter(|_| step.length() == TimeDelta::hours(1) || step.to == whole.to)
        };
        let told = steps.iter().map(|step| {
            let open = step.contains(self.coverage.known_to().unwrap_or(self.now)) || step.to > self.now;
            let known = self.coverage.knows(*step) || (open && self.coverage.begun(*step));
            let mut sums = super::sums::Sums::default();
            rows.range(step.from..step.to).for_each(|(_, row)| sums += row);
            let of = |measure| known.then(|| sums.get(measure));
            Hour {
                at: step.from,
                clock: step.from.with_timezone(&self.period.zone).format("%a %H:%M").to_string(),
                known,
                open,
                visits: of(Measure::Visits),
                orders: of(Measure::Orders),
                net: of(Measure::Net),
                events: of(Measure::Events),
                users: users(step)
                    .filter(|_| known)
                    .map(|hour| hour.users.of_window(step.from + TimeDelta::hours(1))),
            }
        });
        Ok(Hours { currency: self.shop.currency.clone(), hours: told.collect() })
    }

    /// With at most so many windows; of a longer period the bounds alone.
    pub(crate) async fn visitors(&self, most: usize) -> Result<Visitors, Failure> {
        self.whole()?;
        let whole = self.period.whole;
        let points = if whole.length() <= BY_WINDOW {
            let to = whole.to.min(self.now + TimeDelta::seconds(1));
            self.reader.visitors(Stretch { from: whole.from.min(to), to }, most).await?
        } else {
            Vec::new()
        };
        let hours = self.reader.hours(self.shop, whole).await?;
        let bounds = live::bounds(&hours, Some(DateTime::UNIX_EPOCH), &self.coverage, whole);
        Ok(live::visitors_of(points, bounds))
    }

    /// When the newest window of live visitors ended.
    pub(crate) fn newest_window(&self) -> Option<DateTime<Utc>> {
        self.shop.visitors.range(..=self.now).next_back().map(|(at, _)| *at)
    }

    /// Everything, each part by itself: one that cannot be told leaves the others as they are.
    pub(crate) async fn view(&self) -> PeriodView {
        let to = self.period.closed.to;
        let told = self.teller();
        let by =
            |by| async move { self.breakdown(by, Measure::Net, &Slice { limit: ROWS, after: None }).await };
        let step = series::step_for(self.period.whole.length());
        let (sides, series, countries, categories, products) = futures::join!(
            self.sides(),
            self.series(Measure::Net, step),
            by(By::Country),
            by(By::Category),
            by(By::Product),
        );
        let (who, channels, hours, visitors) = futures::join!(
            self.matrix(Kept::Who, Measure::Visits),
            self.matrix(Kept::Channels, Measure::Visits),
            self.hours(),
            self.visitors(WINDOWS),
        );
        let sides = sides.map_err(|failure| failure.words());
        let as_of = self.coverage.as_of;
        PeriodView {
            period: self.period.told(),
            totals: told.cube(
                Kept::Activity,
                &self.period,
                sides.as_ref().map(|sides| self.totals(sides)).map_err(Clone::clone),
            ),
            series: told.cube(Kept::Activity, &self.period, words(series)),
            countries: told.cube(Kept::Countries, &self.period, words(countries)),
            categories: told.cube(Kept::Categories, &self.period, words(categories)),
            funnel: told.cube(Kept::Activity, &self.period, sides.map(|sides| live::funnel_of(&sides))),
            products: told.part("cube", by_product().table, to, as_of, words(products)),
            who: told.cube(Kept::Who, &self.period, words(who)),
            channels: told.cube(Kept::Channels, &self.period, words(channels)),
            hours: told.part("hours", HOURS.tables[0].table, to, as_of, words(hours)),
            visitors: told.part("live", LIVE.tables[0].table, to, self.newest_window(), words(visitors)),
        }
    }
}

fn words<T>(told: Result<T, Failure>) -> Result<T, String> {
    told.map_err(|failure| failure.words())
}

/// Nothing of a period where the poller has not begun, with the reason.
pub(crate) fn nothing_yet(snapshot: &Snapshot, asked: &Asked, now: DateTime<Utc>) -> PeriodView {
    fn none<T>(told: &Teller<'_>, period: &Period) -> Part<T> {
        told.cube(Kept::Activity, period, Err(super::NOT_LOADED.to_owned()))
    }
    let coverage = Coverage::default();
    let (told, period) = (Teller::of(snapshot, coverage, now), asked.period(&coverage, now));
    PeriodView {
        period: period.told(),
        totals: none(&told, &period),
        series: none(&told, &period),
        countries: none(&told, &period),
        categories: none(&told, &period),
        funnel: none(&told, &period),
        products: none(&told, &period),
        who: none(&told, &period),
        channels: none(&told, &period),
        hours: none(&told, &period),
        visitors: none(&told, &period),
    }
}
