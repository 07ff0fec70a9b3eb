//! Ids of rows that have none of their own.
//!
//! Such an id follows from what stands in the row and from how many equal rows stand before it in its file:
//! the same file gives the same ids again, and a row that stands in two overlapping exports is one event.
//! What counts is what stands in the file, before words are mapped and defaults filled in, so that a better
//! mapping leaves ids as they are; and what it says, not how it is written, so that CSV, NDJSON and Parquet
//! agree.

use std::collections::HashMap;

use rust_decimal::Decimal;
use sha2::{Digest, Sha256};

use crate::mapping::Marks;
use crate::mapping::Rule;
use crate::mapping::field::Kind;

/// The digest of what stands in a row.
#[derive(Default)]
pub(crate) struct Content(Sha256);

impl Content {
    /// Takes in the value of a field; absent ones are not taken in.
    pub(crate) fn add(&mut self, rule: &Rule, value: &str) {
        let canonical = canonical(rule, value);
        let value = canonical.as_deref().unwrap_or(value);
        // Lengths keep two fields from being taken for one.
        self.0.update(rule.field.name);
        self.0.update([0]);
        self.0.update((value.len() as u64).to_be_bytes());
        self.0.update(value);
    }
}

/// The one form of a value that may be written in several.
fn canonical(rule: &Rule, value: &str) -> Option<String> {
    match rule.field.kind {
        Kind::Int | Kind::Decimal | Kind::Double => {
            let number = number(value, rule.marks == Marks::Comma);
            Some(Decimal::from_str_exact(&number).ok()?.normalize().to_string())
        }
        // Times come as instants; all else is what it reads as.
        _ => None,
    }
}

/// A number as ids have read it from the first. It must stay so: what this gives for the rows that are stored
/// decides whether they are found again. What a row is worth is read by [`crate::value`], which refuses what
/// this would only guess.
fn number(text: &str, decimal_comma: bool) -> String {
    if !decimal_comma {
        return text.to_owned();
    }
    let mut number = text.replace(['.', ' ', '\u{a0}', '\u{202f}'], "");
    if let Some(at) = number.find(',') {
        number.replace_range(at..=at, ".");
    }
    number
}

/// Counts equal rows of a file, in their order.
#[derive(Debug, Default)]
pub(crate) struct Occurrences {
    /// By the beginning of the digest: 16 bytes a row. Two rows that share it still have ids of their own,
    /// which hold the whole.
    seen: HashMap<u64, u32>,
}

impl Occurrences {
    /// The id of the next row with this content.
    pub(crate) fn id(&mut self, content: Content) -> String {
        let digest = content.0.finalize();
        let mut beginning = [0; 8];
        beginning.copy_from_slice(&digest[..8]);
        let count = self.seen.entry(u64::from_be_bytes(beginning)).or_default();
        let id = format!("{digest:x}/{count}");
        *count += 1;
        id
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use proptest::prelude::*;

    use super::*;
    use crate::mapping::Origin;
    use crate::mapping::field;

    fn rule(name: &str) -> Rule {
        Rule {
            field: field::of(name).unwrap(),
            from: Origin::Columns(vec![0]),
            values: BTreeMap::new(),
            default: None,
            time: None,
            marks: Marks::Plain,
            in_minor_units: false,
            negative_refunds: false,
            refund_prefix: None,
            as_written: false,
            keep: false,
        }
    }

    fn ids(rows: &[Vec<(usize, String)>]) -> Vec<String> {
        let rules = [rule("user_id"), rule("city"), rule("item_name")];
        let mut occurrences = Occurrences::default();
        let id = |row: &Vec<(usize, String)>| {
            let mut content = Content::default();
            for (at, value) in row {
                content.add(&rules[*at], value);
            }
            occurrences.id(content)
        };
        rows.iter().map(id).collect()
    }

    /// Few words and absent values, so that equal rows and shifted values are common.
    fn rows() -> impl Strategy<Value = Vec<Vec<(usize, String)>>> {
        let cell = prop::option::of("[ab0]{1,2}");
        let row = [cell.clone(), cell.clone(), cell].prop_map(|cells| {
            let cells = cells.into_iter().enumerate();
            cells.filter_map(|(at, cell)| Some((at, cell?))).collect()
        });
        prop::collection::vec(row, 0..60)
    }

    proptest! {
        #[test]
        fn ids_are_stable_and_distinct(rows in rows(), more in rows()) {
            let first = ids(&rows);
            prop_assert_eq!(&first, &ids(&rows));
            let distinct: HashSet<&String> = first.iter().collect();
            prop_assert_eq!(distinct.len(), rows.len());
            // What is appended to a file leaves the ids before it as they are.
            let longer: Vec<_> = rows.iter().chain(&more).cloned().collect();
            prop_assert_eq!(&ids(&longer)[..rows.len()], &first[..]);
        }

        #[test]
        fn equal_rows_have_the_same_ids_wherever_they_stand(rows in rows(), shift in 0usize..60) {
            let mut moved = rows.clone();
            moved.rotate_left(shift.min(rows.len()));
            let (mut before, mut after) = (ids(&rows), ids(&moved));
            before.sort();
            after.sort();
            prop_assert_eq!(before, after);
        }
    }

    #[test]
    fn a_number_is_what_it_says_and_a_text_how_it_reads() {
        let of = |name: &str, decimal_comma: bool, value| {
            let mut content = Content::default();
            let marks = if decimal_comma { Marks::Comma } else { Marks::Plain };
            content.add(&Rule { marks, ..rule(name) }, value);
            Occurrences::default().id(content)
        };
        assert_eq!(of("price", false, "19.90"), of("price", false, "19.9"));
        assert_eq!(of("price", true, "1.019,90"), of("price", false, "1019.9"));
        assert_eq!(of("quantity", false, "2.0"), of("quantity", false, "2"));
        assert_ne!(of("price", false, "19.90"), of("price", false, "199.0"));
        assert_ne!(of("city", false, "1.0"), of("city", false, "1"));
        assert_ne!(of("city", false, "1"), of("item_name", false, "1"));
    }
}
