//! Whether a rule is one, and suits its field.

use super::field::{Field, Kind, ORDER_ID, QUANTITY};
use super::written::{Scalar, WrittenTable};
use super::{MappingError, Marks, Origin, Rule};
use crate::time::{ISO, TimeFormat, Zone};

/// Checks rules one after the other, and collects what they name.
pub(super) struct Checker {
    /// Of times that name none.
    pub(super) default_zone: Zone,
    /// Columns that were named, once each.
    pub(super) columns: Vec<String>,
    /// The fields that ids follow from, where they were named.
    pub(super) content: Option<Vec<String>>,
}

impl Checker {
    /// Checks a rule; the one that only says what ids follow from is none.
    pub(super) fn rule(
        &mut self,
        field: &'static Field,
        written: WrittenTable,
    ) -> Result<Option<Rule>, MappingError> {
        let bad = |what: &str| MappingError::Rule { field: field.name, what: what.to_owned() };
        let WrittenTable {
            column,
            columns,
            content,
            value,
            values,
            default,
            format,
            timezone,
            decimal,
            unit,
            negative,
            refund_prefix,
            as_written,
            keep,
        } = written;
        let has_words = values.is_some() || default.is_some();
        if let Some(content) = content {
            if field.kind != Kind::EventId {
                return Err(bad("`content` is for event_id"));
            }
            if column.is_some() || columns.is_some() || value.is_some() || has_words {
                return Err(bad("`content` stands alone: the file's own id is better where there is one"));
            }
            self.content = Some(content);
            return Ok(None);
        }
        let from = match (column, columns, value) {
            (Some(column), None, None) => Origin::Columns(vec![self.column(column)]),
            (None, Some(columns), None) if !columns.is_empty() => {
                if !field.kind.is_id() {
                    return Err(bad("`columns` is for ids"));
                }
                Origin::Columns(columns.into_iter().map(|column| self.column(column)).collect())
            }
            (None, None, Some(value)) => Origin::Constant(value.0),
            _ => return Err(bad("name one of `column`, `columns` and `value`")),
        };
        let is_constant = matches!(from, Origin::Constant(_));
        if is_constant && has_words {
            return Err(bad("`values` and `default` are for columns"));
        }
        if field.kind == Kind::EventId && (is_constant || has_words) {
            return Err(bad(
                "an id is what stands in the file: it takes no constant, no `values` and no `default`",
            ));
        }
        if field.kind != Kind::Time && (format.is_some() || timezone.is_some()) {
            return Err(bad("`format` and `timezone` are for times"));
        }
        if keep && field.kind != Kind::UserId {
            return Err(bad("`keep` is for user_id"));
        }
        let marks = match decimal {
            None => Marks::Plain,
            Some(',' | '.') if !field.kind.is_number() => return Err(bad("`decimal` is for numbers")),
            Some('.') => Marks::Point,
            Some(',') => Marks::Comma,
            Some(_) => return Err(bad("`decimal` is \",\" or \".\"")),
        };
        let is_sum = field.kind == Kind::Decimal;
        let in_minor_units = match unit.as_deref() {
            None => false,
            Some("minor") if is_sum => true,
            Some(_) => {
                return Err(bad(
                    "`unit` is \"minor\", for a price or an amount in cents or what its currency has",
                ));
            }
        };
        let negative_refunds = match negative.as_deref() {
            None => false,
            Some("refund") if is_sum || field.name == QUANTITY => true,
            Some(_) => return Err(bad("`negative` is \"refund\", for a quantity, a price or an amount")),
        };
        if refund_prefix.as_deref().is_some_and(|prefix| prefix.is_empty() || field.name != ORDER_ID) {
            return Err(bad("`refund_prefix` is for order_id: what numbers of cancellations begin with"));
        }
        if as_written && !field.is_key() {
            return Err(bad("`as_written` is for ids: other fields are read by what they are"));
        }
        let time = match field.kind {
            Kind::Time => Some(self.time(field, format.as_deref(), timezone.as_deref())?),
            _ => None,
        };
        if let (Origin::Constant(value), Some(time)) = (&from, &time) {
            time.read(value, false).map_err(|error| bad(&error.to_string()))?;
        }
        let values =
            values.unwrap_or_default().into_iter().map(|(theirs, Scalar(ours))| (theirs, ours)).collect();
        let default = default.map(|Scalar(default)| default);
        Ok(Some(Rule {
            field,
            from,
            values,
            default,
            time,
            marks,
            in_minor_units,
            negative_refunds,
            refund_prefix,
            as_written,
            keep,
        }))
    }

    fn time(
        &self,
        field: &'static Field,
        format: Option<&str>,
        timezone: Option<&str>,
    ) -> Result<TimeFormat, MappingError> {
        let own_zone = timezone.map(zone).transpose()?;
        let name = format.unwrap_or(ISO);
        let time = TimeFormat::new(name, own_zone.unwrap_or(self.default_zone));
        let time = time.map(|time| time.with_own_zone(own_zone.is_some()));
        time.ok_or_else(|| MappingError::Rule {
            field: field.name,
            what: format!(
                "{name:?} is no format of a time: use iso, unix_s, unix_ms, unix_us or a pattern as %d.%m.%Y %H:%M:%S"
            ),
        })
    }

    pub(super) fn column(&mut self, name: String) -> usize {
        if let Some(at) = self.columns.iter().position(|known| *known == name) {
            return at;
        }
        self.columns.push(name);
        self.columns.len() - 1
    }
}

/// A zone by its name.
pub(super) fn zone(name: &str) -> Result<Zone, MappingError> {
    Zone::read(name).ok_or_else(|| MappingError::TimeZone(name.to_owned()))
}
