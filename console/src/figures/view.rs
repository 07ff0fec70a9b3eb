//! What page and API show of the shop: plain values, so that both are made from the same.
//!
//! A figure that is not known is nothing, with the reason beside it; it is never 0.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{OneOfBuilder, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::api::answer::{Freshness, PeriodBounds, Proof};
use crate::format;
use crate::page::states::Change;

/// A sum. Counts and money are strings in JSON: they may be beyond 2^53.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Amount {
    /// A count.
    Count(#[serde(serialize_with = "as_text")] i64),
    /// Money in the base currency.
    Money(#[serde(serialize_with = "as_money")] Decimal),
    /// A part of a whole.
    Share(f64),
}

impl PartialSchema for Amount {
    fn schema() -> RefOr<Schema> {
        OneOfBuilder::new().item(String::schema()).item(f64::schema()).into()
    }
}

impl ToSchema for Amount {}

fn as_text<S: Serializer>(count: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(count)
}

fn as_money<S: Serializer>(amount: &Decimal, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{amount:.2}"))
}

impl Amount {
    /// As people read it, money with its currency where one is given.
    pub(crate) fn text(self, currency: Option<&str>) -> String {
        match (self, currency) {
            (Self::Count(count), _) => format::count(count),
            (Self::Money(amount), Some(currency)) => format::money(amount, currency),
            (Self::Money(amount), None) => format::amount_only(amount),
            (Self::Share(share), _) => format::percent(share),
        }
    }

    /// For lengths that are drawn; never for reckoning.
    pub(crate) fn drawn(self) -> f64 {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "a length on a screen")]
            Self::Count(count) => count as f64,
            Self::Money(amount) => f64::try_from(amount).unwrap_or_default(),
            Self::Share(share) => share,
        }
    }
}

/// What a change is told in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ChangeIn {
    /// A part of what it was.
    Ratio,
    /// Points of percent.
    Points,
    /// It was nothing before.
    New,
    /// It is not compared.
    None,
}

/// A figure of a stretch and of an equal one before it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Compared {
    /// With the open minute, where the stretch has one; nothing where it is not known.
    pub(crate) value: Option<Amount>,
    /// Without the open minute: what `compared` and `change` are about.
    pub(crate) closed: Option<Amount>,
    /// Of the equal stretch before.
    pub(crate) compared: Option<Amount>,
    /// 0.081 is 8.1 percent more, or 8.1 points.
    pub(crate) change: Option<f64>,
    pub(crate) change_in: ChangeIn,
    /// Whether the last ten minutes, which may still grow, are a large part of it.
    pub(crate) provisional: bool,
    /// Why it is not known or not compared.
    pub(crate) why: Option<String>,
}

impl Compared {
    /// Not known.
    pub(crate) fn unknown(why: impl Into<String>) -> Self {
        Self {
            value: None,
            closed: None,
            compared: None,
            change: None,
            change_in: ChangeIn::None,
            provisional: false,
            why: Some(why.into()),
        }
    }

    /// The change as [`crate::page::states::change`] draws it; `Points` are of percent there: 0.2 for 0.002.
    pub(crate) fn as_change(&self) -> Change {
        match (self.change_in, self.change) {
            (ChangeIn::Ratio, Some(change)) => Change::Ratio(change),
            (ChangeIn::Points, Some(change)) => Change::Points(change * 100.0),
            (ChangeIn::New, _) => Change::New,
            _ => Change::None(self.why.clone().unwrap_or_else(|| "there is nothing to compare with".into())),
        }
    }
}

/// What a panel is drawn from: its data, or why there is none, with age and proof.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Part<T> {
    /// Nothing where it is not known.
    pub(crate) data: Option<T>,
    /// Why there is none: not loaded yet, the store is away, before the floor.
    pub(crate) why: Option<String>,
    pub(crate) freshness: Freshness,
    pub(crate) proof: Proof,
}

/// An estimated distinct count of one window.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub(crate) struct Estimate {
    /// Rounded to three digits by [`format::distinct`] where it is shown.
    pub(crate) estimate: i64,
    /// It lies within this part of the truth, 95 times of 100.
    pub(crate) rel_error: f64,
    /// The end of its window.
    pub(crate) window_end: DateTime<Utc>,
}

/// The sums of a stretch, each with those of the equal stretch before.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Totals {
    pub(crate) orders: Compared,
    pub(crate) net: Compared,
    pub(crate) gross: Compared,
    pub(crate) refunds: Compared,
    pub(crate) units: Compared,
    /// Σ session_starts: exact, unlike distinct visitors.
    pub(crate) visits: Compared,
    /// Orders per visit; of stretches of 30 minutes or more.
    pub(crate) conversion: Compared,
    pub(crate) item_views: Compared,
    pub(crate) cart_adds: Compared,
    pub(crate) checkouts: Compared,
    pub(crate) events: Compared,
    /// Of the money; nothing before the first ingestor has recorded it.
    pub(crate) currency: Option<String>,
}

/// The minute that is not over: drawn, never compared.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct OpenMinute {
    pub(crate) at: DateTime<Utc>,
    pub(crate) events: Amount,
    pub(crate) orders: Amount,
    pub(crate) net: Amount,
}

