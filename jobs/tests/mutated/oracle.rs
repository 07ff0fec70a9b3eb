//! What a record is, by the apache-avro crate and by rules written down a second time.
//!
//! The schema is taken apart first: text is read as bytes and logical types are dropped, so that the crate
//! only says whether the bytes are Avro, and every rule beyond that stands here.

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value as Avro;
use apache_avro::writer::datum::GenericDatumWriter;
use contracts::quarantine::Reason;
use contracts::topics;
use jobs::checked::Expected;
use serde_json::Value as Json;

pub(super) enum Judged {
    Refused(Reason),
    /// The event as [`LINE_SQL`] shows it.
    Passed {
        line: String,
        on_time: bool,
    },
}

/// The fields that the metrics are made of, in one line.
pub(super) const LINE_SQL: &str = "concat_ws('|', event_id, event_name, unix_micros(occurred_at), \
     unix_micros(ingested_at), user_id, session_id, gender, age_band, country, device, channel, \
     coalesce(item_id, '-'), coalesce(item_name, '-'), coalesce(category, '-'), \
     coalesce(cast(quantity as string), '-'), coalesce(cast(amount_base * 100 as decimal(18, 0)), '-'), \
     coalesce(cast(order_line as string), '-'))";

pub(super) struct Oracle(Schema);

type Fields = HashMap<String, Avro>;

const MINUTE_US: i64 = 60_000_000;
const FIELDS: usize = 31;

impl Oracle {
    pub(super) fn new() -> Self {
        let mut schema = topics::event_schema();
        take_apart(&mut schema);
        Self(Schema::parse(&schema).unwrap())
    }

    pub(super) fn judge(
        &self,
        value: Option<&[u8]>,
        generation: Option<&str>,
        expected: &Expected,
    ) -> Judged {
        match self.passes(value, generation, expected) {
            Err(reason) => Judged::Refused(reason),
            Ok(fields) => {
                let late_us = long(&fields, "ingested_at") - long(&fields, "occurred_at");
                Judged::Passed {
                    line: line(&fields),
                    on_time: (-MINUTE_US..=10 * MINUTE_US).contains(&late_us),
                }
            }
        }
    }

    fn passes(
        &self,
        value: Option<&[u8]>,
        generation: Option<&str>,
        expected: &Expected,
    ) -> Result<Fields, Reason> {
        let (header, body) = value.and_then(|value| value.split_at_checked(5)).ok_or(Reason::BadMagicByte)?;
        if header[0] != 0 {
            return Err(Reason::BadMagicByte);
        }
        if header[1..] != expected.event_schema_id.to_be_bytes() {
            return Err(Reason::UnknownSchemaId);
        }
        if generation != Some(&expected.generation_id.to_string()) {
            return Err(Reason::ForeignGeneration);
        }
        let fields = self.decode(body).ok_or(Reason::UndecodableAvro)?;
        if !in_range(&fields) {
            return Err(Reason::OutOfRange);
        }
        if long(&fields, "occurred_at") - long(&fields, "ingested_at") > MINUTE_US {
            return Err(Reason::Future);
        }
        Ok(fields)
    }

    /// Whether a body is one that the types of the contract hold.
    pub(super) fn typed(&self, body: &[u8]) -> bool {
        self.decode(body).is_some_and(|fields| typed(&fields))
    }

    /// The fields of a body that is exactly what encoding them gives.
    fn decode(&self, body: &[u8]) -> Option<Fields> {
        let mut rest = body;
        let record = GenericDatumReader::builder(&self.0).build().ok()?.read_value(&mut rest).ok()?;
        let again = GenericDatumWriter::builder(&self.0).build().ok()?;
        if again.write_value_to_vec(record.clone()).ok()? != body {
            return None;
        }
        let Avro::Record(fields) = record else { return None };
        assert_eq!(fields.len(), FIELDS);
        let fields: Fields = fields.into_iter().map(|(name, value)| (name, bare(value))).collect();
        let decimals = [("price", 12), ("amount_base", 14), ("rate", 18)];
        decimals.iter().all(|(name, digits)| is_decimal(&fields[*name], *digits)).then_some(fields)
    }
}

/// Text becomes bytes, and logical types what they stand on.
fn take_apart(schema: &mut Json) {
    match schema {
        Json::String(name) if name == "string" => *name = "bytes".to_owned(),
        Json::Array(branches) => branches.iter_mut().for_each(take_apart),
        Json::Object(object) => match object.get("logicalType") {
            Some(_) => {
                *schema = object["type"].clone();
                take_apart(schema);
            }
            None => {
                for key in ["type", "fields"] {
                    if let Some(inner) = object.get_mut(key)
                        && (key == "fields" || !inner.is_string() || inner == "string")
                    {
                        take_apart(inner);
                    }
                }
            }
        },
        _ => {}
    }
}

fn bare(value: Avro) -> Avro {
    match value {
        Avro::Union(_, inner) => *inner,
        value => value,
    }
}

/// The shortest two's complement of at most so many digits; absent is fine.
fn is_decimal(value: &Avro, digits: u32) -> bool {
    let Avro::Bytes(bytes) = value else { return true };
    let redundant = match bytes[..] {
        [] => true,
        [0x00, next, ..] => next < 0x80,
        [0xff, next, ..] => next >= 0x80,
        _ => false,
    };
    !redundant && bytes.len() <= 8 && unscaled(bytes).unsigned_abs() < 10u64.pow(digits)
}

