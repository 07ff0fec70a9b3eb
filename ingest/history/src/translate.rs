//! From a row to an event: its cells become a draft in JSON, which is typed and judged by the rules that all drafts are.

mod cells;
mod object;

pub(crate) use cells::{Cells, Sign};

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, SecondsFormat, Utc};
use contracts::event::Currency;
use contracts::money::{Rates, minor_units};
use contracts::record::whole_number;
use contracts::validation::{self, Rejection};
use contracts::{Event, Reason, ids};
use ingest::source::draft;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use uuid::Uuid;

use crate::content::{Content, Occurrences};
use crate::mapping::field::{
    CURRENCY, EVENT_ID, EVENT_NAME, Field, ITEM_ID, Kind, OCCURRED_AT, ORDER_ID, ORDER_LINE, ORDER_LINES,
    Part, QUANTITY, SESSION_STARTED_AT,
};
use crate::mapping::{Identity, Mapping, Rule};
use crate::orders::Plan;
use crate::pages::{Page, Row};
use crate::time::Instant;
use crate::value::{self, Marks};
use cells::{JOINT, unsigned};
use object::Object;

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
}

impl<'a> Translator<'a> {
    pub(crate) fn new(mapping: &'a Mapping, source: &'a str) -> Self {
        Self { mapping, source, occurrences: Occurrences::default(), of_record: (0, HashMap::new()) }
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
    ) -> Result<Event, Rejection> {
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
        let json = self.draft(&cells, content_id, repeats)?;
        let judged =
            draft::read(&json).and_then(|draft| validation::accept(draft, self.source, ingested_at, rates));
        judged.map_err(|rejection| self.explained(rejection, &cells))
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
            if takes_part && let Some(value) = cells.value(rule) {
                if rule.field.name == EVENT_NAME && sign == Sign::Refund {
                    json.text(EVENT_NAME, "refund");
                } else if rule.field.kind == Kind::EventId && repeats > 0 {
                    json.text("source_id", &format!("{value}{JOINT}{}", repeats + 1));
                } else {
                    let put = self.put(&mut json, rule, &value, cells, sign);
                    put.map_err(|detail| Rejection {
                        reason: Reason::InvalidField,
                        field: rule.field.name,
                        detail,
                    })?;
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

    /// Writes a value as the draft's reader takes it; an error says why it is none of its kind.
    fn put(
        &self,
        json: &mut Object,
        rule: &Rule,
        value: &str,
        cells: &Cells<'_>,
        sign: Sign,
    ) -> Result<(), String> {
        let Field { name, kind, .. } = rule.field;
        match kind {
            Kind::Text if rule.field.is_key() => json.text(name, &self.id(rule, value, cells)?),
            Kind::Text => json.text(name, value),
            Kind::Time => json.text(name, &rfc3339(self.time(rule, value, cells)?)),
            Kind::Decimal if self.is_plain(rule, value) && sign == Sign::AsTold => json.text(name, value),
            Kind::Decimal => {
                let sum = unsigned(value::number(value, cells.marks(rule))?, sign);
                json.text(name, &self.in_units(rule, sum, cells)?.to_string());
            }
            Kind::Int => json.raw(name, &self.whole(rule, value, cells, sign)?.to_string()),
            Kind::Double => {
                let plain;
                let text = match cells.marks(rule) {
                    Marks::Plain => value,
                    marks => {
                        plain = value::number(value, marks)?.to_string();
                        &plain
                    }
                };
                match text.parse::<f64>() {
                    Ok(double) if double.is_finite() => json.raw(name, &double.to_string()),
                    _ => return Err(format!("{value:?} is no number")),
                }
            }
            Kind::Bool => match value::truth(value) {
                Some(truth) => json.raw(name, if truth { "true" } else { "false" }),
                None => return Err(format!("{value:?} is neither true nor false, nor 1 nor 0")),
            },
            Kind::EventId => {
                // It stays as it is written, since rows that are stored have it so; but one that is none is refused.
                self.id(rule, value, cells)?;
                match value.parse::<Uuid>() {
                    Ok(id) => json.text(name, &id.to_string()),
                    Err(_) => json.text("source_id", value),
                }
            }
            Kind::UserId => json.text(name, &self.user_id(rule, value, cells)?),
            Kind::SessionId => match value.parse::<Uuid>() {
                Ok(id) => json.text(name, &id.to_string()),
                Err(_) => json.text(name, &self.named("session", &self.id(rule, value, cells)?).to_string()),
            },
        }
        Ok(())
    }

    /// Whether the draft's reader reads a sum as it stands.
    fn is_plain(&self, rule: &Rule, value: &str) -> bool {
        rule.marks == Marks::Plain
            && !rule.in_minor_units
            && value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    }

    fn whole(&self, rule: &Rule, value: &str, cells: &Cells<'_>, sign: Sign) -> Result<i64, String> {
        let marks = cells.marks(rule);
        if marks == Marks::Plain
            && sign == Sign::AsTold
            && let Some(whole) = whole_number(value)
        {
            return Ok(whole);
        }
        let number = unsigned(value::number(value, marks)?, sign);
        let whole = if number.fract().is_zero() { number.to_i64() } else { None };
        whole.ok_or_else(|| match rule.field.name {
            QUANTITY => format!(
                "{value} is no whole number: of goods that are weighed name the line's `amount` instead of the price, and let the quantity be 1"
            ),
            _ => format!("{value} is no whole number"),
        })
    }

    /// A sum in units of its currency.
    fn in_units(&self, rule: &Rule, sum: Decimal, cells: &Cells<'_>) -> Result<Decimal, String> {
        if !rule.in_minor_units {
            return Ok(sum);
        }
        let currency = self.mapping.rule(CURRENCY).and_then(|rule| cells.value(rule));
        let currency: Currency = currency
            .and_then(|currency| currency.parse().ok())
            .ok_or("is in minor units of a currency that the row does not name")?;
        let sum = sum.normalize();
        let places = sum.scale() + minor_units(currency);
        Decimal::try_from_i128_with_scale(sum.mantissa(), places)
            .map_err(|_| format!("{sum} has too many digits"))
    }

    fn time(&self, rule: &Rule, value: &str, cells: &Cells<'_>) -> Result<DateTime<Utc>, String> {
        // Without a format it is no time, which cannot be.
        let Some(format) = &rule.time else { return Err(format!("{value:?} is no time")) };
        let instant = self.instant(rule, value, cells)?;
        format.check_unit(value, instant.at).map_err(|error| error.to_string())?;
        if instant.again.is_none() || rule.field.name != OCCURRED_AT {
            return Ok(instant.at);
        }
        // Of an hour that is there twice the row is in the one that does not lie before its visit.
        let session = self.mapping.rule(SESSION_STARTED_AT);
        let session = session.and_then(|rule| self.instant(rule, &cells.value(rule)?, cells).ok());
        Ok(session.map_or(instant.at, |session| instant.not_before(session.at)))
    }

    fn instant(&self, rule: &Rule, value: &str, cells: &Cells<'_>) -> Result<Instant, String> {
        let Some(format) = &rule.time else { return Err(format!("{value:?} is no time")) };
        // What the mapping says instead of the file is written in the mapping's format.
        let is_typed = cells.is_time(rule) && cells.of(rule).as_deref() == Some(value);
        format.read(value, is_typed).map_err(|error| error.to_string())
    }

    /// A refusal with what the row's time has to do with it.
    fn explained(&self, mut rejection: Rejection, cells: &Cells<'_>) -> Rejection {
        let occurred = self.mapping.rule(OCCURRED_AT).filter(|_| rejection.field == SESSION_STARTED_AT);
        let is_twice = occurred.is_some_and(|rule| {
            let value = cells.value(rule);
            value
                .and_then(|value| self.instant(rule, &value, cells).ok())
                .is_some_and(|at| at.again.is_some())
        });
        if is_twice {
            rejection.detail += "; the event's local hour is there twice, since clocks were put back, and neither is after it";
        }
        rejection
    }

    fn id<'v>(
        &self,
        rule: &Rule,
        value: &'v str,
        cells: &Cells<'v>,
    ) -> Result<std::borrow::Cow<'v, str>, String> {
        cells.id(rule, value)
    }

    fn user_id(&self, rule: &Rule, value: &str, cells: &Cells<'_>) -> Result<String, String> {
        Ok(match value.parse::<Uuid>() {
            Ok(ours) if rule.keep => ours.to_string(),
            // Not of the kind that the mapping says: refused as it is.
            Err(_) if rule.keep => value.to_owned(),
            Ok(theirs) => ids::user_id(&theirs).to_string(),
            Err(_) => self.named("user", &self.id(rule, value, cells)?).to_string(),
        })
    }

    /// The id of what a shop names in its own words.
    fn named(&self, what: &str, name: &str) -> Uuid {
        let name = format!("{}\0{what}\0{name}", self.source);
        Uuid::new_v5(&ids::USER_NAMESPACE, name.as_bytes())
    }
}

fn rfc3339(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}
