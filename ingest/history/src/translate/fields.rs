//! What a cell's value is in a draft: in the form of its field, or a reason why it is none.

use chrono::{DateTime, SecondsFormat, Utc};
use contracts::event::Currency;
use contracts::ids;
use contracts::money::minor_units;
use contracts::record::whole_number;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use uuid::Uuid;

use super::Translator;
use super::cells::{Cells, JOINT, Sign, unsigned};
use super::object::Object;
use crate::mapping::field::{CURRENCY, Field, Kind, OCCURRED_AT, QUANTITY, SESSION_STARTED_AT};
use crate::mapping::{Marks, Rule};
use crate::time::{Instant, TimeError};
use crate::value;

/// How many parts of 1 a float must tell apart to hold a sum: more than hundredths.
const FLOAT_PARTS: u64 = 128;

impl Translator<'_> {
    /// Writes a value as the draft's reader takes it; an error says why it is none of its kind.
    pub(super) fn put(
        &self,
        json: &mut Object,
        rule: &Rule,
        value: &str,
        cells: &Cells<'_>,
        sign: Sign,
    ) -> Result<(), String> {
        let Field { name, kind, .. } = rule.field;
        match kind {
            Kind::Text if rule.field.is_key() => json.text(name, &cells.id(rule, value)?),
            Kind::Text if rule.field.is_label() => json.text(name, &cells.label(rule, value)),
            Kind::Text => json.text(name, value),
            Kind::Time => json.text(name, &rfc3339(self.time(rule, value, cells)?)),
            Kind::Decimal
                if cells.is_coarse(rule, value, if rule.in_minor_units { 1 } else { FLOAT_PARTS }) =>
            {
                return Err(format!(
                    "{value} may have lost digits as a float: export the column as decimals, doubles or text"
                ));
            }
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
                self.own_id(rule, value, cells)?;
                match value.parse::<Uuid>() {
                    Ok(id) => json.text(name, &id.to_string()),
                    Err(_) => json.text("source_id", value),
                }
            }
            Kind::AnonymousId => json.text(name, &browser_of(&cells.id(rule, value)?)),
            Kind::UserId => json.text(name, &self.user_id_of(rule, value, cells)?),
            Kind::SessionId => match value.parse::<Uuid>() {
                Ok(id) => json.text(name, &id.to_string()),
                // Of the file and not, as by other ways in, of the visitor: rows that are stored have it so.
                Err(_) => json
                    .text(name, &ids::named_visit_of_file(self.source, &cells.id(rule, value)?).to_string()),
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
        // What is paid back has no sign; an age or a line's number with one is none.
        let sign = if rule.field.name == QUANTITY { sign } else { Sign::AsTold };
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
        if cells.is_coarse(rule, value, 1) {
            return Err(TimeError::Lossy { text: value.to_owned() }.to_string());
        }
        let instant = self.instant(rule, value, cells)?;
        format.check_unit(value, instant.at).map_err(|error| error.to_string())?;
        let Some(again) = instant.again else { return Ok(instant.at) };
        if rule.field.name != OCCURRED_AT {
            // What cannot have been after the event was in the first.
            let event = self.mapping.rule(OCCURRED_AT);
            let event = event.and_then(|rule| self.instant(rule, &cells.value(rule)?, cells).ok());
            let is_open = event.is_none_or(|event| again <= event.again.unwrap_or(event.at));
            self.is_taken_first.set(self.is_taken_first.get() || is_open);
            return Ok(instant.at);
        }
        // Of an hour that is there twice the row is in the one that does not lie before its visit.
        let session = self.mapping.rule(SESSION_STARTED_AT);
        let session = session.and_then(|rule| self.instant(rule, &cells.value(rule)?, cells).ok());
        let at = session.map_or(instant.at, |session| instant.not_before(session.at));
        self.is_taken_first.set(self.is_taken_first.get() || at == instant.at);
        Ok(at)
    }

    pub(super) fn instant(&self, rule: &Rule, value: &str, cells: &Cells<'_>) -> Result<Instant, String> {
        let Some(format) = &rule.time else { return Err(format!("{value:?} is no time")) };
        // What the mapping says instead of the file is written in the mapping's format.
        let is_typed = cells.is_time(rule) && cells.of(rule).as_deref() == Some(value);
        format.read(value, is_typed).map_err(|error| error.to_string())
    }

    /// Refuses an id of the file's own that is none, or that another export writes in another form. It is
    /// never put into that form: rows that are stored have it as it was written.
    pub(super) fn own_id(&self, rule: &Rule, value: &str, cells: &Cells<'_>) -> Result<(), String> {
        let one = cells.id(rule, value)?;
        if one == value {
            return Ok(());
        }
        let (told, one) = (value.replace(JOINT, " "), one.replace(JOINT, " "));
        Err(format!(
            "{told:?} is the whole number {one} with a fraction or an exponent, so that another export with {one} would count the event \
             again: export the column as whole numbers or text, or say as_written = true where every export writes it so"
        ))
    }

    pub(super) fn user_id_of(&self, rule: &Rule, value: &str, cells: &Cells<'_>) -> Result<String, String> {
        Ok(match value.parse::<Uuid>() {
            Ok(ours) if rule.keep => ours.to_string(),
            // Not of the kind that the mapping says: refused as it is.
            Err(_) if rule.keep => value.to_owned(),
            Ok(theirs) => ids::user_id(&theirs).to_string(),
            Err(_) => ids::named_user(self.source, &cells.id(rule, value)?).to_string(),
        })
    }
}

/// The words of a file for a browser, where several columns make them in one line.
pub(super) fn browser_of(id: &str) -> String {
    id.replace(JOINT, " ")
}

pub(super) fn rfc3339(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}
