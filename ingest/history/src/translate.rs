//! From a row to an event: its cells become a draft in JSON, which is typed and judged by the rules that all drafts are.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use contracts::money::Rates;
use contracts::validation::{self, Rejection};
use contracts::{Event, Reason, ids};
use ingest::source::draft;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use uuid::Uuid;

use crate::content::{Content, Occurrences, number};
use crate::mapping::field::{Field, Kind, Part};
use crate::mapping::{From, Identity, Mapping, Rule};
use crate::pages::{Page, Row};

/// Between the values of several columns that are one id.
const JOINT: &str = "\u{1f}";

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
}

impl<'a> Translator<'a> {
    pub(crate) fn new(mapping: &'a Mapping, source: &'a str) -> Self {
        Self { mapping, source, occurrences: Occurrences::default() }
    }

    /// Whether rows before the first one that counts must be passed through [`pass_over`](Self::pass_over).
    pub(crate) fn needs_all_rows(&self) -> bool {
        matches!(self.mapping.identity(), Identity::Content(_))
    }

    /// Counts a row as one of its equals without judging it.
    pub(crate) fn pass_over(&mut self, page: &Page, row: &Row) {
        if let Ok(at) = row.cells {
            self.content_id(&Cells { page, at });
        }
    }

    /// Judges a row.
    pub(crate) fn event(
        &mut self,
        page: &Page,
        row: &Row,
        ingested_at: DateTime<Utc>,
        rates: &Rates,
    ) -> Result<Event, Rejection> {
        let at = match &row.cells {
            Ok(at) => *at,
            Err(fault) => {
                return Err(Rejection { reason: Reason::Malformed, field: "record", detail: fault.clone() });
            }
        };
        let cells = Cells { page, at };
        let content_id = self.content_id(&cells);
        let json = self.draft(&cells, content_id)?;
        let draft = draft::read(&json)?;
        validation::accept(draft, self.source, ingested_at, rates)
    }

    /// The id of a row that has none of its own.
    fn content_id(&mut self, cells: &Cells<'_>) -> Option<String> {
        let Identity::Content(rules) = self.mapping.identity() else { return None };
        let mut content = Content::default();
        for index in rules {
            let rule = &self.mapping.rules()[*index];
            let Some(value) = cells.of(rule) else { continue };
            let instant = rule.time.as_ref().and_then(|time| time.read(&value, cells.is_time(rule)).ok());
            match instant {
                Some(at) => content.add(rule, &rfc3339(at)),
                None => content.add(rule, &value),
            }
        }
        Some(self.occurrences.id(content))
    }

    /// A row in the form of [`draft`].
    fn draft(&self, cells: &Cells<'_>, content_id: Option<String>) -> Result<Vec<u8>, Rejection> {
        let rules = self.mapping.rules();
        let has =
            |key: &str| rules.iter().any(|rule| rule.field.name == key && self.value(rule, cells).is_some());
        let (has_product, has_order) = (has("item_id"), has("order_id"));
        let mut json = Object::new();
        for rule in rules {
            let takes_part = match rule.field.part {
                Part::Event => true,
                Part::Product => has_product,
                Part::Order => has_order,
            };
            if takes_part && let Some(value) = self.value(rule, cells) {
                self.put(&mut json, rule, &value, cells)?;
            }
        }
        if let Some(id) = content_id {
            json.text("source_id", &id);
        }
        Ok(json.end())
    }

