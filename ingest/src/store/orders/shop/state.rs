//! What was told of an order before: how it is kept, and how it moves on.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use tokio_postgres::{Client, Error, Row};
use uuid::Uuid;

use super::line::Lines;
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
    /// When it was bought.
    #[serde(default)]
    pub(super) created_at: Option<DateTime<Utc>>,
}

/// A state and which one it is.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Known {
    pub(in super::super) at: Option<StateAt>,
    pub(in super::super) state: State,
    /// Purchases of its lines that were refused and replayed meanwhile.
    pub(in super::super) replayed: HashSet<Uuid>,
    /// Its lines of which no record stands in quarantine any more, though the state notes where they stood.
    pub(in super::super) forgotten: HashSet<String>,
    /// The state as it stands in the table.
    stored: Option<String>,
}

impl State {
    /// Whether nothing of it was sold yet or set aside: then nobody knows its lines by their places.
    pub(super) fn is_untouched(&self) -> bool {
        self.keyless.is_empty() && self.lines.values().all(|line| !line.sold && !line.aside)
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
    /// their sum, which are none where the line has gone. Nothing where that is not known, or where what stands
    /// under these coordinates of a source is no refused line of the order.
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
            self.forgotten.insert(noted.key);
        }
        self.replayed.extend(noted.replayed);
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
        Ok(Stored { order_id: row.try_get(0)?, at, last: row.try_get(3)?, state: row.try_get(4)? })
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
        let state = serde_json::from_str(&self.state).map_err(bad)?;
        let (replayed, forgotten) = (HashSet::new(), HashSet::new());
        Ok(Known { at: Some(self.at), state, replayed, forgotten, stored: Some(self.state.clone()) })
    }
}
