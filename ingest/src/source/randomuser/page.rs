use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::ApiError;
use super::request::{Nationality, PageRequest};
use super::{API_VERSION, SOURCE, credentials, profile};
use crate::store::{SetAside, UserRecord};

/// A page taken apart: every record of it is in one list or the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// What passed.
    pub users: Vec<UserRecord>,
    /// What did not, under `seed/page/index`.
    pub set_aside: Vec<SetAside>,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    results: Option<Vec<&'a RawValue>>,
    info: Option<Info>,
    error: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Info {
    seed: serde_json::Value,
    results: u64,
    page: u64,
    version: String,
}

/// How much of a strange body is quoted.
const EXCERPT_CHARS: usize = 120;

pub(super) fn excerpt(body: &[u8]) -> String {
    let head = &body[..body.len().min(EXCERPT_CHARS * 4)];
    let text = credentials::without(&String::from_utf8_lossy(head)).text;
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(EXCERPT_CHARS).collect()
}

/// The text of an `error` body, whatever status it came with.
pub(super) fn error_message(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct ErrorBody {
        error: serde_json::Value,
    }
    let ErrorBody { error } = serde_json::from_slice(body).ok()?;
    Some(in_words(&error))
}

fn in_words(error: &serde_json::Value) -> String {
    let text = error.as_str().map_or_else(|| error.to_string(), str::to_owned);
    text.chars().take(EXCERPT_CHARS).collect()
}

impl Page {
    /// Reads the body of an answer with status 200.
    ///
    /// # Errors
    /// When the answer as a whole is not what was asked for. A bad record is no error.
    pub fn parse(request: &PageRequest, body: &[u8], ingested_at: DateTime<Utc>) -> Result<Self, ApiError> {
        if !body.trim_ascii_start().starts_with(b"{") {
            return Err(ApiError::NotJson { excerpt: excerpt(body) });
        }
        // A whole body must be text: a record's own bytes cannot be cut out of anything else.
        let Body { results, info, error } = serde_json::from_slice(body).map_err(ApiError::NotAPage)?;
        if let Some(error) = error {
            return Err(ApiError::Service { status: 200, message: in_words(&error) });
        }
        let missing = |field| ApiError::NotAPage(serde::de::Error::missing_field(field));
        let results = results.ok_or_else(|| missing("results"))?;
        let asked = request.results();
        if results.is_empty() {
            return Err(ApiError::Empty { asked });
        }
        let info = info.ok_or_else(|| missing("info"))?;
        if info.version != API_VERSION {
            return Err(ApiError::Version(info.version.chars().take(EXCERPT_CHARS).collect()));
        }
        if info.results != u64::from(asked) || results.len() != asked as usize {
            return Err(ApiError::WrongCount { asked, told: info.results, given: results.len() });
        }
        if info.page != u64::from(request.page()) {
            return Err(ApiError::OtherPage { what: "page", given: info.page.to_string() });
        }
        // A seed of digits may come back as a number.
        let seed = info.seed.as_str().map_or_else(|| info.seed.to_string(), str::to_owned);
        if seed != request.seed() {
            return Err(ApiError::OtherPage { what: "seed", given: seed.chars().take(64).collect() });
        }

        let mut page = Self { users: Vec::with_capacity(results.len()), set_aside: Vec::new() };
        for (index, record) in results.into_iter().enumerate() {
            let record = credentials::without(record.get());
            match profile::read(&record.text, ingested_at) {
                Ok(user) => {
                    check_filter(request, &user)?;
                    page.users.push(user);
                }
                Err(bad) => page.set_aside.push(SetAside {
                    source: SOURCE.to_owned(),
                    coordinates: coordinates(request, index),
                    reason: bad.reason,
                    detail: format!("{bad}{}", record.note()),
                    payload: record.text.into_bytes(),
                    user_id: None,
                    quarantined_at: ingested_at,
                }),
            }
        }
        Ok(page)
    }
}

/// `seed/page/index`, with the filter where there is one: it changes who comes back.
fn coordinates(request: &PageRequest, index: usize) -> String {
    let nationalities: Vec<&str> = request.nationalities().iter().map(|nat| nat.as_str()).collect();
    let filter =
        if nationalities.is_empty() { String::new() } else { format!("?nat={}", nationalities.join(",")) };
    format!("{}/{}/{index}{filter}", request.seed(), request.page())
}

fn check_filter(request: &PageRequest, record: &UserRecord) -> Result<(), ApiError> {
    if request.nationalities().is_empty() {
        return Ok(());
    }
    match record.user.country.as_str().parse::<Nationality>() {
        Ok(given) if !request.nationalities().contains(&given) => Err(ApiError::FilterIgnored { given }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request() -> PageRequest {
        PageRequest::new("s", 1, 2, &[]).unwrap()
    }

    const PAGE: &str =
        r#"{"results":[{"login":{}},{"a":[1,2]}],"info":{"seed":"s","results":2,"page":1,"version":"1.4"}}"#;

    #[test]
    fn bad_records_are_no_bad_page() {
        let page = Page::parse(&request(), PAGE.as_bytes(), DateTime::UNIX_EPOCH).unwrap();
        assert_eq!((page.users.len(), page.set_aside.len()), (0, 2));
        assert_eq!(page.set_aside[1].payload, br#"{"a":[1,2]}"#);
        assert_eq!(page.set_aside[1].coordinates, "s/1/1");
    }

    #[test]
    fn a_bad_record_is_kept_without_credentials_and_says_so() {
        let page = PAGE.replace(r#"{"a":[1,2]}"#, r#"{"a":[1,2],"login":{"salt":"s","password":"hunter2"}}"#);
        let page = Page::parse(&request(), page.as_bytes(), DateTime::UNIX_EPOCH).unwrap();
        assert_eq!(page.set_aside[1].payload, br#"{"a":[1,2],"login":{}}"#);
        let detail = &page.set_aside[1].detail;
        assert_eq!(detail, "login.uuid: is missing; kept without salt, password");
        assert_eq!(page.set_aside[0].detail, "login.uuid: is missing");
        assert!(!excerpt(br#"[{"password":"hunter2"}]"#).contains("hunter2"));
    }

    #[test]
    fn a_page_that_was_not_asked_for_is_refused() {
        let parse = |from: &str, to: &str| {
            Page::parse(&request(), PAGE.replace(from, to).as_bytes(), DateTime::UNIX_EPOCH)
        };
        assert!(matches!(parse(r#""page":1"#, r#""page":2"#), Err(ApiError::OtherPage { .. })));
        assert!(matches!(parse(r#""seed":"s""#, r#""seed":"t""#), Err(ApiError::OtherPage { .. })));
        assert!(matches!(parse(r#""results":2"#, r#""results":1"#), Err(ApiError::WrongCount { .. })));
        assert!(matches!(parse("1.4", "1.3"), Err(ApiError::Version(_))));
        assert!(matches!(parse("info", "nofo"), Err(ApiError::NotAPage(_))));
    }

    proptest! {
        #[test]
        fn any_body_is_a_page_or_an_error(body: Vec<u8>) {
            let _ = Page::parse(&request(), &body, DateTime::UNIX_EPOCH);
        }

        #[test]
        fn a_damaged_page_is_a_page_or_an_error(at in 0..PAGE.len(), by: u8) {
            let mut body = PAGE.as_bytes().to_vec();
            body[at] = by;
            if let Ok(page) = Page::parse(&request(), &body, DateTime::UNIX_EPOCH) {
                prop_assert_eq!(page.users.len() + page.set_aside.len(), 2);
            }
        }
    }
}
