//! What is to be said of a file besides what became of its rows: once for the file, and not for each row.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use chrono::{DateTime, Utc};
use contracts::Event;
use contracts::vocabulary::EventName;

use crate::mapping::Mapping;
use crate::orders::Plan;
use crate::pages::{Page, Row};
use crate::translate::Cells;

/// What a run has noticed about the rows that it read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes {
    /// Rows that the mapping skips.
    pub skipped: u64,
    /// Rows that are elements of a list.
    pub of_lists: u64,
    /// Labels that were cut or cleaned, by field: how many, and where the first stands.
    pub labels: BTreeMap<&'static str, (u64, String)>,
    /// Labels of which some bytes are no text, and stand as U+FFFD, by field: how many, and where the first
    /// stands.
    pub no_text: BTreeMap<&'static str, (u64, String)>,
    /// Products without a name or a category of their own, by field: how many, and where the first stands.
    pub without_label: BTreeMap<&'static str, (u64, String)>,
    /// Rows with a time in an hour that is there twice, which was taken to be in the first.
    pub taken_first: u64,
    /// Columns that the mapping names and no row has; of a file without a header.
    pub absent: Vec<String>,
    /// Columns that the file names and the mapping does not.
    pub unread: Vec<String>,
    /// What the sales among the rows add up to.
    pub sales: Sales,
    /// The first and the last instant of rows that pass.
    pub span: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// Rows that pass and would be kept out, since they are from before the retention floor.
    pub before_floor: u64,
    /// Columns that were seen with a value, by their places in the mapping.
    seen: Vec<bool>,
}

/// What the figures would say of a file's orders.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sales {
    /// Lines that were sold.
    pub lines: u64,
    /// Orders as they are counted: lines that are the first of their order.
    pub counted_orders: u64,
    /// Lines that were paid back.
    pub refunds: u64,
    /// In hundredths of the base currency.
    pub gross: i128,
    /// In hundredths of the base currency.
    pub refunded: i128,
    ids: HashSet<u64>,
}

impl Sales {
    /// Order ids among the lines that were sold.
    #[must_use]
    pub fn order_ids(&self) -> u64 {
        self.ids.len() as u64
    }

    fn add(&mut self, event: &Event) {
        let cents = event.amount_base.map_or(0, |amount| i128::from(amount.unscaled()));
        match event.event_name {
            EventName::Purchase => {
                self.lines += 1;
                self.gross += cents;
                self.counted_orders += u64::from(event.order_line == Some(1));
                let mut hasher = DefaultHasher::new();
                event.order_id.as_deref().hash(&mut hasher);
                self.ids.insert(hasher.finish());
            }
            EventName::Refund => {
                self.refunds += 1;
                self.refunded += cents;
            }
            _ => {}
        }
    }

    /// What to ask of who wrote the mapping, where the orders that are counted are not those that have a
    /// number.
    #[must_use]
    pub fn question(&self) -> Option<String> {
        let (counted, ids) = (self.counted_orders, self.order_ids());
        (counted != ids).then(|| {
            format!(
                "{counted} orders would be counted (purchases with order_line 1), and the file has {ids} order ids: which is right? Where an id is \
                 one order, say `orders = {{ number = true }}` and leave order_line and order_lines out"
            )
        })
    }
}

impl Notes {
    /// Takes in which columns of a page have values.
    pub(crate) fn page(&mut self, page: &Page) {
        self.seen.resize(page.columns.len(), false);
        for (seen, column) in self.seen.iter_mut().zip(&page.columns) {
            *seen = *seen || !column.is_empty();
        }
    }

    /// Takes in a row that passes.
    pub(crate) fn passed(&mut self, cells: &Cells<'_>, event: &Event, floor: Option<DateTime<Utc>>) {
        self.before_floor += u64::from(floor.is_some_and(|floor| event.occurred_at < floor));
        self.sales.add(event);
        let at = event.occurred_at;
        let (first, last) = self.span.unwrap_or((at, at));
        self.span = Some((first.min(at), last.max(at)));
        for rule in cells.mapping.rules() {
            if !rule.field.is_label() {
                continue;
            }
            let kept = match rule.field.name {
                "city" => event.city.as_deref(),
                "item_name" => event.item_name.as_deref(),
                "category" => event.category.as_deref(),
                "brand" => event.brand.as_deref(),
                _ => event.payment_type.as_deref(),
            };
            let Some(kept) = kept else { continue };
            let of = if cells.no_text(rule).is_some() {
                &mut self.no_text
            } else {
                match cells.value(rule) {
                    None => &mut self.without_label,
                    Some(told) if cells.label(rule, &told) != kept => &mut self.labels,
                    Some(_) => continue,
                }
            };
            of.entry(rule.field.name).or_insert_with(|| (0, cells.row.place())).0 += 1;
        }
    }

    /// Takes in a row that the mapping skips or that is of a list.
    pub(crate) fn row(&mut self, row: &Row, plan: Option<&Plan>) {
        if plan.is_some_and(Plan::is_skipped) {
            self.skipped += 1;
        } else if row.part > 0 {
            self.of_lists += 1;
        }
    }

    /// Takes in the columns of a whole file.
    pub(crate) fn end(&mut self, mapping: &Mapping, known: &[String]) {
        let columns = mapping.columns();
        if known.is_empty() {
            let absent = columns.iter().zip(&self.seen).filter(|(_, seen)| !**seen);
            self.absent = absent.map(|(name, _)| name.clone()).collect();
        }
        let outermost = |name: &String| {
            columns.iter().any(|column| {
                column == name || column.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with('.'))
            })
        };
        self.unread = known.iter().filter(|name| !outermost(name)).cloned().collect();
    }

    /// What to say of a file that was read, a line each.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.of_lists > 0 {
            lines.push(format!("{} of them are elements of a list, a row each", self.of_lists));
        }
        if self.skipped > 0 {
            lines.push(format!("{} more are skipped as the mapping says", self.skipped));
        }
        for (field, (count, first)) in &self.labels {
            lines.push(format!(
                "{count} have a {field} that was cut or cleaned of control characters, as line {first}"
            ));
        }
        for (field, (count, first)) in &self.without_label {
            let instead =
                if *field == "item_name" { "are called by their item_id" } else { "are in `unknown`" };
            lines.push(format!("{count} have no {field} and {instead}, as line {first}"));
        }
        for (field, (count, first)) in &self.no_text {
            lines.push(format!(
                "{count} have a {field} with bytes that are not UTF-8, each kept as U+FFFD, as line {first}: convert the file first where they \
                 matter, as by `iconv -f latin1 -t utf-8`"
            ));
        }
        if self.taken_first > 0 {
            lines.push(format!(
                "{} have a local time that is there twice, since clocks were put back, and that is taken for the first: only an offset in the \
                 file tells",
                self.taken_first
            ));
        }
        if !self.absent.is_empty() {
            lines.push(format!("no row has a value for {}", self.absent.join(", ")));
        }
        lines
    }
}
