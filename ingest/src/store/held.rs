//! What a transaction was judged by beforehand, and holds to be so still.

use chrono::{DateTime, Utc};
use tokio_postgres::{Client, Error};
use uuid::Uuid;

/// When a shop system changed an order, and which of the changes of that moment it is.
pub(super) type StateAt = (DateTime<Utc>, i64);

/// What a transaction holds.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) seen: Seen,
    /// Orders of shop systems that were told of.
    pub(super) moves: Moves,
}

impl Held {
    /// Holds it to the end of the transaction; fails where it is not so any more.
    pub(super) async fn hold(&self, client: &Client) -> Result<(), Error> {
        self.seen.hold(client).await?;
        self.moves.apply(client).await
    }
}

/// What refunds were judged by, for `raw.hold_refunds`.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) orders: Vec<String>,
    /// How many refunds each had; nothing where no purchase of it is known.
    pub(super) refunds: Vec<Option<i64>>,
    /// From which id on they were looked for.
    pub(super) since: Uuid,
    /// Ids of lines that nobody has told of.
    pub(super) absent: Vec<Uuid>,
}

impl Seen {
    /// Holds the orders to the end of the transaction; fails where what was seen is not what is there.
    pub(super) async fn hold(&self, client: &Client) -> Result<(), Error> {
        let Self { orders, refunds, since, absent } = self;
        client.execute("select raw.hold_refunds($1, $2, $3, $4)", &[orders, refunds, since, absent]).await?;
        Ok(())
    }
}

/// States that move on in a transaction.
#[derive(Debug, Clone, Default)]
pub(super) struct Moves {
    orders: Vec<String>,
    before: Vec<Option<DateTime<Utc>>>,
    before_rank: Vec<Option<i64>>,
    as_of: Vec<DateTime<Utc>>,
    ranks: Vec<i64>,
    /// As they stand in the table; nothing where they do not.
    before_states: Vec<Option<String>>,
    states: Vec<String>,
}

impl Seen {
    /// Holds the orders of these states, too.
    pub(super) fn and_of(mut self, moves: &Moves) -> Self {
        self.orders.extend(moves.orders.iter().cloned());
        self.refunds.resize(self.orders.len(), None);
        self
    }
}

impl Moves {
    /// Whether there are none.
    pub(super) const fn is_empty(&self) -> bool {
        self.orders.is_empty()
    }

    /// Adds one: the order, the state that it is in by what is known, when it was changed, and its new state.
    /// Several of one order are one move: from the state before the first to that of the last.
    pub(super) fn add(
        &mut self,
        order_id: &str,
        (before, stored): (Option<StateAt>, Option<String>),
        at: StateAt,
        state: String,
    ) {
        if let Some(place) = self.orders.iter().position(|order| order == order_id) {
            (self.as_of[place], self.ranks[place], self.states[place]) = (at.0, at.1, state);
            return;
        }
        self.orders.push(order_id.to_owned());
        self.before_states.push(stored);
        self.before.push(before.map(|at| at.0));
        self.before_rank.push(before.map(|at| at.1));
        self.as_of.push(at.0);
        self.ranks.push(at.1);
        self.states.push(state);
    }

    /// Moves them; fails where somebody else has.
    pub(super) async fn apply(&self, client: &Client) -> Result<(), Error> {
        if self.is_empty() {
            return Ok(());
        }
        let Self { orders, before, before_rank, as_of, ranks, before_states, states } = self;
        let sql = "select raw.move_shop_orders($1, $2, $3, $4, $5, $6, $7)";
        client.execute(sql, &[orders, before, before_rank, before_states, as_of, ranks, states]).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_of_one_order_are_one_from_its_first_state_to_its_last() {
        let at = |minute: i64| (DateTime::from_timestamp(60 * minute, 0).unwrap(), minute);
        let mut moves = Moves::default();
        moves.add("a", (None, None), at(1), "1".to_owned());
        moves.add("b", (Some(at(0)), Some("0".to_owned())), at(1), "1".to_owned());
        moves.add("a", (Some(at(1)), None), at(1), "2".to_owned());
        moves.add("b", (Some(at(1)), None), at(3), "3".to_owned());
        assert_eq!(moves.orders, ["a", "b"]);
        assert_eq!(moves.before, [None, Some(at(0).0)]);
        assert_eq!(moves.before_states, [None, Some("0".to_owned())]);
        assert_eq!((moves.as_of, moves.ranks), (vec![at(1).0, at(3).0], vec![1, 3]));
        assert_eq!(moves.states, ["2", "3"]);
    }
}
