//! Sessions: what a user did in one visit, shown when the visit is closed.
//!
//! A session is the events of one visit (user, session id and declared start) without a gap of
//! [`SESSION_GAP_US`], and without those that come more than [`SESSION_LONGEST_US`] after the declared start,
//! or before it. Events that declare different starts are of different visits, whatever their session id:
//! which of the starts is right nobody can tell, and a row's key holds both. It holds whole ms, so these tell
//! visits apart. Spark keeps an open session as state and gives it out when the watermark passes its end
//! (append mode), once. The declared start, which every event carries, decides which plan owns a session: a
//! plan that begins in the middle of a visit does not see its first events.

use contracts::cube::{CUBE, NONE, REVISION_STEP};
use contracts::event::EVENT;
use contracts::family::{INSTANT, SESSION_GAP_US, SESSION_LONGEST_US, SESSIONS, STEPS};
use contracts::lateness::WATERMARK_DELAY_MIN;
use contracts::measure::{MEASURE, Measure, VISIT, VisitMeasure};
use contracts::vocabulary::EventName;
use spark_connect_rs::functions::expr;
use spark_connect_rs::{DataFrame, SparkError};

use crate::plans::Owned;

/// The session's window inside the plan, as Spark names it; not part of the result.
const WINDOW: &str = "session_window";
/// Purchases and what led to them, inside the plan.
const LISTS: &str = "list_views";
const PAYMENTS: &str = "payments";
const LINES: &str = "purchases";
const IN_CART: &str = "in_cart";
const STARTS: &str = "starts";
const FIRST: &str = "first_event";

fn view(revision: i64) -> String {
    format!("storepulse_{}_records_r{revision}", SESSIONS.name)
}

/// Closed sessions of on-time events, as rows of the family's table with `route` and `write_time`. In batch
/// every session counts as closed: who calls it chooses those that are.
///
/// # Errors
/// When the server refuses the view or the query.
pub fn rows(events: &DataFrame, revision: i64, owned: Owned) -> Result<DataFrame, SparkError> {
    // Of the records: the axis is a column that they all carry.
    let owned = match owned.sql(EVENT.session_started_at) {
        Some(condition) => events.filter(expr(&condition)),
        None => events.clone(),
    };
    let watermarked =
        owned.with_watermark(EVENT.occurred_at.name(), &format!("{WATERMARK_DELAY_MIN} minutes"));
    watermarked.create_or_replace_temp_view(&view(revision))?;
    events.spark_session().sql(&sessions_sql(revision))
}

/// The generated query; the fingerprint covers it.
pub(crate) fn sessions_sql(revision: i64) -> String {
    let (at, started) = (EVENT.occurred_at, EVENT.session_started_at);
    let ids = format!("{}, {}", EVENT.user_id, EVENT.session_id);
    let whole_ms = format!("date_trunc('MILLISECOND', {started})");
    format!(
        "select {outputs} from (select {ids}, {whole_ms} as {started}, {WINDOW}, {aggregates} from {view} \
         where unix_micros({at}) - unix_micros({started}) between 0 and {SESSION_LONGEST_US} - 1 \
         group by {ids}, {whole_ms}, {WINDOW}({at}, '{gap} seconds'))",
        outputs = outputs(revision),
        aggregates = aggregates(),
        view = view(revision),
        gap = SESSION_GAP_US / 1_000_000,
    )
}

fn is(name: EventName) -> String {
    format!("{} = '{name}'", EVENT.event_name)
}

fn count_of(name: EventName, column: impl std::fmt::Display) -> String {
    format!("count_if({}) as {column}", is(name))
}

fn sum_of(name: EventName) -> String {
    format!("coalesce(sum({}) filter (where {}), 0BD)", EVENT.amount_base, is(name))
}

