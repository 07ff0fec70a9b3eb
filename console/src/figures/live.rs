//! What the Live page shows, from memory alone.

use chrono::{DateTime, Utc};

use super::view::{LiveView, Part};
use crate::api::answer::PeriodTold;
use crate::line;
use crate::page::Viewing;
use crate::watch::Snapshot;

/// All of it: today in the viewer's zone, against what the viewer has chosen.
pub(crate) fn live(snapshot: &Snapshot, viewing: &Viewing, now: DateTime<Utc>) -> LiveView {
    LiveView {
        period: PeriodTold {
            from: now,
            to: now,
            compared_from: None,
            compared_to: None,
            time_zone: viewing.zone.name().to_owned(),
        },
        now: unknown(snapshot, now),
        recent: unknown(snapshot, now),
        day: unknown(snapshot, now),
        countries: unknown(snapshot, now),
        categories: unknown(snapshot, now),
        funnel: unknown(snapshot, now),
        products: unknown(snapshot, now),
        who: unknown(snapshot, now),
        channels: unknown(snapshot, now),
        visitors: unknown(snapshot, now),
        ahead: None,
        empty: false,
    }
}

fn unknown<T>(snapshot: &Snapshot, now: DateTime<Utc>) -> Part<T> {
    Part {
        data: None,
        why: Some("not loaded yet".into()),
        freshness: line::freshness(snapshot, "cube", None, now),
        proof: line::proof(snapshot, "activity_by_minute", now),
    }
}
