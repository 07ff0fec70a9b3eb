use std::fmt;
use std::str::FromStr;

/// The most users in one answer; asked for more, the API gives one.
pub const MAX_RESULTS: u32 = 5_000;
/// The last page; asked for a later one, the API gives the first.
pub const MAX_PAGE: u32 = 10_000;
/// The nationalities of version 1.4.
pub const NATIONALITIES: [&str; 21] = [
    "AU", "BR", "CA", "CH", "DE", "DK", "ES", "FI", "FR", "GB", "IE", "IN", "IR", "MX", "NL", "NO", "NZ",
    "RS", "TR", "UA", "US",
];
/// A seed of this length is taken apart by the API: its last two characters choose the nationality.
const SPLIT_SEED_CHARS: usize = 18;

/// A nationality that the API knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nationality(&'static str);

impl Nationality {
    /// Its two letters, upper case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Nationality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl FromStr for Nationality {
    type Err = RequestError;

    fn from_str(code: &str) -> Result<Self, RequestError> {
        let known = NATIONALITIES.iter().find(|known| known.eq_ignore_ascii_case(code.trim()));
        known.map(|known| Self(known)).ok_or_else(|| RequestError::Nationality(code.to_owned()))
    }
}

/// A request that the API would accept and answer with something else than was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The API would silently give one user.
    #[error("a page cannot have {0} users: use 1 to {MAX_RESULTS}, and several pages for more")]
    Results(u32),
    /// The API would silently give the first page.
    #[error("there is no page {0}: use 1 to {MAX_PAGE}")]
    Page(u32),
    /// The API would silently drop the whole filter.
    #[error("{0:?} is not a nationality of the API: use {known}", known = NATIONALITIES.join(", "))]
    Nationality(String),
    /// The API would silently choose nationality or seed by itself.
    #[error("{0:?} cannot be a seed: use 1 to 64 letters, digits, '-' and '_', but not exactly 18")]
    Seed(String),
}

/// One page: the same seed, page, size and nationalities always give the same users.
///
/// The API's other parameters are left out on purpose: `gender` is ignored beside a seed, `inc` and `exc`
/// change who comes back and can leave out the id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    results: u32,
    page: u32,
    seed: String,
    nationalities: Vec<Nationality>,
}

impl PageRequest {
    /// Checks a request.
    ///
    /// # Errors
    /// When the API would answer something else than was asked for.
    pub fn new(
        seed: &str,
        page: u32,
        results: u32,
        nationalities: &[Nationality],
    ) -> Result<Self, RequestError> {
        if !(1..=MAX_RESULTS).contains(&results) {
            return Err(RequestError::Results(results));
        }
        if !(1..=MAX_PAGE).contains(&page) {
            return Err(RequestError::Page(page));
        }
        let plain = seed.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if !(1..=64).contains(&seed.len()) || !plain || seed.len() == SPLIT_SEED_CHARS {
            return Err(RequestError::Seed(seed.to_owned()));
        }
        Ok(Self { results, page, seed: seed.to_owned(), nationalities: nationalities.to_vec() })
    }

    /// How many users are asked for.
    #[must_use]
    pub const fn results(&self) -> u32 {
        self.results
    }

    /// Which page, from 1.
    #[must_use]
    pub const fn page(&self) -> u32 {
        self.page
    }

    /// The seed.
    #[must_use]
    pub fn seed(&self) -> &str {
        &self.seed
    }

    /// The nationalities asked for; none means any.
    #[must_use]
    pub fn nationalities(&self) -> &[Nationality] {
        &self.nationalities
    }

    /// The query, each parameter once: of a repeated one the API takes the last.
    pub(super) fn query(&self) -> Vec<(&'static str, String)> {
        let mut query = vec![
            ("results", self.results.to_string()),
            ("page", self.page.to_string()),
            ("seed", self.seed.clone()),
            ("format", "json".to_owned()),
        ];
        if !self.nationalities.is_empty() {
            let codes: Vec<&str> = self.nationalities.iter().map(|nat| nat.as_str()).collect();
            query.push(("nat", codes.join(",").to_lowercase()));
        }
        query
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_api_would_answer_wrongly_is_refused() {
        let request = |seed: &str, page, results| PageRequest::new(seed, page, results, &[]);
        assert_eq!(request("a", 1, 6_000), Err(RequestError::Results(6_000)));
        assert_eq!(request("a", 1, 0), Err(RequestError::Results(0)));
        assert_eq!(request("a", 0, 1), Err(RequestError::Page(0)));
        assert_eq!(request("a", 10_001, 1), Err(RequestError::Page(10_001)));
        assert!(matches!(request("", 1, 1), Err(RequestError::Seed(_))));
        assert!(matches!(request("a&nat=de", 1, 1), Err(RequestError::Seed(_))));
        assert!(matches!(request(&"a".repeat(18), 1, 1), Err(RequestError::Seed(_))));
        assert!(request(&"a".repeat(19), 10_000, 5_000).is_ok());
        assert!(matches!("XX".parse::<Nationality>(), Err(RequestError::Nationality(_))));
        assert_eq!("de".parse::<Nationality>().unwrap().as_str(), "DE");
    }
}
