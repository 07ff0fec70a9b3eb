//! Where a search goes on: an offset for each partition, in plain text, as in `0:118,1:97`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// As many partitions at most as a topic may have here.
const PARTITIONS: usize = 1_024;

/// Offsets by partition: forwards the next to read, backwards the one before which the next is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Cursor(pub(crate) BTreeMap<i32, i64>);

/// Text that is no cursor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a position to continue from: write partition:offset pairs with commas between them, as in \
     0:118,1:97"
)]
pub(crate) struct CursorError(String);

/// `partition`, a sign, `offset`, neither of them negative.
pub(crate) fn place(text: &str, sign: char) -> Option<(i32, i64)> {
    let (partition, offset) = text.split_once(sign)?;
    let place: (i32, i64) = (partition.trim().parse().ok()?, offset.trim().parse().ok()?);
    (place.0 >= 0 && place.1 >= 0).then_some(place)
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let refused = || CursorError(text.chars().take(80).collect());
        let mut places = BTreeMap::new();
        for part in text.split(',') {
            let (partition, offset) = place(part, ':').ok_or_else(refused)?;
            if places.insert(partition, offset).is_some() || places.len() > PARTITIONS {
                return Err(refused());
            }
        }
        Ok(Self(places))
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (partition, offset)) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            write!(f, "{partition}:{offset}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn is_read_as_it_was_written(
            places in prop::collection::btree_map(0..i32::MAX, 0..i64::MAX, 1..20),
        ) {
            let cursor = Cursor(places);
            prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }

        #[test]
        fn any_text_is_read_or_refused(text: String) {
            let _ = text.parse::<Cursor>();
        }
    }

    #[test]
    fn refuses_what_is_none() {
        for text in ["", "0", "0:", "0:-1", "-1:0", "0:1,", "0:1,0:2", "0:99999999999999999999"] {
            assert!(text.parse::<Cursor>().is_err(), "{text}");
        }
    }
}
