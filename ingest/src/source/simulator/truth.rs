//! What a run sent, counted exactly, from the accepted events themselves.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use chrono::{DateTime, Utc};
use contracts::event::Country;
use contracts::lateness::{self, Lateness};
use contracts::record::Text;
use contracts::vocabulary::{AgeBand, Channel, Device, EventName, Gender};
use contracts::{Event, Reason};
use rust_decimal::Decimal;
use uuid::Uuid;

/// Counts and sums over some events, as the metric tables have them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Measures {
    /// All lines.
    pub events: u64,
    /// Visits begun.
    pub session_starts: u64,
    /// Products looked at.
    pub item_views: u64,
    /// Puts into carts.
    pub cart_adds: u64,
    /// Checkouts begun.
    pub checkouts: u64,
    /// Orders: purchase lines with `order_line` 1.
    pub orders: u64,
    /// Purchase lines.
    pub order_lines: u64,
    /// Units bought.
    pub units: i64,
    /// Bought, in the base currency.
    #[serde(rename = "gross", serialize_with = "as_amount")]
    pub gross_cents: i64,
    /// Paid back, in the base currency.
    #[serde(rename = "refunds", serialize_with = "as_amount")]
    pub refund_cents: i64,
}

fn as_amount<S: serde::Serializer>(cents: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&Decimal::new(*cents, 2))
}

impl Measures {
    /// Counts an event in.
    pub fn add(&mut self, event: &Event) {
        self.events += 1;
        let cents = event.amount_base.map_or(0, contracts::event::Amount::unscaled);
        match event.event_name {
            EventName::SessionStart => self.session_starts += 1,
            EventName::ViewItem => self.item_views += 1,
            EventName::AddToCart => self.cart_adds += 1,
            EventName::BeginCheckout => self.checkouts += 1,
            EventName::Purchase => {
                self.orders += u64::from(event.order_line == Some(1));
                self.order_lines += 1;
                self.units += i64::from(event.quantity.unwrap_or(0));
                self.gross_cents += cents;
            }
            EventName::Refund => self.refund_cents += cents,
            EventName::ViewItemList | EventName::RemoveFromCart | EventName::AddPaymentInfo => {}
        }
    }
}

/// The exact truth of a run: `sent` = `accepted` + `repeated` + all of `rejected`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Truth {
    /// The run; the first part of its records' coordinates in quarantine.
    pub run_id: Uuid,
    pub seed: u64,
    /// When it began, in simulated time.
    pub started_at: DateTime<Utc>,
    /// When it ended, in simulated time.
    pub ended_at: DateTime<Utc>,
    /// Records sent.
    pub sent: u64,
    /// Accepted and sent for the first time.
    pub accepted: u64,
    /// Accepted and sent before.
    pub repeated: u64,
    /// Refused by a rule, by the kind of cause.
    pub rejected: BTreeMap<&'static str, u64>,
    /// Those accepted that were on time: what the metric tables will show.
    pub on_time: Measures,
    /// Those accepted that were late: left to reconciliation.
    pub late: Measures,
    /// On time, by minute of `occurred_at`, as `2026-01-02T03:04:00Z`.
    pub by_minute: BTreeMap<String, Measures>,
    /// On time, by country.
    pub by_country: BTreeMap<String, Measures>,
    /// On time, by `gender/age band`.
    pub by_demographic: BTreeMap<String, Measures>,
    /// On time and about a product, by item id.
    pub by_item: BTreeMap<String, Measures>,
    /// On time and about a product, by category.
    pub by_category: BTreeMap<String, Measures>,
    /// On time, by `channel/device`.
    pub by_channel: BTreeMap<String, Measures>,
}

impl Truth {
    /// All records refused by a rule.
    #[must_use]
    pub fn rejected_total(&self) -> u64 {
        self.rejected.values().sum()
    }
}

/// Counts while a run goes on.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) sent: u64,
    accepted: u64,
    repeated: u64,
    rejected: BTreeMap<Reason, u64>,
    on_time: Measures,
    late: Measures,
    by_minute: HashMap<i64, Measures>,
    by_country: HashMap<Country, Measures>,
    by_demographic: HashMap<(Gender, AgeBand), Measures>,
    by_item: HashMap<Text<64>, Measures>,
    by_category: HashMap<Text<64>, Measures>,
    by_channel: HashMap<(Channel, Device), Measures>,
}

impl Tally {
    pub(super) fn reject(&mut self, reason: Reason) {
        self.sent += 1;
        *self.rejected.entry(reason).or_default() += 1;
    }

    pub(super) const fn repeat(&mut self) {
        self.sent += 1;
        self.repeated += 1;
    }

    pub(super) fn accept(&mut self, event: &Event) {
        self.sent += 1;
        self.accepted += 1;
        if lateness::judge(event.occurred_at, event.ingested_at) != Lateness::OnTime {
            self.late.add(event);
            return;
        }
        self.on_time.add(event);
        add(&mut self.by_minute, &event.occurred_at.timestamp().div_euclid(60), event);
        add(&mut self.by_country, &event.country, event);
        add(&mut self.by_demographic, &(event.gender, event.age_band), event);
        add(&mut self.by_channel, &(event.channel, event.device), event);
        if let Some(item_id) = &event.item_id {
            add(&mut self.by_item, item_id, event);
        }
        if let Some(category) = &event.category {
            add(&mut self.by_category, category, event);
        }
    }

    pub(super) fn into_truth(
        self,
        run_id: Uuid,
        seed: u64,
        started_at: DateTime<Utc>,
        ended_at: DateTime<Utc>,
    ) -> Truth {
        let minute = |unix_minute: &i64| {
            let at = crate::clock::from_micros(unix_minute * 60_000_000);
            at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
        };
        Truth {
            run_id,
            seed,
            started_at,
            ended_at,
            sent: self.sent,
            accepted: self.accepted,
            repeated: self.repeated,
            rejected: self.rejected.iter().map(|(reason, count)| (reason.as_str(), *count)).collect(),
            on_time: self.on_time,
            late: self.late,
            by_minute: named(&self.by_minute, minute),
            by_country: named(&self.by_country, ToString::to_string),
            by_demographic: named(&self.by_demographic, |(gender, band)| format!("{gender}/{band}")),
            by_item: named(&self.by_item, ToString::to_string),
            by_category: named(&self.by_category, ToString::to_string),
            by_channel: named(&self.by_channel, |(channel, device)| format!("{channel}/{device}")),
        }
    }
}

fn add<K: Clone + Eq + Hash>(groups: &mut HashMap<K, Measures>, key: &K, event: &Event) {
    if let Some(measures) = groups.get_mut(key) {
        measures.add(event);
        return;
    }
    groups.entry(key.clone()).or_default().add(event);
}

fn named<K>(groups: &HashMap<K, Measures>, name: impl Fn(&K) -> String) -> BTreeMap<String, Measures> {
    groups.iter().map(|(key, measures)| (name(key), *measures)).collect()
}