fn unscaled(bytes: &[u8]) -> i64 {
    let negative = bytes.first().is_some_and(|first| *first >= 0x80);
    bytes.iter().fold(if negative { -1 } else { 0 }, |value: i64, byte| (value << 8) | i64::from(*byte))
}

fn long(fields: &Fields, name: &str) -> i64 {
    match fields[name] {
        Avro::Long(value) => value,
        Avro::Int(value) => i64::from(value),
        ref other => panic!("{name} is {other:?}"),
    }
}

/// A text that is UTF-8 and, where it is free, within its limits.
fn text(value: &Avro) -> Option<&str> {
    match value {
        Avro::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
        other => panic!("{other:?}"),
    }
}

fn free_text(value: &Avro, max_chars: usize) -> bool {
    *value == Avro::Null
        || text(value).is_some_and(|text| {
            (1..=max_chars).contains(&text.chars().count())
                && text != "(none)"
                && !text.chars().any(|c| c < ' ' || ('\u{7f}'..='\u{9f}').contains(&c))
        })
}

fn one_of(value: &Avro, words: &str) -> bool {
    text(value).is_some_and(|text| words.split(' ').any(|word| word == text))
}

fn letters(value: &Avro, count: usize) -> bool {
    *value == Avro::Null
        || text(value).is_some_and(|text| text.len() == count && text.bytes().all(|b| b.is_ascii_uppercase()))
}

fn uuid(value: &Avro) -> bool {
    text(value).is_some_and(|text| {
        let parts: Vec<&str> = text.split('-').collect();
        parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12])
            && text.bytes().all(|byte| matches!(byte, b'-' | b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// Rules of spelling, which types keep.
fn spelled(fields: &Fields) -> bool {
    let free = [("item_id", 64), ("item_name", 200), ("category", 64), ("brand", 64), ("order_id", 64)];
    ["event_id", "user_id", "session_id"].iter().all(|name| uuid(&fields[*name]))
        && free
            .iter()
            .chain(&[("city", 100), ("payment_type", 32)])
            .all(|(name, max)| free_text(&fields[*name], *max))
        && one_of(
            &fields["event_name"],
            "session_start view_item_list view_item add_to_cart remove_from_cart begin_checkout \
             add_payment_info purchase refund",
        )
        && one_of(&fields["gender"], "female male other unknown")
        && one_of(&fields["age_band"], "0-17 18-24 25-34 35-44 45-54 55-64 65+ unknown")
        && one_of(&fields["device"], "desktop mobile tablet other unknown")
        && one_of(
            &fields["channel"],
            "direct organic_search paid_search social email referral display other unknown",
        )
        && letters(&fields["country"], 2)
        && letters(&fields["currency"], 3)
}

fn typed(fields: &Fields) -> bool {
    // The years that the calendar in use knows, from -262143 to 262142.
    let days = -96_465_292..=95_026_236;
    let instants = ["occurred_at", "ingested_at", "session_started_at"];
    spelled(fields)
        && instants.iter().all(|name| days.contains(&long(fields, name).div_euclid(86_400_000_000)))
        && (fields["rate_date"] == Avro::Null || days.contains(&long(fields, "rate_date")))
}

fn in_range(fields: &Fields) -> bool {
    const LAST_DAY: i64 = 84_006;
    let at_least = |name: &str, least: i64| match &fields[name] {
        Avro::Null => true,
        Avro::Bytes(bytes) => unscaled(bytes) >= least,
        _ => long(fields, name) >= least,
    };
    let within = |name: &str, bound: f64| match fields[name] {
        Avro::Null => true,
        Avro::Double(degrees) => degrees.abs() <= bound,
        ref other => panic!("{name} is {other:?}"),
    };
    let instants = ["occurred_at", "ingested_at", "session_started_at"];
    spelled(fields)
        && instants.iter().all(|name| (0..=LAST_DAY * 86_400_000_000).contains(&long(fields, name)))
        && (fields["rate_date"] == Avro::Null || (0..=LAST_DAY).contains(&long(fields, "rate_date")))
        && (fields["age"] == Avro::Null || (0..=130).contains(&long(fields, "age")))
        && within("latitude", 90.0)
        && within("longitude", 180.0)
        && ["quantity", "order_line", "order_lines"].iter().all(|name| at_least(name, 1))
        && ["price", "amount_base", "rate"].iter().all(|name| at_least(name, 0))
}

fn line(fields: &Fields) -> String {
    let columns = [
        "event_id",
        "event_name",
        "occurred_at",
        "ingested_at",
        "user_id",
        "session_id",
        "gender",
        "age_band",
        "country",
        "device",
        "channel",
        "item_id",
        "item_name",
        "category",
        "quantity",
        "amount_base",
        "order_line",
    ];
    let shown = columns.iter().map(|name| match &fields[*name] {
        Avro::Null => "-".to_owned(),
        Avro::Bytes(bytes) if *name == "amount_base" => unscaled(bytes).to_string(),
        Avro::Bytes(bytes) => String::from_utf8(bytes.clone()).unwrap(),
        _ => long(fields, name).to_string(),
    });
    shown.collect::<Vec<_>>().join("|")
}
