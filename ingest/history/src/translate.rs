//! From a row to an event: its cells become a draft in JSON, which is typed and judged by the rules that all
//! drafts are.

mod cells;
mod fields;
mod object;
pub(crate) mod plan;

pub(crate) use cells::{Cells, Sign};

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use contracts::money::Rates;
use contracts::validation::{self, Accepted, Back, Rejection};
use contracts::{Reason, ids};
use ingest::source::draft;
use uuid::Uuid;

use crate::content::{Content, Occurrences};
use crate::mapping::field::{
    AMOUNT, ANONYMOUS_ID, EVENT_ID, EVENT_NAME, ITEM_ID, Kind, OCCURRED_AT, ORDER_ID, ORDER_LINE,
    ORDER_LINES, PRICE, Part, QUANTITY, SESSION_STARTED_AT, USER_ID,
};
use crate::mapping::{Identity, Mapping, Origin};
use crate::pages::{Page, Row};
use crate::time::Instant;
use cells::JOINT;
use fields::{browser_of, rfc3339};
use object::Object;
use plan::Plan;

/// A row that did not pass.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Example {
    /// Its line, or the row of a Parquet file.
    pub line: u64,
    /// Why, for a person to read.
    pub detail: String,
}

/// Counts refused rows and keeps one of each reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Refusals {
    pub(crate) counts: BTreeMap<Reason, u64>,
    pub(crate) examples: BTreeMap<Reason, Example>,
}

impl Refusals {
    pub(crate) fn count(&mut self, line: u64, rejection: &Rejection) {
        *self.counts.entry(rejection.reason).or_default() += 1;
        self.examples
            .entry(rejection.reason)
            .or_insert_with(|| Example { line, detail: rejection.to_string() });
    }
}

/// Turns the rows of one file, in their order, into events.
pub(crate) struct Translator<'a> {
    mapping: &'a Mapping,
    /// The source in re-keyed ids.
    source: &'a str,
    occurrences: Occurrences,
    /// The ids of the elements of one record, and how often each stood there.
    of_record: (u64, HashMap<String, u32>),
    /// Rows with a time in an hour that is there twice, of which nothing tells that it is not in the first.
    taken_first: u64,
    /// Whether the row that is judged is one.
    is_taken_first: Cell<bool>,
}

impl<'a> Translator<'a> {
    pub(crate) fn new(mapping: &'a Mapping, source: &'a str) -> Self {
        Self {
            mapping,
            source,
            occurrences: Occurrences::default(),
            of_record: (0, HashMap::new()),
            taken_first: 0,
            is_taken_first: Cell::new(false),
        }
    }

    /// Rows with a time in an hour that is there twice, which was taken to be in the first.
    pub(crate) const fn taken_first(&self) -> u64 {
        self.taken_first
    }

    /// Whether rows before the first one that counts must be passed through [`pass_over`](Self::pass_over).
    pub(crate) fn needs_all_rows(&self) -> bool {
        let mapping = self.mapping;
        matches!(mapping.identity(), Identity::Content(_))
            || mapping.orders().is_used()
            || !mapping.skips().is_empty()
            || !mapping.shape().is_plain()
    }

    /// Counts a row as one of its equals without judging it.
    pub(crate) fn pass_over(&mut self, page: &Page, row: &Row, plan: Option<&Plan>) {
        if let Ok(at) = row.cells {
            let cells = Cells { mapping: self.mapping, page, row, at, plan };
            self.content_id(&cells);
            self.repeats_in_record(&cells);
        }
    }

