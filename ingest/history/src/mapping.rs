//! From the columns of a shop's files to our fields: a small TOML file.
//!
//! ```toml
//! source = "acme"                      # whose rows they are; part of their ids
//! timezone = "Europe/Berlin"           # of times without a zone; UTC where it is left out
//! format = "csv"                       # csv, ndjson or parquet; else by the file's ending
//! csv = { delimiter = ";" }
//!
//! [fields]
//! user_id = "customer"                 # our field = their column
//! country = { value = "DE" }           # a constant
//! gender = { column = "sex", values = { f = "female", m = "male" }, default = "other" }
//! occurred_at = { column = "ts", format = "%d.%m.%Y %H:%M:%S" }
//! price = { column = "preis", decimal = "," }
//! event_id = { columns = ["order", "line"] }
//! ```
//!
//! - **`column`**: a dot leads into a nested value (NDJSON, Parquet). An empty or absent cell is no value;
//!   spaces around it are not part of it.
//! - **`values`**: their words to ours; a word that is not listed stays as it is, and is judged so.
//! - **`default`**: where there is no value.
//! - **`format`** (times): `iso` (the default: RFC 3339, or local in `timezone`), `unix_s`, `unix_ms`,
//!   `unix_us`, or a `strftime` pattern. Parquet's own timestamps need none. **`timezone`** here is of this
//!   column alone, and must be there for INT96, which may be UTC or local.
//! - **`decimal`** (numbers): `","` where a comma stands before decimals and a point or a space between
//!   thousands, `"."` where it is a point and a comma. Where it is left out nothing stands between thousands.
//!   What separates no groups of three is refused.
//! - **`unit = "minor"`** (`price`, `amount`): in cents, or what the currency has by ISO 4217.
//! - **`price`** of one unit or **`amount`** of the line, with any number of digits: the line is rounded
//!   once, to the base currency.
//! - **`negative = "refund"`** (`quantity`, `price`, `amount`): a purchase of less than nothing is a refund
//!   of as much.
//! - **`refund_prefix = "C"`** (`order_id`): a purchase whose order number begins so is a refund; a sign
//!   before its quantity says the same.
//! - **`columns`** (ids): the values of several columns together.
//! - **`as_written = true`** (ids, `item_id`, `order_id`): otherwise `17850`, `17850.0` and `1.785E+04` are
//!   one id, as of a file that holds numbers; one that may have lost digits is refused, and so are `nan`,
//!   `NULL` and their like. An `event_id` is refused in all forms but the first, since rows that are stored
//!   have it as it was written.
//! - **`keep = true`** (`user_id`): the column holds our ids. Otherwise a shopper's id is the UUIDv5 of the
//!   shop's own, a UUID by the rule for those of the users' API, so that shoppers of both are the same.
//! - **`anonymous_id`**: what the shop remembers a browser by, where nobody signed in; a mapping names it or
//!   `user_id`, or both. What else is not named is inferred or unknown: visits from pauses of 30 minutes,
//!   facts about a user from `raw.users`.
//! - **`event_id`** may be left out: a row's id then follows from its values in all fields that have a
//!   column, or in those of `event_id = { content = ["occurred_at", "user_id", …] }`, and from how many equal
//!   rows stand before it in its file.
//! - **`orders = { carry = ["Created at", …], number = true }`**: rows that follow each other with one
//!   `order_id` are an order. Where a row has no value in a column that is carried, it has that of the
//!   order's row before it. Numbered, lines need no `order_line` and `order_lines`; refunds are numbered by
//!   themselves.
//! - **`lines = "properties.products"`** (NDJSON, Parquet): a record is a row for each element of this list,
//!   and columns lead into the element as if it stood in the list's place. A record without elements is one
//!   row.
//! - **`pairs = { event_params = "key" }`** (NDJSON): a list of named values; `event_params.page.value` is of
//!   the one that is named `page`.
//! - **`skip = [{ column = "type", values = ["shipping"] }]`**: rows that are no events; they are counted and
//!   not kept. `""` is no value.
//! - Fields of a product or an order (with their constants and defaults) take part only in rows with an
//!   `item_id` or an `order_id`.

