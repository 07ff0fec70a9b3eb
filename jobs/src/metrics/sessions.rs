//! Sessions: what a user did in one visit, shown when the visit is closed.
//!
//! A session is the events of one visit (user, session id and declared start) without a gap of [`SESSION_GAP_US`], and without
//! those that come more than [`SESSION_LONGEST_US`] after the declared start. Spark keeps an open session as state and gives it
//! out when the watermark passes its end (append mode), once. The declared start, which every event carries, decides which plan
//! owns a session: a plan that begins in the middle of a visit does not see its first events.

use contracts::cube::{CUBE, MEASURE, NONE, REVISION_STEP};
use contracts::event::EVENT;
use contracts::family::{BESIDE, SESSION_GAP_US, SESSION_LONGEST_US, SESSIONS, STEPS};
use contracts::lateness::WATERMARK_DELAY_MIN;
use contracts::record::Column;
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

/// Closed sessions of on-time events, as rows of the family's table with `route` and `write_time`. In batch every session counts
/// as closed: who calls it chooses those that are.
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
    let keys = [EVENT.user_id, EVENT.session_id, started].map(|column| column.to_string()).join(", ");
    format!(
        "select {outputs} from (select {keys}, {WINDOW}, {aggregates} from {view} \
         where unix_micros({at}) - unix_micros({started}) < {SESSION_LONGEST_US} \
         group by {keys}, {WINDOW}({at}, '{gap} seconds'))",
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
    // Of several that came at once, the one with the least id: ties must fall the same way wherever they are judged.
    let first = [EVENT.occurred_at, EVENT.event_id, EVENT.country, EVENT.device, EVENT.channel]
        .map(|column| column.to_string())
        .join(", ");
    [
        format!("count(1) as {}", MEASURE.events),
        format!("max({}) as {}", EVENT.occurred_at, BESIDE.ended_at),
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
    let [visit, browse, cart, checkout, purchase] = STEPS;
    let (views, adds, checkouts) = (MEASURE.item_views, MEASURE.cart_adds, MEASURE.checkouts);
    let furthest = format!(
        "case when {LINES} > 0 then '{purchase}' when {checkouts} + {PAYMENTS} > 0 then '{checkout}' \
         when {adds} > 0 then '{cart}' when {views} + {LISTS} > 0 then '{browse}' else '{visit}' end"
    );
    let abandoned =
        format!("case when {furthest} in ('{purchase}', '{visit}') then '{NONE}' else {furthest} end");
    let of_first = |column: Column| format!("{FIRST}.{column} as {column}");
    let as_is = |column: Column| column.to_string();
    let route = SESSIONS.tables.iter().map(|table| format!("'{}' as {}", table.table, CUBE.route));
    route
        .chain([
            as_is(EVENT.user_id),
            as_is(EVENT.session_id),
            as_is(EVENT.session_started_at),
            format!("{start} as {}", BESIDE.started_at),
            as_is(BESIDE.ended_at),
            format!("unix_millis({}) - unix_millis({start}) as {}", BESIDE.ended_at, BESIDE.duration_ms),
            as_is(MEASURE.events),
            as_is(views),
            as_is(adds),
            as_is(checkouts),
            as_is(MEASURE.orders),
            as_is(MEASURE.net),
            format!("{} - {STARTS} <= 1 as {}", MEASURE.events, BESIDE.bounce),
            format!("{furthest} as {}", BESIDE.furthest_step),
            format!("{abandoned} as {}", BESIDE.abandoned_at),
            format!(
                "case when {LINES} > 0 then 0BD else greatest({IN_CART}, 0BD) end as {}",
                BESIDE.value_at_risk
            ),
            of_first(EVENT.country),
            of_first(EVENT.device),
            of_first(EVENT.channel),
            format!(
                "unix_micros({start}) + {}L + {} as {}",
                revision * REVISION_STEP,
                MEASURE.events,
                CUBE.write_time
            ),
        ])
        .collect::<Vec<_>>()
        .join(", ")
}
