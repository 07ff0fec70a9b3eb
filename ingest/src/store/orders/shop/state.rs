//! What was told of an order before: how it is kept, and how it moves on.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use contracts::validation::MAX_ORDER_LINES;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use tokio_postgres::{Client, Error, Row};
use uuid::Uuid;

use super::line::{Lines, Records};
use super::sums::Decisions;
use crate::store::error::StoreError;
use crate::store::held::{Moves, StateAt};

/// What was told of an order before.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(in super::super) struct State {
    /// The next line.
    pub(super) next: i32,
    pub(super) lines: Lines,
    /// The places of lines without an id that are in quarantine, by where they are told: that is all they are
    /// known by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) keyless: BTreeMap<i32, i32>,
    /// What its refunds are for.
    #[serde(default)]
    pub(super) refunds: Decisions,
    /// Of refunds that tell their lines, the identities of what these pay back. Earlier commits did not note
    /// that.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) of_lines: BTreeMap<String, BTreeSet<Uuid>>,
    /// When all of its refunds were listed last, by the shop's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) listed: Option<DateTime<Utc>>,
    /// When it was bought.
    #[serde(default)]
    pub(super) created_at: Option<DateTime<Utc>>,
}

/// A state and which one it is.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Known {
    pub(in super::super) at: Option<StateAt>,
    pub(in super::super) state: State,
    pub(in super::super) records: Records,
    /// The state as it stands in the table.
    stored: Option<String>,
}

impl State {
    /// Whether nothing of it was sold yet or set aside: then nobody knows its lines by their places.
    pub(super) fn is_untouched(&self) -> bool {
        self.keyless.is_empty() && self.lines.values().all(|line| !line.sold && !line.aside)
    }

    /// Without places that no order has. An earlier commit gave them, and what it took for sold there is in
    /// no table: nothing tells how much of a line's sum that was.
    fn within_its_places(mut self) -> Self {
        self.lines.values_mut().for_each(|line| line.at.retain(|at| *at <= MAX_ORDER_LINES));
        self.keyless.retain(|_, at| *at <= MAX_ORDER_LINES);
        self.next = self.next.min(MAX_ORDER_LINES + 1);
        self
    }

    /// The places of lines that were refused, whatever became of them since.
    pub(super) fn refused_places(&self) -> BTreeSet<i32> {
        let refused = self.lines.values().filter(|line| !line.kept.is_empty());
        refused.filter_map(|line| line.at.first()).chain(self.keyless.values()).copied().collect()
    }
}

impl Known {
    /// When the order was bought, where that was told.
    pub(in super::super) fn bought_at(&self) -> Option<DateTime<Utc>> {
        self.state.created_at
    }

    /// What the shop system tells now of a refused line that is set aside at a place of the order: units and
    /// their sum, which are none where the line has gone. Nothing where that is not known, or where what
    /// stands under these coordinates of a source is no refused line of the order.
    pub(in super::super) fn told_of(&self, aside: (&str, &str), at: i32) -> Option<(i32, Decimal)> {
        let is_aside =
            |(source, coordinates): &(String, String)| (source.as_str(), coordinates.as_str()) == aside;
        let lines = || self.state.lines.values();
        let line = lines().find(|line| line.kept.iter().any(is_aside));
        if let Some(line) = line.filter(|line| line.at.first() == Some(&at)) {
            return line.told;
        }
        let is_former = line.is_some() || lines().any(|line| line.former.iter().any(is_aside));
        is_former.then_some((0, Decimal::ZERO))
    }

    /// Takes in what the quarantine has of a line.
    pub(in super::super) fn note(&mut self, noted: Noted) {
        if !noted.is_there {
            self.records.forgotten.insert(noted.key);
        }
        self.records.replayed.extend(noted.replayed);
    }

    /// Holds the stored state to be so still, without a change.
    pub(in super::super) fn stay(&self, order_id: &str, moves: &mut Moves) {
        if let (Some(at), Some(stored)) = (self.at, &self.stored) {
            moves.add(order_id, (Some(at), Some(stored.clone())), at, stored.clone());
        }
    }