    /// Judges a row.
    pub(crate) fn event(
        &mut self,
        page: &Page,
        row: &Row,
        plan: Option<&Plan>,
        ingested_at: DateTime<Utc>,
        rates: &Rates,
    ) -> Result<Accepted, Rejection> {
        let at = match &row.cells {
            Ok(at) => *at,
            Err(fault) => {
                return Err(Rejection { reason: Reason::Malformed, field: "record", detail: fault.clone() });
            }
        };
        let cells = Cells { mapping: self.mapping, page, row, at, plan };
        let content_id = self.content_id(&cells);
        let repeats = self.repeats_in_record(&cells);
        if let Some(fault) = plan.and_then(Plan::fault) {
            return Err(Rejection {
                reason: Reason::Inconsistent,
                field: ORDER_ID,
                detail: fault.to_owned(),
            });
        }
        let is_made_of_content = content_id.is_some();
        self.is_taken_first.set(false);
        let json = self.draft(&cells, content_id, repeats);
        self.taken_first += u64::from(self.is_taken_first.get());
        let json = json?;
        let mut judged =
            draft::read(&json).and_then(|draft| validation::accept(draft, self.source, ingested_at, rates));
        // What a file tells has other ids than those by which the lines of an order are found.
        if let Ok(Accepted { whole_order: Some(whole), .. }) = &judged {
            let (field, what) = match whole.told.back {
                Back::Product { .. } => ("price", "what it pays back, and in which currency"),
                Back::All | Back::Sum { .. } => ("item_id", "the line that it pays back"),
            };
            let detail = format!("is missing: a refund of a file names {what}");
            judged = Err(Rejection { reason: Reason::MissingField, field, detail });
        }
        // The time is part of the content: no other row of another time has its id.
        if let (true, Ok(accepted)) = (is_made_of_content, &mut judged) {
            accepted.claim = None;
        }
        judged.map_err(|rejection| self.explained(rejection, &cells))
    }

    /// Whose a row is, where it names somebody, whatever else is wrong with it.
    pub(crate) fn user_id(&self, page: &Page, row: &Row, plan: Option<&Plan>) -> Option<Uuid> {
        let at = row.cells.as_ref().ok().copied()?;
        let cells = Cells { mapping: self.mapping, page, row, at, plan };
        // Of an id that is no text it is the one that its row has once the file is converted.
        let told = |field: &str| {
            let rule = self.mapping.rule(field)?;
            let value = match cells.no_text(rule) {
                Some(_) => cells.converted(rule)?,
                None => cells.value(rule)?,
            };
            Some((rule, value))
        };
        if let Some((rule, value)) = told(USER_ID) {
            return self.user_id_of(rule, &value, &cells).ok()?.parse().ok();
        }
        let (rule, value) = told(ANONYMOUS_ID)?;
        let browser = browser_of(&cells.id(rule, &value).ok()?);
        Some(ids::anonymous_visitor(self.source, &browser))
    }

    /// The id of a row that has none of its own.
    fn content_id(&mut self, cells: &Cells<'_>) -> Option<String> {
        let Identity::Content(rules) = self.mapping.identity() else { return None };
        let mut content = Content::default();
        for index in rules {
            let rule = &self.mapping.rules()[*index];
            let Some(value) = cells.content(rule) else { continue };
            let instant = rule.time.as_ref().and_then(|time| time.read(&value, cells.is_time(rule)).ok());
            match instant {
                Some(Instant { at, .. }) => content.add(rule, &rfc3339(at)),
                None => content.add(rule, &value),
            }
        }
        Some(self.occurrences.id(content))
    }

    /// How many elements before this one in its record have its id: they are other lines all the same.
    fn repeats_in_record(&mut self, cells: &Cells<'_>) -> u32 {
        if cells.row.part == 0 || *self.mapping.identity() != Identity::Own {
            return 0;
        }
        let Some(id) = self.mapping.rule(EVENT_ID).and_then(|rule| cells.of(rule)) else { return 0 };
        let (line, seen) = &mut self.of_record;
        if *line != cells.row.line {
            *line = cells.row.line;
            seen.clear();
        }
        let count = seen.entry(id.into_owned()).or_default();
        *count += 1;
        *count - 1
    }