    /// A field's value in the words of ours.
    fn value<'v>(&self, rule: &'v Rule, cells: &'v Cells<'_>) -> Option<Cow<'v, str>> {
        if let From::Constant(value) = &rule.from {
            return Some(Cow::Borrowed(value));
        }
        let value = cells.of(rule).map(|value| match rule.values.get(value.as_ref()) {
            Some(ours) => Cow::Borrowed(ours.as_str()),
            None => value,
        });
        // A word may be mapped to none.
        value.filter(|value| !value.is_empty()).or_else(|| rule.default.as_deref().map(Cow::Borrowed))
    }

    /// Writes a value as the draft's reader takes it; one that is not of its kind goes along as text, and is refused there.
    fn put(&self, json: &mut Object, rule: &Rule, value: &str, cells: &Cells<'_>) -> Result<(), Rejection> {
        let Field { name, kind, .. } = rule.field;
        match kind {
            Kind::Text => json.text(name, value),
            Kind::Time => json.text(name, &self.time(rule, value, cells)?),
            Kind::Decimal => json.text(name, &number(value, rule.decimal_comma)),
            Kind::Int => match whole(&number(value, rule.decimal_comma)) {
                Some(whole) => json.raw(name, &whole.to_string()),
                None => json.text(name, value),
            },
            Kind::Double => match number(value, rule.decimal_comma).parse::<f64>() {
                Ok(double) if double.is_finite() => json.raw(name, &double.to_string()),
                _ => json.text(name, value),
            },
            Kind::Bool => match value.to_ascii_lowercase().as_str() {
                "true" | "1" => json.raw(name, "true"),
                "false" | "0" => json.raw(name, "false"),
                _ => json.text(name, value),
            },
            Kind::EventId => match value.parse::<Uuid>() {
                Ok(id) => json.text(name, &id.to_string()),
                Err(_) => json.text("source_id", value),
            },
            Kind::UserId => json.text(name, &self.user_id(rule, value)),
            Kind::SessionId => match value.parse::<Uuid>() {
                Ok(id) => json.text(name, &id.to_string()),
                Err(_) => json.text(name, &self.named("session", value).to_string()),
            },
        }
        Ok(())
    }

    fn time(&self, rule: &Rule, value: &str, cells: &Cells<'_>) -> Result<String, Rejection> {
        // Without a format it is no time, which cannot be.
        let Some(format) = &rule.time else { return Ok(value.to_owned()) };
        // What the mapping says instead of the file is written in the mapping's format.
        let is_typed = cells.is_time(rule) && cells.of(rule).as_deref() == Some(value);
        let at = format.read(value, is_typed);
        at.map(rfc3339).map_err(|error| Rejection {
            reason: Reason::InvalidField,
            field: rule.field.name,
            detail: error.to_string(),
        })
    }

    fn user_id(&self, rule: &Rule, value: &str) -> String {
        match value.parse::<Uuid>() {
            Ok(ours) if rule.keep => ours.to_string(),
            // Not of the kind that the mapping says: refused as it is.
            Err(_) if rule.keep => value.to_owned(),
            Ok(theirs) => ids::user_id(&theirs).to_string(),
            Err(_) => self.named("user", value).to_string(),
        }
    }

    /// The id of what a shop names in its own words.
    fn named(&self, what: &str, name: &str) -> Uuid {
        let name = format!("{}\0{what}\0{name}", self.source);
        Uuid::new_v5(&ids::USER_NAMESPACE, name.as_bytes())
    }
}

/// The cells of one row.
struct Cells<'a> {
    page: &'a Page,
    at: usize,
}

impl Cells<'_> {
    /// What stands in the row for a rule.
    fn of(&self, rule: &Rule) -> Option<Cow<'_, str>> {
        let From::Columns(columns) = &rule.from else { return None };
        if let [column] = columns.as_slice() {
            return self.page.columns[*column].text(self.at).map(Cow::Borrowed);
        }
        // Half an id is none.
        let parts: Option<Vec<&str>> =
            columns.iter().map(|column| self.page.columns[*column].text(self.at)).collect();
        parts.map(|parts| Cow::Owned(parts.join(JOINT)))
    }

    fn is_time(&self, rule: &Rule) -> bool {
        match &rule.from {
            From::Columns(columns) => columns.iter().all(|column| self.page.columns[*column].is_time),
            From::Constant(_) => false,
        }
    }
}

fn rfc3339(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// A whole number, also where a table wrote it as a decimal.
fn whole(text: &str) -> Option<i64> {
    if let Ok(whole) = text.parse() {
        return Some(whole);
    }
    let decimal = Decimal::from_str_exact(text).ok()?;
    if decimal.fract().is_zero() { decimal.to_i64() } else { None }
}

/// A JSON object that is written from its start to its end; its keys are names of fields, which need no escape.
struct Object(Vec<u8>);

impl Object {
    fn new() -> Self {
        Self(Vec::with_capacity(768))
    }

    fn raw(&mut self, key: &str, value: &str) {
        self.key(key);
        self.0.extend_from_slice(value.as_bytes());
    }

    fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        // Writing a string to memory does not fail.
        let _ = serde_json::to_writer(&mut self.0, value);
    }

    fn key(&mut self, key: &str) {
        self.0.push(if self.0.is_empty() { b'{' } else { b',' });
        self.0.push(b'"');
        self.0.extend_from_slice(key.as_bytes());
        self.0.extend_from_slice(b"\":");
    }

    fn end(mut self) -> Vec<u8> {
        if self.0.is_empty() {
            self.0.push(b'{');
        }
        self.0.push(b'}');
        self.0
    }
}
