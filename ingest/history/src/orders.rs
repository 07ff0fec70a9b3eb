//! Rows with what their order gives them: values that stand on its first row only, and the numbers of its
//! lines.
//!
//! Rows that follow each other with one order id are an order. How many lines it has is known at its last
//! row, so that pages wait until the order that their last row is of has ended. Rows that a mapping skips are
//! marked here, and have no number.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;

use contracts::validation::MAX_ORDER_LINES;

use crate::error::HistoryError;
use crate::mapping::Mapping;
use crate::mapping::field::ORDER_ID;
use crate::pages::{Page, Pages, Row, encoding};
use crate::translate::plan::{Order, Side};
use crate::translate::{Cells, Sign};
use crate::value::is_no_value;

pub(crate) use crate::translate::plan::Plan;

/// A page, and what the orders of its rows give them; nothing where the mapping asks for nothing.
pub(crate) struct Planned {
    pub(crate) page: Page,
    plans: Vec<Plan>,
    /// The order that its last row is of.
    last: Option<Rc<Order>>,
}

impl Planned {
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&Row, Option<&Plan>)> {
        self.page.rows.iter().enumerate().map(|(at, row)| (row, self.plans.get(at)))
    }
}

/// The pages of a file with what the orders of their rows give them.
pub(crate) struct Planner<'a> {
    mapping: &'a Mapping,
    pages: Pages,
    waiting: VecDeque<Planned>,
    is_at_end: bool,
    current: Option<Current>,
    /// Digests of the ids of all orders that were sold so far. What is paid back comes later, by the same id.
    sold: HashSet<u64>,
}

/// The order that the newest row is of.
struct Current {
    id: String,
    order: Rc<Order>,
    carried: Rc<Vec<Option<Rc<str>>>>,
    is_marked: bool,
    /// Whether it was sold further up, where it was sold at all.
    is_repeated: Option<bool>,
}

impl<'a> Planner<'a> {
    pub(crate) fn new(mapping: &'a Mapping, pages: Pages) -> Self {
        Self {
            mapping,
            pages,
            waiting: VecDeque::new(),
            is_at_end: false,
            current: None,
            sold: HashSet::new(),
        }
    }

    pub(crate) const fn pages(&mut self) -> &mut Pages {
        &mut self.pages
    }

    pub(crate) fn next(&mut self) -> Result<Option<Planned>, HistoryError> {
        let orders = self.mapping.orders();
        if !orders.is_used() && self.mapping.skips().is_empty() {
            return Ok(self.pages.next()?.map(|page| Planned { page, plans: Vec::new(), last: None }));
        }
        while !self.is_at_end && self.waiting.front().is_none_or(|first| self.waits(first)) {
            match self.pages.next()? {
                None => self.is_at_end = true,
                Some(page) => {
                    let planned = self.planned(page);
                    self.waiting.push_back(planned);
                }
            }
        }
        Ok(self.waiting.pop_front())
    }

    /// Whether the order of a page's last row may go on.
    fn waits(&self, page: &Planned) -> bool {
        let (Some(last), Some(current)) = (&page.last, &self.current) else { return false };
        let lines = u32::try_from(MAX_ORDER_LINES).unwrap_or(u32::MAX);
        // One that is longer than an order may be is refused, however long it is.
        self.mapping.orders().number
            && Rc::ptr_eq(last, &current.order)
            && current.order.sales.get() <= lines
            && current.order.refunds.get() <= lines
    }

    fn planned(&mut self, page: Page) -> Planned {
        let plans = page.rows.iter().map(|row| match row.cells {
            // Whose row it is nobody knows; those around it stay together.
            Err(_) => Plan::default(),
            Ok(at) => self.plan(&Cells { mapping: self.mapping, page: &page, row, at, plan: None }),
        });
        let plans = plans.collect();
        let last = self.current.as_ref().map(|current| Rc::clone(&current.order));
        Planned { page, plans, last }
    }

    fn plan(&mut self, cells: &Cells<'_>) -> Plan {
        let orders = self.mapping.orders();
        if !orders.is_used() {
            return Plan { skipped: cells.is_skipped(), ..Plan::default() };
        }
        let id = cells.order_id();
        // Where the id itself is carried, a row without one is of the order before it.
        let id = id.or_else(|| {
            let current = self.current.as_ref()?;
            self.carries_id().then(|| current.id.clone())
        });
        let Some(id) = id else {
            self.current = None;
            return Plan { skipped: cells.is_skipped(), ..Plan::default() };
        };
        if self.current.as_ref().is_none_or(|current| current.id != id) {
            let carried = Rc::new(vec![None; orders.carry.len()]);
            self.current =
                Some(Current { id, order: Rc::default(), carried, is_marked: false, is_repeated: None });
        }
        let Some(current) = &mut self.current else { return Plan::default() };
        for (at, column) in orders.carry.iter().enumerate() {
            if let Some(text) = cells.text(*column)
                && current.carried[at].as_deref() != Some(text)
                // A word for none takes nothing away.
                && (current.carried[at].is_none() || !is_no_value(text))
            {
                Rc::make_mut(&mut current.carried)[at] = Some(text.into());
            }
        }
        current.is_marked |= cells.row.is_marked;
        let is_marked = current.is_marked;
        let mut plan = Plan { carried: Some(Rc::clone(&current.carried)), is_marked, ..Plan::default() };
        let cells = Cells { plan: Some(&plan), ..*cells };
        let skipped = cells.is_skipped();
        let side = match cells.sign() {
            Ok(Sign::Refund) => Side::Refund,
            _ if cells.is_told_refund() => Side::Refund,
            _ => Side::Sale,
        };
        plan.skipped = skipped;
        if skipped {
            return plan;
        }
        let sold = &mut self.sold;
        let is_repeated = side == Side::Sale
            && *current.is_repeated.get_or_insert_with(|| {
                let mut hasher = DefaultHasher::new();
                current.id.hash(&mut hasher);
                !sold.insert(hasher.finish())
            });
        if is_repeated {
            plan.fault = Some(format!(
                "order {} stood further up, with other orders in between: sort the file by order",
                encoding::shown(current.id.as_str().into())
            ));
        } else if orders.number {
            let lines = current.order.lines(side);
            lines.set(lines.get() + 1);
            plan.line = Some((lines.get(), Rc::clone(&current.order), side));
        }
        plan
    }

    fn carries_id(&self) -> bool {
        let rule = self.mapping.rule(ORDER_ID);
        let columns = rule.map(|rule| &rule.from);
        matches!(columns, Some(crate::mapping::Origin::Columns(columns))
            if columns.iter().all(|column| self.mapping.orders().carry.contains(column)))
    }
}
