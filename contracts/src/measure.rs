//! Measures: the columns of a table that are not in its key.
//!
//! Most are an [`Aggregate`] over the events of a row. A new one is declared and defined here, and computed
//! in two places that match exhaustively: `jobs::metrics::windowed` as a Spark plan and
//! `audit::expected::measures` as SQL. Tests hold both to [`Aggregate::over`].

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::event::Event;
use crate::record::{Column, columns};
use crate::vocabulary::EventName;

/// How a measure is compared and stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeasureKind {
    /// A count or sum of units: `bigint`.
    Count,
    /// An estimate of a distinct count: `bigint`.
    Distinct,
    /// A sum of money: `decimal`, two digits.
    Money,
    /// An instant: `timestamp`, which Cassandra keeps in ms.
    Instant,
    /// A word or a name: `text`.
    Text,
    /// Yes or no: `boolean`.
    Flag,
}

/// Declares an enum of measures, each with its column and kind.
macro_rules! measures {
    (
        $(#[doc = $doc:literal])+
        $type:ident, columns $columns:ident : $columns_type:ident {
            $( $(#[doc = $measure_doc:literal])+ $measure:ident = $column:ident : $kind:ident, )+
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $type { $( $(#[doc = $measure_doc])+ $measure, )+ }

        columns! {
            $(#[doc = $doc])+
            $columns: $columns_type { $( $(#[doc = $measure_doc])+ $column, )+ }
        }

        impl $type {
            /// All of them, in contract order.
            pub const ALL: &'static [Self] = &[ $( Self::$measure, )+ ];

            /// The column that has it.
            #[must_use]
            pub const fn column(self) -> Column {
                match self { $( Self::$measure => $columns.$column, )+ }
            }

            /// How it is compared and stored.
            #[must_use]
            pub const fn kind(self) -> MeasureKind {
                match self { $( Self::$measure => MeasureKind::$kind, )+ }
            }
        }
    };
}

measures! {
    /// What is said of the events of a row. Sums and counts are exact; `sessions` and `users` are HyperLogLog
    /// estimates and must not be added up over windows.
    Aggregate, columns MEASURE: MeasureColumns {
        /// All lines.
        Events = events: Count,
        /// `session_start` lines.
        SessionStarts = session_starts: Count,
        /// Distinct sessions, estimated.
        Sessions = sessions: Distinct,
        /// Distinct users, estimated.
        Users = users: Distinct,
        /// `view_item` lines.
        ItemViews = item_views: Count,
        /// `add_to_cart` lines.
        CartAdds = cart_adds: Count,
        /// `begin_checkout` lines.
        Checkouts = checkouts: Count,
        /// `purchase` lines with `order_line` = 1.
        Orders = orders: Count,
        /// `purchase` lines.
        OrderLines = order_lines: Count,
        /// Sum of `quantity` over `purchase` lines.
        Units = units: Count,
        /// Sum of `amount_base` over `purchase` lines.
        Gross = gross: Money,
        /// Sum of `amount_base` over `refund` lines.
        Refunds = refunds: Money,
        /// `gross` − `refunds`.
        Net = net: Money,
        /// The newest `occurred_at` folded in.
        LastOccurredAt = last_occurred_at: Instant,
    }
}

measures! {
    /// What is said of a visit as a whole.
    VisitMeasure, columns VISIT: VisitColumns {
        /// The time of its last event.
        EndedAt = ended_at: Instant,
        /// From the first to the last event, in ms.
        DurationMs = duration_ms: Count,
        /// Whether at most one event followed the start of the visit.
        Bounce = bounce: Flag,
        /// How far the visitor came: one of [`STEPS`](crate::family::STEPS).
        FurthestStep = furthest_step: Text,
        /// Where a visit without a purchase ended: the furthest step from `browse` on, else `(none)`.
        AbandonedAt = abandoned_at: Text,
        /// What was left in the cart of a visit without a purchase, in the base currency.
        ValueAtRisk = value_at_risk: Money,
    }
}

columns! {
    /// What is said of users.
    USER_MEASURE: UserMeasureColumns {
        /// Users stored for the first time.
        registrations,
    }
}

columns! {
    /// What is also said of the hour before.
    COUNTERPART: CounterpartColumns {
        /// Units of the hour before.
        previous_units,
        /// Order lines of the hour before.
        previous_order_lines,
        /// Net sales of the hour before.
        previous_net,
    }
}

/// What is also measured of the hour before the one that a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counterpart {
    /// Order lines.
    OrderLines,
    /// Units sold.
    Units,
    /// Net sales.
    Net,
}

impl Counterpart {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::OrderLines, Self::Units, Self::Net];

    /// What is measured.
    #[must_use]
    pub const fn aggregate(self) -> Aggregate {
        match self {
            Self::OrderLines => Aggregate::OrderLines,
            Self::Units => Aggregate::Units,
            Self::Net => Aggregate::Net,
        }
    }

    /// The column that has it of the hour before.
    #[must_use]
    pub const fn column(self) -> Column {
        match self {
            Self::OrderLines => COUNTERPART.previous_order_lines,
            Self::Units => COUNTERPART.previous_units,
            Self::Net => COUNTERPART.previous_net,
        }
    }
}

/// One measure of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// An aggregate over the events of the row; where the family compares, over those at or after the instant
    /// in its key.
    Of(Aggregate),
    /// The same over the events before that instant.
    Before(Counterpart),
    /// Users stored for the first time.
    Registrations,
    /// What is said of a visit as a whole.
    Visit(VisitMeasure),
    /// A field of the one event that the row is, or of the first of the visit.
    Field(Column, MeasureKind),
}

impl Measure {
    /// The column of the tables that holds it.
    #[must_use]
    pub const fn column(self) -> Column {
        match self {
            Self::Of(aggregate) => aggregate.column(),
            Self::Before(counterpart) => counterpart.column(),
            Self::Registrations => USER_MEASURE.registrations,
            Self::Visit(measure) => measure.column(),
            Self::Field(column, _) => column,
        }
    }

    /// Whether it is a count, money or something else.
    #[must_use]
    pub const fn kind(self) -> MeasureKind {
        match self {
            Self::Of(aggregate) => aggregate.kind(),
            Self::Before(counterpart) => counterpart.aggregate().kind(),
            Self::Registrations => MeasureKind::Count,
            Self::Visit(measure) => measure.kind(),
            Self::Field(_, kind) => kind,
        }
    }
}

/// What an aggregate comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Total {
    /// A count, a sum of units or an exact distinct count.
    Count(i64),
    /// A sum of money, in hundredths of the base currency.
    Hundredths(i128),
    /// An instant; nothing where there is no event.
    Instant(Option<DateTime<Utc>>),
}

impl Aggregate {
    /// How many are of a kind.
    #[must_use]
    pub const fn how_many(kind: MeasureKind) -> usize {
        let (mut count, mut at) = (0, 0);
        while at < Self::ALL.len() {
            if Self::ALL[at].kind() as u8 == kind as u8 {
                count += 1;
            }
            at += 1;
        }
        count
    }

    /// Those of a kind, of which there must be `N`: see [`Self::how_many`].
    #[must_use]
    pub const fn of_kind<const N: usize>(kind: MeasureKind) -> [Self; N] {
        let mut all = [Self::Events; N];
        let (mut count, mut at) = (0, 0);
        while at < Self::ALL.len() {
            if Self::ALL[at].kind() as u8 == kind as u8 {
                all[count] = Self::ALL[at];
                count += 1;
            }
            at += 1;
        }
        assert!(count == N, "as many as there are");
        all
    }

    /// What it comes to over events: the definition that plan and SQL are held to.
    #[must_use]
    pub fn over(self, events: &[&Event]) -> Total {
        let lines = |name: EventName| events.iter().filter(move |event| event.event_name == name);
        let amount = |name| {
            lines(name).filter_map(|event| event.amount_base).map(|sum| i128::from(sum.unscaled())).sum()
        };
        let (gross, refunds): (i128, i128) = (amount(EventName::Purchase), amount(EventName::Refund));
        let orders = || lines(EventName::Purchase).filter(|event| event.order_line == Some(1));
        match self {
            Self::Events => count(events.len()),
            Self::SessionStarts => count(lines(EventName::SessionStart).count()),
            Self::Sessions => {
                count(events.iter().map(|event| event.session_id).collect::<BTreeSet<_>>().len())
            }
            Self::Users => count(events.iter().map(|event| event.user_id).collect::<BTreeSet<_>>().len()),
            Self::ItemViews => count(lines(EventName::ViewItem).count()),
            Self::CartAdds => count(lines(EventName::AddToCart).count()),
            Self::Checkouts => count(lines(EventName::BeginCheckout).count()),
            Self::Orders => count(orders().count()),
            Self::OrderLines => count(lines(EventName::Purchase).count()),
            Self::Units => Total::Count(
                lines(EventName::Purchase).filter_map(|event| event.quantity).map(i64::from).sum(),
            ),
            Self::Gross => Total::Hundredths(gross),
            Self::Refunds => Total::Hundredths(refunds),
            Self::Net => Total::Hundredths(gross - refunds),
            Self::LastOccurredAt => Total::Instant(events.iter().map(|event| event.occurred_at).max()),
        }
    }
}

fn count(count: usize) -> Total {
    // No slice has more elements than an i64 counts.
    Total::Count(i64::try_from(count).unwrap_or(i64::MAX))
}

/// The field of a visit's first event, or of the event that a row is.
pub(crate) const fn text(column: Column) -> Measure {
    Measure::Field(column, MeasureKind::Text)
}

/// What each table of visits measures.
pub(crate) const VISIT_MEASURES: &[Measure] = &[
    Measure::Of(Aggregate::Events),
    Measure::Of(Aggregate::SessionStarts),
    Measure::Of(Aggregate::Sessions),
    Measure::Of(Aggregate::Users),
    Measure::Of(Aggregate::ItemViews),
    Measure::Of(Aggregate::CartAdds),
    Measure::Of(Aggregate::Checkouts),
    Measure::Of(Aggregate::Orders),
    Measure::Of(Aggregate::Units),
    Measure::Of(Aggregate::Gross),
    Measure::Of(Aggregate::Refunds),
    Measure::Of(Aggregate::Net),
    Measure::Of(Aggregate::LastOccurredAt),
];

/// What each table of products measures: an order of several products belongs to none of them, so lines are
/// counted instead, and nothing distinct.
pub(crate) const ITEM_MEASURES: &[Measure] = &[
    Measure::Of(Aggregate::Events),
    Measure::Of(Aggregate::ItemViews),
    Measure::Of(Aggregate::CartAdds),
    Measure::Of(Aggregate::OrderLines),
    Measure::Of(Aggregate::Units),
    Measure::Of(Aggregate::Gross),
    Measure::Of(Aggregate::Refunds),
    Measure::Of(Aggregate::Net),
    Measure::Of(Aggregate::LastOccurredAt),
];