fn aggregates() -> String {
    // Of several that came at once, the one with the least id: ties must fall the same way wherever they are
    // judged.
    let first = [EVENT.occurred_at, EVENT.event_id, EVENT.country, EVENT.device, EVENT.channel]
        .map(|column| column.to_string())
        .join(", ");
    [
        format!("count(1) as {}", MEASURE.events),
        format!("max({}) as {}", EVENT.occurred_at, VISIT.ended_at),
        count_of(EventName::SessionStart, STARTS),
        count_of(EventName::ViewItemList, LISTS),
        count_of(EventName::ViewItem, MEASURE.item_views),
        count_of(EventName::AddToCart, MEASURE.cart_adds),
        count_of(EventName::BeginCheckout, MEASURE.checkouts),
        count_of(EventName::AddPaymentInfo, PAYMENTS),
        count_of(EventName::Purchase, LINES),
        format!("count_if({} and {} = 1) as {}", is(EventName::Purchase), EVENT.order_line, MEASURE.orders),
        format!("{} - {} as {}", sum_of(EventName::Purchase), sum_of(EventName::Refund), MEASURE.net),
        format!("{} - {} as {IN_CART}", sum_of(EventName::AddToCart), sum_of(EventName::RemoveFromCart)),
        format!("min(struct({first})) as {FIRST}"),
    ]
    .join(", ")
}

fn outputs(revision: i64) -> String {
    let start = format!("{WINDOW}.start");
    let tables = SESSIONS.tables.iter().flat_map(|table| {
        let route = format!("'{}' as {}", table.table, CUBE.route);
        let dimensions = table.dimensions.iter().map(ToString::to_string);
        let at = format!("{start} as {}", INSTANT.started_at);
        let measures = table.measures.iter().filter_map(|&measure| measure_sql(measure));
        std::iter::once(route).chain(dimensions).chain([at]).chain(measures)
    });
    let version = format!(
        "unix_micros({start}) + {}L + {} as {}",
        revision * REVISION_STEP,
        MEASURE.events,
        CUBE.write_time
    );
    tables.chain([version]).collect::<Vec<_>>().join(", ")
}

/// A measure of the aggregated visit; nothing for one that no table of sessions has.
fn measure_sql(measure: Measure) -> Option<String> {
    Some(match measure {
        Measure::Of(aggregate) => aggregate.column().to_string(),
        Measure::Visit(VisitMeasure::EndedAt) => VISIT.ended_at.to_string(),
        Measure::Visit(measure) => format!("{} as {}", visit_sql(measure), measure.column()),
        Measure::Field(column, _) => format!("{FIRST}.{column} as {column}"),
        Measure::Before(_) | Measure::Registrations => return None,
    })
}

fn visit_sql(measure: VisitMeasure) -> String {
    let [visit, browse, cart, checkout, purchase] = STEPS;
    let (views, adds, checkouts) = (MEASURE.item_views, MEASURE.cart_adds, MEASURE.checkouts);
    let furthest = format!(
        "case when {LINES} > 0 then '{purchase}' when {checkouts} + {PAYMENTS} > 0 then '{checkout}' \
         when {adds} > 0 then '{cart}' when {views} + {LISTS} > 0 then '{browse}' else '{visit}' end"
    );
    match measure {
        VisitMeasure::EndedAt => VISIT.ended_at.to_string(),
        VisitMeasure::DurationMs => format!("unix_millis({}) - unix_millis({WINDOW}.start)", VISIT.ended_at),
        VisitMeasure::Bounce => format!("{} - {STARTS} <= 1", MEASURE.events),
        VisitMeasure::AbandonedAt => {
            format!("case when {furthest} in ('{purchase}', '{visit}') then '{NONE}' else {furthest} end")
        }
        VisitMeasure::FurthestStep => furthest,
        VisitMeasure::ValueAtRisk => {
            format!("case when {LINES} > 0 then 0BD else greatest({IN_CART}, 0BD) end")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_aggregate_of_the_table_is_computed_before_it_is_named() {
        let inner = aggregates();
        for measure in SESSIONS.tables.iter().flat_map(|table| table.measures) {
            if let Measure::Of(aggregate) = measure {
                assert!(inner.contains(&format!(" as {}", aggregate.column())), "{aggregate:?}");
            }
        }
    }
}