/// How the shop does now.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Now {
    /// Visitors of the newest whole five minutes.
    pub(crate) visitors_5m: Option<Estimate>,
    /// Of the newest whole minute.
    pub(crate) events_per_s: Option<f64>,
    pub(crate) open_minute: Option<OpenMinute>,
    pub(crate) today: Totals,
}

/// Figures over time.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Series {
    pub(crate) measure: Measure,
    /// Of the money, where it is money.
    pub(crate) currency: Option<String>,
    pub(crate) step_s: i64,
    pub(crate) points: Vec<Point>,
    /// Why points are not known or not compared, where some are.
    pub(crate) why: Option<String>,
}

/// One step of a series.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Point {
    /// Its start.
    pub(crate) at: DateTime<Utc>,
    /// Nothing where it is not known.
    pub(crate) value: Option<Amount>,
    pub(crate) compared: Option<Amount>,
    pub(crate) known: bool,
    /// Whether it is not over: drawn, never compared.
    pub(crate) open: bool,
}

/// A measure that adds up over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Measure {
    Events,
    Visits,
    ItemViews,
    CartAdds,
    Checkouts,
    /// Not of products and categories, to which no order belongs whole.
    Orders,
    /// Of products and categories alone.
    OrderLines,
    Units,
    Gross,
    Refunds,
    Net,
}

/// What a period is broken down by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum By {
    Country,
    Category,
    Channel,
    Device,
    Gender,
    AgeBand,
    Product,
}

/// A measure by the values of one dimension, the greatest first.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Breakdown {
    pub(crate) by: By,
    pub(crate) measure: Measure,
    pub(crate) currency: Option<String>,
    pub(crate) rows: Vec<BreakdownRow>,
    /// Those that are not among the rows.
    pub(crate) rest: Option<Rest>,
    /// Of all.
    pub(crate) total: Amount,
    /// Why nothing is compared, where nothing is.
    pub(crate) why: Option<String>,
}

/// One value of the dimension.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct BreakdownRow {
    pub(crate) key: String,
    /// As people call it.
    pub(crate) label: String,
    /// With the open minute.
    pub(crate) value: Amount,
    /// Of all; nothing where there is no whole.
    pub(crate) share: Option<f64>,
    /// Of the stretch before; nothing where that is not known.
    pub(crate) compared: Option<Amount>,
    pub(crate) rank: u32,
    /// Nothing where it was not there, or where nothing is compared ([`Breakdown::why`] tells).
    pub(crate) rank_before: Option<u32>,
}

/// What is not listed.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Rest {
    pub(crate) keys: usize,
    pub(crate) value: Amount,
}

/// Events per 100 visits: of events, not of visitors, so a step can be more than the one before.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Funnel {
    pub(crate) steps: Vec<FunnelStep>,
    /// Why nothing is compared, where nothing is.
    pub(crate) why: Option<String>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct FunnelStep {
    /// `visits`, `item_views`, `cart_adds`, `checkouts`, `orders`.
    pub(crate) step: Measure,
    /// As people call it.
    pub(crate) label: &'static str,
    pub(crate) count: Amount,
    /// Nothing where there was no visit.
    pub(crate) per_100_visits: Option<f64>,
    pub(crate) compared: Option<f64>,
}

/// The hours of a period.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Hours {
    pub(crate) currency: Option<String>,
    pub(crate) hours: Vec<Hour>,
}

/// One hour.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Hour {
    pub(crate) at: DateTime<Utc>,
    /// On the clock of the period's zone.
    pub(crate) clock: String,
    /// Whether figures are there: what is not known has none below.
    pub(crate) known: bool,
    /// Whether it is not over.
    pub(crate) open: bool,
    pub(crate) visits: Option<Amount>,
    pub(crate) orders: Option<Amount>,
    pub(crate) net: Option<Amount>,
    pub(crate) events: Option<Amount>,
    /// Distinct users of the hour.
    pub(crate) users: Option<Estimate>,
}

/// Distinct visitors: of single windows an estimate each, of the whole period bounds alone.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Visitors {
    /// Of five minutes each.
    pub(crate) points: Vec<Estimate>,
    /// Always nothing: distinct counts of windows do not add up.
    pub(crate) estimate: Option<i64>,
    pub(crate) at_least: Option<i64>,
    pub(crate) at_most: Option<i64>,
    pub(crate) why: String,
}

/// A measure by two dimensions.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Matrix {
    pub(crate) measure: Measure,
    pub(crate) currency: Option<String>,
    pub(crate) rows: Vec<String>,
    pub(crate) columns: Vec<String>,
    /// A row each of `rows`, a cell each of `columns`; nothing where no event was.
    pub(crate) cells: Vec<Vec<Option<Amount>>>,
}

/// All that the Live page shows of a period that was chosen.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PeriodView {
    pub(crate) period: PeriodBounds,
    pub(crate) totals: Part<Totals>,
    pub(crate) series: Part<Series>,
    pub(crate) countries: Part<Breakdown>,
    pub(crate) categories: Part<Breakdown>,
    pub(crate) funnel: Part<Funnel>,
    /// Where the period is short enough for it, else its reason.
    pub(crate) products: Part<Breakdown>,
    pub(crate) who: Part<Matrix>,
    pub(crate) channels: Part<Matrix>,
    pub(crate) hours: Part<Hours>,
    pub(crate) visitors: Part<Visitors>,
}
