//! What an address asks for: the same words on the page and in the API, so that a search on the page is a
//! link to the API.

use std::time::Duration;

use chrono::DateTime;

use super::condition::{CONDITIONS, Condition};
use super::cursor::{Cursor, place};
use super::search::{LIMIT, Search, Start};
use crate::problem::Problem;

/// How many records are told where nobody says.
const USUAL: usize = 50;
/// The longest key that is searched for.
const KEY: usize = 1_024;

/// A search as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Asked {
    /// `newest`, `oldest`, `time:…` or `offset:p/o`; empty is `newest`.
    pub(crate) at: String,
    pub(crate) key: String,
    /// The place of a record whose key is searched for, `p/o`: a key that is shut is not told by a link.
    pub(crate) like: String,
    pub(crate) partition: String,
    pub(crate) conditions: Vec<String>,
    pub(crate) limit: String,
    pub(crate) cursor: String,
}

impl Asked {
    /// From the parts of an address; what belongs to others is passed over, and so is what is empty.
    pub(crate) fn from_pairs(pairs: Vec<(String, String)>) -> Self {
        let mut asked = Self::default();
        for (name, value) in pairs {
            let value = value.trim().to_owned();
            match name.as_str() {
                _ if value.is_empty() => {}
                "at" => asked.at = value,
                "key" => asked.key = value,
                "like" => asked.like = value,
                "partition" => asked.partition = value,
                "where" => asked.conditions.push(value),
                "limit" => asked.limit = value,
                "cursor" => asked.cursor = value,
                _ => {}
            }
        }
        asked
    }

    /// The parts of an address again.
    pub(crate) fn pairs(&self) -> Vec<(&'static str, &str)> {
        let named = [
            ("at", &self.at),
            ("key", &self.key),
            ("like", &self.like),
            ("partition", &self.partition),
            ("limit", &self.limit),
            ("cursor", &self.cursor),
        ];
        let mut pairs: Vec<(&'static str, &str)> = named
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name, value.as_str()))
            .collect();
        pairs.extend(self.conditions.iter().map(|condition| ("where", condition.as_str())));
        pairs
    }

    /// Reads it.
    pub(crate) fn search(&self, topic: &str, time: Duration) -> Result<Search, Problem> {
        let refused = |detail: String| Problem::bad_request("bad-search", detail);
        let limit = match self.limit.as_str() {
            "" => USUAL,
            text => text
                .parse()
                .ok()
                .filter(|limit| (1..=LIMIT).contains(limit))
                .ok_or_else(|| refused(format!("limit is a number from 1 to {LIMIT}")))?,
        };
        let partition = match self.partition.as_str() {
            "" | "all" => None,
            text => Some(text.parse().ok().filter(|partition| *partition >= 0).ok_or_else(|| {
                refused(format!("{text:?} is no partition: it is a number from 0, or all"))
            })?),
        };
        if self.key.len() > KEY {
            return Err(refused(format!("a key has at most {KEY} bytes here")));
        }
        let like = match self.like.as_str() {
            "" => None,
            text => Some(place(text, '/').ok_or_else(|| {
                refused(format!(
                    "like is the place of a record, partition/offset, as in 0/118; {text:?} is none"
                ))
            })?),
        };
        if like.is_some() && !self.key.is_empty() {
            return Err(refused("say key or like, not both".to_owned()));
        }
        Ok(Search {
            topic: topic.to_owned(),
            from: start(&self.at)?,
            partition,
            key: Some(self.key.clone().into_bytes()).filter(|key| !key.is_empty()),
            like,
            conditions: self.conditions()?,
            limit,
            cursor: match self.cursor.as_str() {
                "" => None,
                text => Some(text.parse::<Cursor>().map_err(|error| refused(error.to_string()))?),
            },
            time,
        })
    }

    /// Reads the conditions alone.
    pub(crate) fn conditions(&self) -> Result<Vec<Condition>, Problem> {
        let refused = |detail: String| Problem::bad_request("bad-search", detail);
        if self.conditions.len() > CONDITIONS {
            return Err(refused(format!("there are at most {CONDITIONS} conditions")));
        }
        self.conditions
            .iter()
            .map(|text| {
                text.parse().map_err(|error: super::condition::ConditionError| refused(error.to_string()))
            })
            .collect()
    }
}

fn start(at: &str) -> Result<Start, Problem> {
    match at {
        "" | "newest" => return Ok(Start::Newest),
        "oldest" => return Ok(Start::Oldest),
        _ => {}
    }
    if let Some((partition, offset)) = at.strip_prefix("offset:").and_then(|place_| place(place_, '/')) {
        return Ok(Start::Offset(partition, offset));
    }
    // A plus in an address is a space to those who read it.
    let time = at.strip_prefix("time:").map(|time| time.trim().replace(' ', "+"));
    if let Some(Ok(time)) = time.map(|time| DateTime::parse_from_rfc3339(&time)) {
        return Ok(Start::Time(time.to_utc()));
    }
    Err(Problem::bad_request(
        "bad-search",
        format!(
            "{at:?} is nowhere to begin: use newest, oldest, time:2026-11-28T10:00:00Z (with its zone) or offset:0/118"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn asked(pairs: &[(&str, &str)]) -> Asked {
        Asked::from_pairs(
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        )
    }

    #[test]
    fn reads_every_beginning() {
        let begins = |at| start(at).ok();
        assert_eq!(begins(""), Some(Start::Newest));
        assert_eq!(begins("oldest"), Some(Start::Oldest));
        assert_eq!(begins("offset:2/118"), Some(Start::Offset(2, 118)));
        let ten = DateTime::parse_from_rfc3339("2026-11-28T10:00:00Z").unwrap().to_utc();
        assert_eq!(begins("time:2026-11-28T10:00:00Z"), Some(Start::Time(ten)));
        assert_eq!(begins("time:2026-11-28T11:00:00 01:00"), Some(Start::Time(ten)));
        for at in ["time:10:00", "offset:2", "offset:-1/0", "now", "time:"] {
            assert_eq!(begins(at), None, "{at}");
        }
    }

    #[test]
    fn refuses_what_it_does_not_understand() {
        for pairs in [
            [("limit", "201")],
            [("limit", "0")],
            [("partition", "-1")],
            [("where", "?")],
            [("cursor", "0")],
            [("like", "1")],
            [("at", "x")],
        ] {
            assert!(asked(&pairs).search("t", Duration::ZERO).is_err(), "{pairs:?}");
        }
        assert!(asked(&[("where", "a = 1"); 6]).search("t", Duration::ZERO).is_err());
        assert!(asked(&[("key", "a"), ("like", "0/1")]).search("t", Duration::ZERO).is_err());
        let read = asked(&[("where", "a = 1"), ("tab", "messages"), ("partition", "all")]);
        let search = read.search("t", Duration::ZERO).unwrap();
        assert_eq!((search.limit, search.partition, search.conditions.len()), (50, None, 1));
    }

    proptest! {
        #[test]
        fn an_address_is_read_as_it_was_written(
            at in "[a-z:/0-9]{1,9}",
            conditions in prop::collection::vec("[a-z=]{1,9}", 0..3),
        ) {
            let asked = Asked { at, conditions, ..Asked::default() };
            let pairs = asked.pairs().into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
            prop_assert_eq!(Asked::from_pairs(pairs.collect()), asked);
        }
    }
}
