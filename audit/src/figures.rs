//! The leading figures of a span of time, read back from Cassandra as any reader would.
//!
//! Only sums are added up over minutes; distinct counts are not, which is why rates are of session starts.

mod families;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use chrono::{DateTime, DurationRound, NaiveDate, TimeDelta, Utc};
use contracts::Namespace;
use contracts::cube::{Grouping, grouping};
use contracts::event::EVENT;
use contracts::measure::{Aggregate, Measure};
use futures::TryStreamExt;
use rust_decimal::Decimal;
use scylla::client::session::Session;

use crate::row::{Figure, Key, Rows};
use crate::{VerifyError, stored};

pub use families::{FamilyFigures, ProductHour, Visits};

/// Sums over the minutes of a span, for one dimension value or for all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// All lines.
    pub events: i64,
    /// Visits begun.
    pub session_starts: i64,
    /// Products looked at.
    pub item_views: i64,
    /// Products put into a cart.
    pub cart_adds: i64,
    /// Checkouts begun.
    pub checkouts: i64,
    /// Orders; nothing for products, to which no order belongs whole.
    pub orders: i64,
    /// Units sold.
    pub units: i64,
    /// Sold, in the base currency.
    pub gross: Decimal,
    /// Paid back.
    pub refunds: Decimal,
    /// Sold less paid back.
    pub net: Decimal,
}

impl Totals {
    fn add(&mut self, grouping: &Grouping, figures: &[Figure]) {
        for (measure, figure) in grouping.measures.iter().zip(figures) {
            let Measure::Of(aggregate) = *measure else { continue };
            match (figure, self.sum(aggregate)) {
                (Figure::Count(count), Some(Sum::Count(sum))) => *sum += count,
                (Figure::Money(amount), Some(Sum::Money(sum))) => *sum += *amount,
                _ => {}
            }
        }
    }

    /// What an aggregate adds to; nothing where it is not shown or does not add up.
    fn sum(&mut self, aggregate: Aggregate) -> Option<Sum<'_>> {
        Some(match aggregate {
            Aggregate::Events => Sum::Count(&mut self.events),
            Aggregate::SessionStarts => Sum::Count(&mut self.session_starts),
            Aggregate::ItemViews => Sum::Count(&mut self.item_views),
            Aggregate::CartAdds => Sum::Count(&mut self.cart_adds),
            Aggregate::Checkouts => Sum::Count(&mut self.checkouts),
            Aggregate::Orders => Sum::Count(&mut self.orders),
            Aggregate::Units => Sum::Count(&mut self.units),
            Aggregate::Gross => Sum::Money(&mut self.gross),
            Aggregate::Refunds => Sum::Money(&mut self.refunds),
            Aggregate::Net => Sum::Money(&mut self.net),
            _ => return None,
        })
    }

    /// From visit to order, step by step.
    #[must_use]
    pub fn funnel(&self) -> [FunnelStep; 5] {
        let counts = [
            ("visits", self.session_starts),
            ("products viewed", self.item_views),
            ("added to cart", self.cart_adds),
            ("checkouts", self.checkouts),
            ("orders", self.orders),
        ];
        let mut before = None;
        counts.map(|(step, count)| {
            let step = FunnelStep {
                step,
                count,
                of_previous: before.and_then(|before| share(count, before)),
                of_visits: share(count, self.session_starts),
            };
            before = Some(count);
            step
        })
    }
}

enum Sum<'a> {
    Count(&'a mut i64),
    Money(&'a mut Decimal),
}

/// A part of a whole, or nothing where there is no whole.
#[must_use]
pub fn share(part: i64, whole: i64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "a share is for reading, not for reckoning")]
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// One step of the funnel. A visit may view many products, so a step can be more than the one before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FunnelStep {
    /// What it is called.
    pub step: &'static str,
    pub count: i64,
    /// As a part of the step before.
    pub of_previous: Option<f64>,
    /// As a part of the visits.
    pub of_visits: Option<f64>,
}

/// A country's figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountryFigures {
    /// ISO 3166 alpha-2.
    pub country: String,
    pub totals: Totals,
}

/// The figures of a gender and age band.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemographicFigures {
    pub gender: String,
    /// The age band.
    pub age_band: String,
    pub totals: Totals,
}

/// A product's figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductFigures {
    pub item_id: String,
    pub item_name: String,
    pub totals: Totals,
}

/// The leading figures of a span.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// Of the whole shop.
    pub totals: Totals,
    /// Countries, by net sales, the highest first.
    pub countries: Vec<CountryFigures>,
    /// Genders and age bands, in their order.
    pub demographics: Vec<DemographicFigures>,
    /// The products with the highest net sales.
    pub products: Vec<ProductFigures>,
    /// What no table of the cube has.
    pub families: FamilyFigures,
}