mod checker;
mod error;
pub(crate) mod field;
mod identity;
mod whole;
mod written;

pub use error::MappingError;
pub(crate) use identity::Identity;

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::time::TimeFormat;
use checker::{Checker, zone};
use field::{ANONYMOUS_ID, Field, USER_ID};
use whole::{check_parts, orders, shape, skips, unfolded_identity_text};
use written::{Written, WrittenCsv};

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Lines of values with a header.
    Csv,
    /// A JSON object a line.
    Ndjson,
    /// Apache Parquet.
    Parquet,
}

/// How a column writes numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marks {
    /// Digits with a point, and perhaps an exponent; nothing separates thousands.
    Plain,
    /// A point before the decimals, a comma between thousands.
    Point,
    /// A comma before the decimals, a point or a space between thousands.
    Comma,
}

/// By what records are unfolded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    /// The list of which each element is a row.
    pub(crate) lines: Option<String>,
    /// Lists of pairs, and the key by which an element of each is named.
    pub(crate) pairs: Vec<(String, String)>,
}

/// Whose rows they are: part of their ids and of their place in quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceName(String);

impl SourceName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SourceName {
    type Err = MappingError;

    fn from_str(name: &str) -> Result<Self, MappingError> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-.".contains(c);
        if (1..=64).contains(&name.len()) && name.chars().all(allowed) {
            return Ok(Self(name.to_owned()));
        }
        Err(MappingError::SourceName(name.to_owned()))
    }
}

/// Which of a shop's columns become which of our fields, checked.
#[derive(Debug, Clone)]
pub struct Mapping {
    source: Option<SourceName>,
    format: Option<Format>,
    csv: Csv,
    rules: Vec<Rule>,
    identity: Identity,
    /// Every column that a rule names, once.
    columns: Vec<String>,
    shape: Shape,
    skips: Vec<Skip>,
    orders: Orders,
    sha256: String,
    identity_sha256: String,
}

/// How a CSV file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Csv {
    /// Where the mapping names it; a `.tsv` has tabs otherwise, all others commas.
    pub(crate) delimiter: Option<u8>,
    pub(crate) quote: u8,
}

/// How a field gets its value.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) field: &'static Field,
    pub(crate) from: Origin,
    pub(crate) values: BTreeMap<String, String>,
    pub(crate) default: Option<String>,
    /// For times only.
    pub(crate) time: Option<TimeFormat>,
    /// For numbers only.
    pub(crate) marks: Marks,
    /// Whether a sum is in cents, or what its currency has.
    pub(crate) in_minor_units: bool,
    /// Whether a row with less than nothing here is a refund.
    pub(crate) negative_refunds: bool,
    /// What an order's id begins with where the row is a refund.
    pub(crate) refund_prefix: Option<String>,
    /// Whether an id that reads like a number is one only in the form that it has.
    pub(crate) as_written: bool,
    pub(crate) keep: bool,
}

/// Rows that are no events, by what stands in a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Skip {
    /// A place in [`Mapping::columns`].
    pub(crate) column: usize,
    /// Without spaces around them; the empty one is no value.
    pub(crate) values: Vec<String>,
}

/// What rows that follow each other with one order id have in common.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Orders {
    /// Columns, as places in [`Mapping::columns`], in which a row without a value has that of the row before
    /// it.
    pub(crate) carry: Vec<usize>,
    /// Whether lines are numbered here.
    pub(crate) number: bool,
}

impl Orders {
    pub(crate) fn is_used(&self) -> bool {
        self.number || !self.carry.is_empty()
    }
}

/// Where the value of a field comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Constant(String),
    /// Places in [`Mapping::columns`].
    Columns(Vec<usize>),
}

