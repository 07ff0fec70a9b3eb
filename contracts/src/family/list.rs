//! Every family, as it is declared.

use super::{Family, Geometry, HOUR_US, INSTANT, Source};
use crate::cube::{CUBE, GROUPINGS, Grouping, WINDOW_US};
use crate::event::EVENT;
use crate::measure::{Aggregate, Counterpart, Measure, MeasureKind, VISIT_MEASURES, VisitMeasure, text};

const fn minutes(count: i64) -> i64 {
    count * WINDOW_US
}

const fn windows(step_us: i64, length_us: i64, at_us: i64) -> Geometry {
    Geometry::Windows { step_us, length_us, at_us }
}

/// The metric cube.
pub const CUBE_FAMILY: Family = Family {
    name: "cube",
    tables: GROUPINGS,
    geometry: windows(WINDOW_US, WINDOW_US, 0),
    source: Source::Events,
    compares: false,
    repaired: true,
};

/// The daily pattern.
pub const HOURS: Family = Family {
    name: "hours",
    tables: &[Grouping {
        table: "activity_by_hour",
        question: "When in the day is the shop busy?",
        dimensions: &[],
        measures: VISIT_MEASURES,
        at: INSTANT.hour_start,
        partition_key: &[CUBE.day],
        only_items: false,
    }],
    geometry: windows(HOUR_US, HOUR_US, 0),
    source: Source::Events,
    compares: false,
    repaired: true,
};

/// Who is in the shop at the moment.
pub const LIVE: Family = Family {
    name: "live",
    tables: &[Grouping {
        table: "live_visitors",
        question: "Who has been in the shop in the five minutes before as_of? Of now and before; late records do not come in.",
        dimensions: &[],
        measures: &[
            Measure::Of(Aggregate::Events),
            Measure::Of(Aggregate::Sessions),
            Measure::Of(Aggregate::Users),
            Measure::Of(Aggregate::CartAdds),
            Measure::Of(Aggregate::Orders),
            Measure::Of(Aggregate::Net),
        ],
        at: INSTANT.as_of,
        partition_key: &[CUBE.day],
        only_items: false,
    }],
    geometry: windows(minutes(1) / 2, minutes(5), minutes(5)),
    source: Source::Events,
    compares: false,
    repaired: false,
};

/// Products of an hour beside those of the hour before.
pub const PRODUCTS: Family = Family {
    name: "products",
    tables: &[Grouping {
        table: "top_products",
        question: "Which products sell best in an hour, and how did they in the hour before? events counts lines of both hours.",
        dimensions: &[EVENT.item_id, EVENT.item_name],
        measures: &[
            Measure::Of(Aggregate::Events),
            Measure::Of(Aggregate::OrderLines),
            Measure::Of(Aggregate::Units),
            Measure::Of(Aggregate::Net),
            Measure::Before(Counterpart::OrderLines),
            Measure::Before(Counterpart::Units),
            Measure::Before(Counterpart::Net),
        ],
        at: INSTANT.hour_start,
        partition_key: &[CUBE.day],
        only_items: true,
    }],
    geometry: windows(HOUR_US, 2 * HOUR_US, HOUR_US),
    source: Source::Events,
    compares: true,
    repaired: true,
};

/// Users that came in.
pub const REGISTRATIONS: Family = Family {
    name: "registrations",
    tables: &[Grouping {
        table: "registrations_by_country",
        question: "Where do new users come from, by the minute in which they were first stored?",
        dimensions: &[EVENT.country],
        measures: &[Measure::Registrations],
        at: CUBE.minute,
        partition_key: &[EVENT.country, CUBE.day],
        only_items: false,
    }],
    geometry: windows(WINDOW_US, WINDOW_US, 0),
    source: Source::Users,
    compares: false,
    repaired: true,
};

/// Visits that have ended.
pub const SESSIONS: Family = Family {
    name: "sessions",
    tables: &[Grouping {
        table: "sessions_by_user",
        question: "What did a user do, visit by visit? Written when a visit is closed: 30 minutes after its last event.",
        // The declared start too: events of one visit that declare different starts are sessions of their
        // own.
        dimensions: &[EVENT.user_id, EVENT.session_id, EVENT.session_started_at],
        measures: &[
            Measure::Visit(VisitMeasure::EndedAt),
            Measure::Visit(VisitMeasure::DurationMs),
            Measure::Of(Aggregate::Events),
            Measure::Of(Aggregate::ItemViews),
            Measure::Of(Aggregate::CartAdds),
            Measure::Of(Aggregate::Checkouts),
            Measure::Of(Aggregate::Orders),
            Measure::Of(Aggregate::Net),
            Measure::Visit(VisitMeasure::Bounce),
            Measure::Visit(VisitMeasure::FurthestStep),
            Measure::Visit(VisitMeasure::AbandonedAt),
            Measure::Visit(VisitMeasure::ValueAtRisk),
            text(EVENT.country),
            text(EVENT.device),
            text(EVENT.channel),
        ],
        at: INSTANT.started_at,
        partition_key: &[EVENT.user_id],
        only_items: false,
    }],
    geometry: Geometry::Sessions,
    source: Source::Events,
    compares: false,
    repaired: true,
};

/// Order lines as they happened.
pub const ORDERS: Family = Family {
    name: "orders",
    tables: &[Grouping {
        table: "orders_by_user",
        question: "What did a user buy and give back, line by line?",
        dimensions: &[EVENT.user_id, EVENT.event_id],
        measures: &[
            text(EVENT.event_name),
            text(EVENT.order_id),
            Measure::Field(EVENT.order_line, MeasureKind::Count),
            Measure::Field(EVENT.order_lines, MeasureKind::Count),
            text(EVENT.item_id),
            text(EVENT.item_name),
            text(EVENT.category),
            Measure::Field(EVENT.quantity, MeasureKind::Count),
            Measure::Field(EVENT.price, MeasureKind::Money),
            text(EVENT.currency),
            Measure::Field(EVENT.amount_base, MeasureKind::Money),
            text(EVENT.payment_type),
        ],
        at: EVENT.occurred_at,
        partition_key: &[EVENT.user_id],
        only_items: false,
    }],
    geometry: Geometry::Records,
    source: Source::Events,
    compares: false,
    repaired: true,
};

/// The families beside the cube, in the order in which their queries are started.
pub const FAMILIES_BESIDE: &[Family] = &[ORDERS, LIVE, SESSIONS, HOURS, PRODUCTS, REGISTRATIONS];

// A table whose measures its family's geometry does not give would not compile.
const _: () = {
    assert!(CUBE_FAMILY.gives_its_measures());
    let mut at = 0;
    while at < FAMILIES_BESIDE.len() {
        assert!(FAMILIES_BESIDE[at].gives_its_measures());
        at += 1;
    }
};
