//! A shop of made figures on a made clock.

use std::sync::Arc;

use chrono_tz::Tz;
use rust_decimal::Decimal;

use super::*;
use crate::api::answer::PeriodBounds;
use crate::figures::sums::Slot;
use crate::figures::view::{Amount, ChangeIn};
use crate::page::states::Change;
use crate::panel::Against;
use crate::watch::Seen;
use crate::watch::shop::store::Stored;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn stored(at: DateTime<Utc>, key: [&str; 2], orders: i64) -> Stored {
    let mut sums = Sums::default();
    for (measure, value) in [
        (Measure::Orders, orders),
        (Measure::Visits, orders * 10),
        (Measure::Events, orders * 60),
        (Measure::OrderLines, orders),
    ] {
        let Some(Slot::Count(slot)) = Sums::slot(measure.column()) else { panic!() };
        sums.set_count(slot, value);
    }
    let Some(Slot::Money(slot)) = Sums::slot(Measure::Net.column()) else { panic!() };
    sums.set_money(slot, Decimal::new(orders * 1_000, 2));
    Stored { at, key: key.map(Arc::from), sums, before: Sums::default(), users: None, newest: None }
}

/// Orders of each minute: 3 from the beginning of `day` on, 2 before, up to and with the open minute of
/// `now`.
fn snapshot(first: DateTime<Utc>, day: DateTime<Utc>, now: DateTime<Utc>) -> Snapshot {
    let (mut activity, mut countries) = (Vec::new(), Vec::new());
    let mut minute = first;
    while minute <= now {
        let orders = if minute < day { 2 } else { 3 };
        activity.push(stored(minute, ["", ""], orders));
        countries.push(stored(minute, ["CH", ""], 1));
        countries.push(stored(minute, ["DE", ""], orders - 1));
        minute += TimeDelta::minutes(1);
    }
    let coverage = Coverage { first_row: Some(first), as_of: Some(now), ..Coverage::default() };
    let read = Stretch { from: first - TimeDelta::days(1), to: now + TimeDelta::minutes(15) };
    let rows = vec![
        (Kept::Activity, activity),
        (Kept::Countries, countries),
        (Kept::Who, vec![stored(now, ["female", "25-34"], 3)]),
    ];
    of(Shop::of(coverage, read, rows), now)
}

fn of(shop: Shop, now: DateTime<Utc>) -> Snapshot {
    Snapshot {
        shop: Seen { value: Some(Arc::new(shop)), read_at: Some(now), away: None },
        ..Snapshot::default()
    }
}

/// What the tests look at.
struct View {
    period: PeriodBounds,
    now: Part<Now>,
    day: Part<Series>,
    countries: Part<Breakdown>,
    categories: Part<Breakdown>,
    visitors: Part<Visitors>,
    empty: bool,
}

fn view(snapshot: &Snapshot, zone: Tz, now: DateTime<Utc>) -> View {
    let live = Live::of(snapshot, &Viewing { zone, against: Against::Yesterday }, now);
    View {
        period: live.period(),
        now: live.now(),
        day: live.day(),
        countries: live.countries(),
        categories: live.categories(),
        visitors: live.visitors(),
        empty: live.empty(),
    }
}

#[test]
fn today_is_compared_with_as_many_minutes_of_yesterday_without_the_open_one() {
    let (first, day) = (at("2026-11-26T00:00:00Z"), at("2026-11-28T00:00:00Z"));
    for (clock, minutes) in [("00:15:20", 15), ("12:00:59", 720), ("23:59:30", 1_439)] {
        let now = at(&format!("2026-11-28T{clock}Z"));
        let told = view(&snapshot(first, day, now), Tz::UTC, now);
        let today = told.now.data.unwrap().today;
        assert_eq!(today.orders.value, Some(Amount::Count(3 * (minutes + 1))), "{clock}");
        assert_eq!(today.orders.closed, Some(Amount::Count(3 * minutes)), "{clock}");
        assert_eq!(today.orders.compared, Some(Amount::Count(2 * minutes)), "{clock}");
        assert_eq!(today.orders.as_change(), Change::Ratio(0.5), "{clock}");
        assert_eq!(today.orders.provisional, minutes < 60, "{clock}");
        assert_eq!(today.net.compared, Some(Amount::Money((20 * minutes).into())), "{clock}");
        assert_eq!(told.period.compared_to, Some(at("2026-11-27T00:00:00Z") + TimeDelta::minutes(minutes)));
        let countries = told.countries.data.unwrap();
        let rows: Vec<_> =
            countries.rows.iter().map(|row| (row.key.as_str(), row.rank, row.rank_before)).collect();
        // Yesterday both sold the same, and keys decide.
        assert_eq!(rows, [("DE", 1, Some(2)), ("CH", 2, Some(1))], "{clock}");
        assert_eq!(countries.rows[1].compared, Some(Amount::Money((10 * minutes).into())), "{clock}");
    }
}

#[test]
fn five_minutes_after_midnight_a_percentage_needs_enough_events() {
    let now = at("2026-11-28T00:05:20Z");
    let told = view(&snapshot(at("2026-11-26T00:00:00Z"), at("2026-11-28T00:00:00Z"), now), Tz::UTC, now);
    let today = told.now.data.unwrap().today;
    assert_eq!((today.orders.compared, today.orders.change), (Some(Amount::Count(10)), None));
    assert!(today.orders.why.unwrap().contains("fewer than 20"));
    assert_eq!(today.visits.as_change(), Change::Ratio(0.5));
    assert_eq!(today.conversion.value, None, "of half an hour or more alone");
}