/// Reads the leading figures of the minutes that begin in a span.
///
/// # Errors
/// When Cassandra does not answer or holds no such tables.
pub async fn read(
    session: &Session,
    namespace: &Namespace,
    span: Range<DateTime<Utc>>,
    top_products: usize,
) -> Result<Figures, VerifyError> {
    let mut figures = Figures::default();
    let activity = table("activity_by_minute")?;
    for row in in_span(session, namespace, activity, &span, &[Vec::new()]).await?.into_values() {
        figures.totals.add(activity, &row);
    }

    let by_country = table("activity_by_country")?;
    let countries = countries(session, namespace, &span).await?;
    let rows = in_span(session, namespace, by_country, &span, &countries).await?;
    figures.countries = sums(by_country, &rows)
        .into_iter()
        .filter_map(|(dimensions, totals)| {
            let [country] = <[String; 1]>::try_from(dimensions).ok()?;
            Some(CountryFigures { country, totals })
        })
        .collect();
    figures.countries.sort_by(|a, b| b.totals.net.cmp(&a.totals.net).then_with(|| a.country.cmp(&b.country)));

    let demographics = table("demographics_by_minute")?;
    let rows = in_span(session, namespace, demographics, &span, &[Vec::new()]).await?;
    figures.demographics = sums(demographics, &rows)
        .into_iter()
        .filter_map(|(dimensions, totals)| {
            let [gender, age_band] = <[String; 2]>::try_from(dimensions).ok()?;
            Some(DemographicFigures { gender, age_band, totals })
        })
        .collect();

    let by_product = table("sales_by_product")?;
    let rows = in_span(session, namespace, by_product, &span, &[Vec::new()]).await?;
    figures.products = sums(by_product, &rows)
        .into_iter()
        .filter_map(|(dimensions, totals)| {
            let [item_id, item_name] = <[String; 2]>::try_from(dimensions).ok()?;
            Some(ProductFigures { item_id, item_name, totals })
        })
        .collect();
    figures.products.sort_by(|a, b| b.totals.net.cmp(&a.totals.net).then_with(|| a.item_id.cmp(&b.item_id)));
    figures.products.truncate(top_products);
    figures.families = families::read(session, namespace, &span).await?;
    Ok(figures)
}

fn table(name: &'static str) -> Result<&'static Grouping, VerifyError> {
    grouping(name).ok_or(VerifyError::UnknownTable(name))
}

/// A table's rows of a span, from the partitions of its hours. `partitions` are the dimensions to look for;
/// only those in the partition key matter.
async fn in_span(
    session: &Session,
    namespace: &Namespace,
    grouping: &'static Grouping,
    span: &Range<DateTime<Utc>>,
    partitions: &[Vec<String>],
) -> Result<Rows, VerifyError> {
    let keys: Vec<Key> = hours(span)
        .flat_map(|hour| partitions.iter().map(move |dimensions| Key::of(grouping, hour, dimensions.clone())))
        .collect();
    stored::partitions_of(session, namespace, grouping, &keys, span).await
}

/// The starts of the hours that a span touches.
fn hours(span: &Range<DateTime<Utc>>) -> impl Iterator<Item = DateTime<Utc>> {
    let end = span.end;
    let first = span.start.duration_trunc(TimeDelta::hours(1)).unwrap_or(span.start);
    std::iter::successors(Some(first), |hour| hour.checked_add_signed(TimeDelta::hours(1)))
        .take_while(move |hour| *hour < end)
}

/// The countries that have a partition on the days of a span.
async fn countries(
    session: &Session,
    namespace: &Namespace,
    span: &Range<DateTime<Utc>>,
) -> Result<Vec<Vec<String>>, VerifyError> {
    let days = span.start.date_naive()..=span.end.date_naive();
    let doing = || format!("list the countries of {namespace}");
    let statement =
        format!("select distinct {}, day from {}.activity_by_country", EVENT.country, namespace.keyspace());
    let mut stream = session
        .query_iter(statement, ())
        .await
        .map_err(VerifyError::cassandra(doing()))?
        .rows_stream::<(String, NaiveDate)>()
        .map_err(VerifyError::cassandra(doing()))?;
    let mut countries = BTreeSet::new();
    while let Some((country, day)) = stream.try_next().await.map_err(VerifyError::cassandra(doing()))? {
        if days.contains(&day) {
            countries.insert(country);
        }
    }
    Ok(countries.into_iter().map(|country| vec![country]).collect())
}

fn sums(grouping: &Grouping, rows: &Rows) -> BTreeMap<Vec<String>, Totals> {
    let mut sums: BTreeMap<Vec<String>, Totals> = BTreeMap::new();
    for (key, figures) in rows {
        sums.entry(key.dimensions.clone()).or_default().add(grouping, figures);
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_read_exists() {
        for name in
            ["activity_by_minute", "activity_by_country", "demographics_by_minute", "sales_by_product"]
        {
            table(name).unwrap();
        }
    }

    #[test]
    fn a_span_touches_its_first_and_last_hour() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let span = at("2026-11-22T22:59:30Z")..at("2026-11-23T01:00:00Z");
        let starts: Vec<_> = hours(&span).collect();
        assert_eq!(
            starts,
            [at("2026-11-22T22:00:00Z"), at("2026-11-22T23:00:00Z"), at("2026-11-23T00:00:00Z")]
        );
        assert_eq!(hours(&(span.start..span.start)).count(), 1);
    }

    #[test]
    fn the_funnel_gives_rates_where_there_is_a_whole() {
        let totals = Totals { session_starts: 200, item_views: 400, cart_adds: 0, ..Totals::default() };
        let [visits, views, carts, checkouts, _] = totals.funnel();
        assert_eq!((visits.of_previous, visits.of_visits), (None, Some(1.0)));
        assert_eq!((views.of_previous, views.of_visits), (Some(2.0), Some(2.0)));
        assert_eq!(carts.of_visits, Some(0.0));
        assert_eq!(checkouts.of_previous, None);
    }
}
