//! What the rows before and after it give a row of an order.

use std::cell::Cell;
use std::rc::Rc;

use crate::mapping::Orders;

/// What a row's order gives it.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) skipped: bool,
    /// By the place in [`Orders::carry`].
    pub(crate) carried: Option<Rc<Vec<Option<Rc<str>>>>>,
    /// Which line it is, and of which order.
    pub(crate) line: Option<(u32, Rc<Order>, Side)>,
    pub(crate) fault: Option<String>,
    /// Whether what is carried may hold marks for what is no text.
    pub(crate) is_marked: bool,
}

/// Lines that are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Sale,
    Refund,
}

/// Lines with one id that follow each other.
#[derive(Debug, Default)]
pub(crate) struct Order {
    pub(crate) sales: Cell<u32>,
    pub(crate) refunds: Cell<u32>,
}

impl Order {
    pub(crate) const fn lines(&self, side: Side) -> &Cell<u32> {
        match side {
            Side::Sale => &self.sales,
            Side::Refund => &self.refunds,
        }
    }
}

impl Plan {
    pub(crate) const fn is_skipped(&self) -> bool {
        self.skipped
    }

    /// What a column had in the order's row before.
    pub(crate) fn carried(&self, orders: &Orders, column: usize) -> Option<&str> {
        let carried = self.carried.as_ref()?;
        let at = orders.carry.iter().position(|carried| *carried == column)?;
        carried[at].as_deref()
    }

    /// Which line of the order the row is, and how many there are.
    pub(crate) fn numbers(&self) -> Option<(u32, u32)> {
        self.line.as_ref().map(|(line, order, side)| (*line, order.lines(*side).get()))
    }

    pub(crate) fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    pub(crate) const fn is_marked(&self) -> bool {
        self.is_marked
    }
}