#[test]
fn days_are_the_viewers_and_a_change_of_clocks_makes_none_longer() {
    // 13 hours of October 25 in Zurich, whose clocks went back at 01:00 UTC.
    let (day, now) = (at("2026-10-24T22:00:00Z"), at("2026-10-25T11:00:30Z"));
    let told = view(&snapshot(at("2026-10-22T00:00:00Z"), day, now), Tz::Europe__Zurich, now);
    let orders = told.now.data.unwrap().today.orders;
    assert_eq!(orders.closed, Some(Amount::Count(3 * 13 * 60)));
    assert_eq!(orders.compared, Some(Amount::Count(2 * 13 * 60)));
    // Nepal's day begins at a quarter past 18:00 UTC.
    let (day, now) = (at("2026-11-27T18:15:00Z"), at("2026-11-28T10:07:30Z"));
    let told = view(&snapshot(at("2026-11-25T00:00:00Z"), day, now), Tz::Asia__Kathmandu, now);
    assert_eq!(told.now.data.unwrap().today.orders.as_change(), Change::Ratio(0.5));
}

#[test]
fn what_was_deleted_or_never_was_is_compared_with_nothing_and_says_why() {
    let (first, day, now) =
        (at("2026-11-27T09:00:00Z"), at("2026-11-28T00:00:00Z"), at("2026-11-28T12:00:30Z"));
    let told = view(&snapshot(first, day, now), Tz::UTC, now);
    let orders = told.now.data.unwrap().today.orders;
    assert_eq!((orders.value.is_some(), orders.change_in), (true, ChangeIn::None));
    assert!(orders.why.unwrap().contains("no figures before"));
    assert!(told.countries.data.unwrap().why.unwrap().contains("no figures before"));
    let day = told.day.data.unwrap();
    assert!(day.points.iter().all(|point| point.known));
    // Minutes of yesterday are compared as soon as there were figures.
    assert_eq!(day.points.iter().filter(|point| point.compared.is_none()).count(), 9 * 6);
}

#[test]
fn nothing_is_0_before_it_is_known() {
    let now = at("2026-11-28T12:00:30Z");
    let waiting = view(&Snapshot::default(), Tz::UTC, now);
    assert_eq!(waiting.now.data, None);
    assert_eq!(waiting.now.why.as_deref(), Some(NOT_LOADED));
    assert!(!waiting.empty);

    // PostgreSQL and Cassandra are there, and nothing else ever was.
    let empty = view(&of(Shop::default(), now), Tz::UTC, now);
    assert!(empty.empty);
    assert_eq!((empty.now.data, empty.now.why.as_deref()), (None, Some("no event has come yet")));

    // Spark stopped yesterday evening: of today nothing is known, and it is not 0.
    let stopped = at("2026-11-27T22:00:30Z");
    let told = view(&snapshot(at("2026-11-26T00:00:00Z"), at("2026-11-27T00:00:00Z"), stopped), Tz::UTC, now);
    assert_eq!(told.now.data, None);
    assert!(told.now.why.unwrap().contains("reach to 2026-11-27T22:00:30Z"));

    // The whole shop's minutes are read, the other tables' are not yet.
    let mut snapshot = snapshot(at("2026-11-26T00:00:00Z"), at("2026-11-28T00:00:00Z"), now);
    snapshot.shop.away = Some(crate::watch::Away { since: now, why: "no node answered".to_owned() });
    let told = view(&snapshot, Tz::UTC, now);
    assert_eq!(told.categories.data, None);
    assert_eq!(told.categories.why.as_deref(), Some(NOT_LOADED));
    // A figure whose store is away stays, and says so.
    assert!(told.now.data.is_some());
    assert!(told.now.freshness.why.unwrap().contains("no node answered"));
}

#[test]
fn distinct_visitors_of_a_day_have_bounds_and_no_number() {
    let now = at("2026-11-28T12:00:30Z");
    let coverage =
        Coverage { first_row: Some(at("2026-11-27T00:00:00Z")), as_of: Some(now), ..Coverage::default() };
    let mut shop = Shop::of(coverage, Stretch { from: at("2026-11-28T00:00:00Z"), to: now }, Vec::new());
    let hour = |users| Hour { sums: Sums::default(), users: Distinct::new(users) };
    shop.hours_from = Some(at("2026-11-14T00:00:00Z"));
    shop.hours = Arc::new(BTreeMap::from([
        (at("2026-11-27T23:00:00Z"), hour(9_000)),
        (at("2026-11-28T00:00:00Z"), hour(1_000)),
        (at("2026-11-28T11:00:00Z"), hour(400)),
    ]));
    shop.visitors = Arc::new(BTreeMap::from([
        (at("2026-11-28T12:00:30Z"), Distinct::new(77)),
        // Windows that end later have begun, and are not told.
        (at("2026-11-28T12:01:00Z"), Distinct::new(5)),
    ]));
    let told = view(&of(shop, now), Tz::UTC, now).visitors.data.unwrap();
    assert_eq!((told.estimate, told.at_least, told.at_most), (None, Some(967), Some(1_447)));
    assert_eq!(told.points.iter().map(|point| point.estimate).collect::<Vec<_>>(), [77]);
}