    /// Takes the new state over, and moves the stored one on.
    pub(in super::super) fn move_on(
        &mut self,
        order_id: &str,
        (at, state): (StateAt, State),
        moves: &mut Moves,
    ) {
        let before = (self.at, self.stored.take());
        moves.add(order_id, before, at, serde_json::to_string(&state).unwrap_or_default());
        (self.at, self.state, self.stored) = (Some(at), state, None);
    }
}

/// A state as it is stored.
pub(in super::super) struct Stored {
    pub(in super::super) order_id: String,
    at: StateAt,
    /// The place of its last line.
    pub(in super::super) last: i32,
    state: String,
}

/// What is known of orders.
pub(in super::super) async fn known(client: &Client, orders: &[String]) -> Result<Vec<Stored>, Error> {
    let sql = "select order_id, as_of, rank, (state->>'next')::int4 - 1, state::text \
               from raw.shop_order where order_id = any($1)";
    let rows = client.query(sql, &[&orders]).await?;
    let stored = |row: &Row| {
        let at = (row.try_get(1)?, row.try_get(2)?);
        let last = row.try_get::<_, i32>(3)?.min(MAX_ORDER_LINES);
        Ok(Stored { order_id: row.try_get(0)?, at, last, state: row.try_get(4)? })
    };
    rows.iter().map(stored).collect()
}

/// What the quarantine has of a line whose state notes where it stands there.
pub(in super::super) struct Noted {
    pub(in super::super) order_id: String,
    key: String,
    is_there: bool,
    /// The purchases that it became.
    replayed: Vec<Uuid>,
}

/// What the quarantine has of orders' lines.
pub(in super::super) async fn noted(client: &Client, orders: &[String]) -> Result<Vec<Noted>, Error> {
    let sql = "select known.order_id, line.key, coalesce(bool_or(q.source is not null), false),
                   coalesce(array_agg(q.record_id) filter (where q.outcome = 'accepted' and q.record_id is not null), '{}')
               from raw.shop_order known, jsonb_each(known.state->'lines') line,
                   jsonb_array_elements(coalesce(line.value->'kept', '[]') || coalesce(line.value->'former', '[]')) kept
                   left join raw.quarantine q on q.source = kept.value->>0 and q.coordinates = kept.value->>1
               where known.order_id = any($1) group by known.order_id, line.key";
    let noted = |row: &Row| {
        let (order_id, key) = (row.try_get(0)?, row.try_get(1)?);
        Ok(Noted { order_id, key, is_there: row.try_get(2)?, replayed: row.try_get(3)? })
    };
    client.query(sql, &[&orders]).await?.iter().map(noted).collect()
}

impl Stored {
    /// Reads it.
    pub(in super::super) fn read(&self) -> Result<Known, StoreError> {
        let bad = |error: serde_json::Error| StoreError::BadRow {
            table: "raw.shop_order",
            column: "state",
            detail: error.to_string(),
        };
        let state = serde_json::from_str::<State>(&self.state).map_err(bad)?.within_its_places();
        let records = Records::default();
        Ok(Known { at: Some(self.at), state, records, stored: Some(self.state.clone()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_place_that_no_order_has_is_dropped() {
        let stored = Stored {
            order_id: "o-1".to_owned(),
            at: (DateTime::UNIX_EPOCH, 0),
            last: 1_002,
            state: r#"{"next": 1003, "keyless": {"2": 2, "3": 1002}, "lines": {
                "a": {"at": [1, 1001], "units": 2, "sum": "20.00", "sold": true},
                "b": {"at": [1002], "units": 0, "sum": "0", "sold": false, "aside": false}}}"#
                .to_owned(),
        };
        let state = stored.read().unwrap().state;
        let places: Vec<&[i32]> = state.lines.values().map(|line| line.at.as_slice()).collect();
        assert_eq!((places, state.next), (vec![&[1][..], &[]], 1_001));
        assert_eq!(state.keyless, BTreeMap::from([(2, 2)]));
        // A state of an earlier commit does not tell whether a line stands in quarantine: it may.
        assert_eq!(state.lines.values().map(|line| line.aside).collect::<Vec<_>>(), [true, false]);
    }
}