    /// A row in the form of [`draft`].
    fn draft(
        &self,
        cells: &Cells<'_>,
        content_id: Option<String>,
        repeats: u32,
    ) -> Result<Vec<u8>, Rejection> {
        let rules = self.mapping.rules();
        let has =
            |field: &str| rules.iter().any(|rule| rule.field.name == field && cells.value(rule).is_some());
        let (has_product, has_order) = (has(ITEM_ID), has(ORDER_ID));
        let sign = cells.sign().map_err(|detail| Rejection {
            reason: Reason::Inconsistent,
            field: QUANTITY,
            detail,
        })?;
        let mut json = Object::new();
        for rule in rules {
            let takes_part = match rule.field.part {
                Part::Event => true,
                Part::Product => has_product,
                Part::Order => has_order,
            };
            if !takes_part {
                continue;
            }
            let invalid = |detail| Rejection { reason: Reason::InvalidField, field: rule.field.name, detail };
            if !rule.field.is_label()
                && let Some(fault) = cells.no_text(rule)
            {
                return Err(invalid(fault));
            }
            if let Some(value) = cells.value(rule) {
                if rule.field.name == EVENT_NAME && sign == Sign::Refund {
                    json.text(EVENT_NAME, "refund");
                } else if rule.field.kind == Kind::EventId && repeats > 0 {
                    self.own_id(rule, &value, cells).map_err(invalid)?;
                    json.text("source_id", &format!("{value}{JOINT}{}", repeats + 1));
                } else {
                    self.put(&mut json, rule, &value, cells, sign).map_err(invalid)?;
                }
            }
        }
        if has_order && let Some((line, lines)) = cells.plan.and_then(Plan::numbers) {
            json.raw(ORDER_LINE, &line.to_string());
            json.raw(ORDER_LINES, &lines.to_string());
        }
        if let Some(id) = content_id {
            json.text("source_id", &id);
        }
        Ok(json.end())
    }

    /// A refusal with what the row's time has to do with it, or the line of the mapping that would let it
    /// pass.
    fn explained(&self, mut rejection: Rejection, cells: &Cells<'_>) -> Rejection {
        let hint = match (rejection.reason, rejection.field) {
            (_, SESSION_STARTED_AT) if self.is_there_twice(cells) => Some(
                "; the event's local hour is there twice, since clocks were put back, and neither is after it"
                    .to_owned(),
            ),
            (Reason::MissingField, field) => {
                self.none_hint(field, cells).or_else(|| self.carried_hint(field, cells))
            }
            (Reason::Inconsistent, ORDER_LINE) => Self::order_hint(cells),
            (Reason::InvalidField, QUANTITY | PRICE | AMOUNT) => self.refund_hint(rejection.field, cells),
            _ => None,
        };
        rejection.detail += &hint.unwrap_or_default();
        rejection
    }

    /// Whether the row's time is in an hour that is there twice.
    fn is_there_twice(&self, cells: &Cells<'_>) -> bool {
        let Some(rule) = self.mapping.rule(OCCURRED_AT) else { return false };
        let instant = cells.value(rule).and_then(|value| self.instant(rule, &value, cells).ok());
        instant.is_some_and(|at| at.again.is_some())
    }

    /// What is missing may be there as a word for none.
    fn none_hint(&self, field: &str, cells: &Cells<'_>) -> Option<String> {
        let word = cells.word_for_none(self.mapping.rule(field)?)?;
        let is_id = self.mapping.rule(field)?.field.is_key();
        let hint = if is_id { "; where it is an id say as_written = true" } else { "" };
        Some(format!(": {:?} stands for no value{hint}", word.replace(JOINT, " ")))
    }

    /// What else an order may be whose rows are too many.
    fn order_hint(cells: &Cells<'_>) -> Option<String> {
        let (_, lines) = cells.plan.and_then(Plan::numbers)?;
        let is_long = i64::from(lines) > i64::from(validation::MAX_ORDER_LINES);
        let hint = "; where order_id is not of one order alone, give it another column";
        is_long.then(|| hint.to_owned())
    }

    /// Of a line of an order, what is missing may stand on the order's first line.
    fn carried_hint(&self, field: &str, cells: &Cells<'_>) -> Option<String> {
        let Origin::Columns(columns) = &self.mapping.rule(field)?.from else { return None };
        let &[column] = columns.as_slice() else { return None };
        if self.mapping.orders().carry.contains(&column) || cells.order_id().is_none() {
            return None;
        }
        let name = &self.mapping.columns()[column];
        Some(format!("; where only the first line of an order has it: orders = {{ carry = [{name:?}] }}"))
    }

    /// What is less than nothing may be paid back.
    fn refund_hint(&self, field: &str, cells: &Cells<'_>) -> Option<String> {
        let rule = self.mapping.rule(field)?;
        let is_told = rule.negative_refunds || !cells.value(rule)?.starts_with('-');
        let hint = "; where less than nothing is a cancellation: negative = \"refund\"";
        (!is_told).then(|| hint.to_owned())
    }
}