impl Mapping {
    /// Reads a mapping from a file.
    ///
    /// # Errors
    /// [`MappingError`]
    pub fn load(path: &Path) -> Result<Self, MappingError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| MappingError::Read { path: path.to_owned(), source })?;
        Self::parse(&text)
    }

    /// Reads a mapping from its text.
    ///
    /// # Errors
    /// [`MappingError`]: nothing is guessed, and no key is passed over.
    pub fn parse(text: &str) -> Result<Self, MappingError> {
        let written: Written = toml::from_str(text)?;
        let sha256 = digest(&canonical(text)?);
        let source = written.source.as_deref().map(str::parse).transpose()?;
        let default_zone = zone(written.timezone.as_deref().unwrap_or("UTC"))?;
        let known = || field::all().map(|field| field.name).collect::<Vec<_>>().join(", ");
        if let Some(name) = written.fields.keys().find(|name| field::of(name).is_none()) {
            return Err(MappingError::UnknownField { field: name.clone(), known: known() });
        }
        let mut checker = Checker { default_zone, columns: Vec::new(), content: None };
        let (mut rules, mut missing) = (Vec::new(), Vec::new());
        let mut fields = written.fields;
        for field in field::all() {
            match fields.remove(field.name) {
                Some(written) => rules.extend(checker.rule(field, written.0)?),
                None if field.required => missing.push(field.name),
                None => {}
            }
        }
        let names_somebody = |rule: &Rule| [USER_ID, ANONYMOUS_ID].contains(&rule.field.name);
        if !rules.iter().any(names_somebody) {
            missing.push("user_id or anonymous_id");
        }
        if !missing.is_empty() {
            return Err(MappingError::MissingFields(missing));
        }
        check_parts(&rules)?;
        let orders = orders(written.orders, &rules, &mut checker)?;
        let shape = shape(written.lines, written.pairs)?;
        let skips = skips(written.skip, &mut checker);
        let identity = Identity::of(&rules, checker.content)?;
        let columns = checker.columns;
        let mut identity_text = identity.text(&rules, &columns);
        identity_text += &unfolded_identity_text(&rules, &identity, &columns, &shape, &orders);
        let identity_sha256 = digest(&identity_text);
        let csv = csv(&written.csv)?;
        let format = written.format;
        Ok(Self {
            source,
            format,
            csv,
            rules,
            identity,
            columns,
            shape,
            skips,
            orders,
            sha256,
            identity_sha256,
        })
    }

    /// The source that it names.
    ///
    /// # Errors
    /// When neither it nor the caller names one.
    pub fn source(&self, given: Option<SourceName>) -> Result<SourceName, MappingError> {
        given.or_else(|| self.source.clone()).ok_or(MappingError::NoSource)
    }

    /// The format that it says its files have.
    pub(crate) const fn format(&self) -> Option<Format> {
        self.format
    }

    pub(crate) const fn csv(&self) -> Csv {
        self.csv
    }

    pub(crate) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    pub(crate) const fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(crate) fn columns(&self) -> &[String] {
        &self.columns
    }

    pub(crate) const fn shape(&self) -> &Shape {
        &self.shape
    }

    pub(crate) fn skips(&self) -> &[Skip] {
        &self.skips
    }

    pub(crate) const fn orders(&self) -> &Orders {
        &self.orders
    }

    /// The rule of a field.
    pub(crate) fn rule(&self, field: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.field.name == field)
    }

    /// SHA-256 of all that it says, whatever its comments and order.
    pub(crate) fn sha256(&self) -> &str {
        &self.sha256
    }

    /// SHA-256 of what ids follow from.
    pub(crate) fn identity_sha256(&self) -> &str {
        &self.identity_sha256
    }
}

fn digest(text: &str) -> String {
    format!("{:x}", Sha256::digest(text))
}

/// What a mapping says, in one order.
fn canonical(text: &str) -> Result<String, MappingError> {
    let table: BTreeMap<String, serde_json::Value> = toml::from_str(text)?;
    Ok(serde_json::Value::from_iter(table).to_string())
}

fn csv(written: &WrittenCsv) -> Result<Csv, MappingError> {
    let byte = |key, value: char| match u8::try_from(value) {
        Ok(byte) if byte.is_ascii() && !matches!(byte, b'\r' | b'\n') => Ok(byte),
        _ => Err(MappingError::Csv { key, value }),
    };
    Ok(Csv {
        delimiter: written.delimiter.map(|value| byte("delimiter", value)).transpose()?,
        quote: byte("quote", written.quote.unwrap_or('"'))?,
    })
}

#[cfg(test)]
mod tests;
