//! The dated rates that money is converted with, once, at ingest.
//!
//! The built-in file has one rate a month and currency, so a rate may be [`MAX_AGE_DAYS`] old: a month with a
//! margin. After its last month it stops holding, and lines in other currencies than the base are quarantined
//! with [`MissingRate`](contracts::Reason::MissingRate) instead of being converted at a stale rate; a shop
//! hands in its own file.

use std::path::{Path, PathBuf};

use contracts::event::Currency;
use contracts::money::{Places, Rates, RatesError, minor_units};
use contracts::record::Code;

/// How old the rate of a day may be.
pub const MAX_AGE_DAYS: i64 = 40;

const BUILT_IN: &str = include_str!("../rates/eur.csv");

/// Rates that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Amounts in this currency have more places than are kept.
    #[error(
        "{base} cannot be the base currency: its amounts have {places} decimal places, and two are kept of an amount; \
         name another --base-currency, and rates into it with --rates FILE"
    )]
    Base {
        /// The currency.
        base: Currency,
        /// How many decimal places it has.
        places: u32,
    },
    /// The file cannot be read.
    #[error("cannot read the rates file {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// A line of it is wrong.
    #[error("the rates file {} is refused", path.display())]
    Parse {
        path: PathBuf,
        /// Which line, and why.
        #[source]
        source: RatesError,
    },
}

/// The built-in rates into EUR: illustrative, for simulated shops.
#[must_use]
#[expect(clippy::expect_used, reason = "a test parses the built-in file")]
pub fn built_in() -> Rates {
    let base: Currency = Code::new("EUR").expect("EUR is a currency code");
    Rates::parse(base, MAX_AGE_DAYS, BUILT_IN).expect("the built-in rates parse")
}

/// Rates from a file into the given base currency. Without a file the built-in ones into EUR, and none into
/// another: a shop that sells in its base currency alone needs none.
///
/// # Errors
/// When the file cannot be read, or a line is wrong; and when amounts in the base currency have more than two
/// decimal places.
pub fn load(base: Currency, path: Option<&Path>) -> Result<Rates, LoadError> {
    if Places::of(base).is_none() {
        return Err(LoadError::Base { base, places: minor_units(base) });
    }
    let Some(path) = path else {
        let rates = built_in();
        return if rates.base() == base { Ok(rates) } else { Ok(Rates::none(base)) };
    };
    let text =
        std::fs::read_to_string(path).map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
    Rates::parse(base, MAX_AGE_DAYS, &text)
        .map_err(|source| LoadError::Parse { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_rates_hold_every_day_from_2025_to_2029() {
        let rates = built_in();
        let usd: Currency = "USD".parse().unwrap();
        let first: chrono::NaiveDate = "2025-01-01".parse().unwrap();
        let last: chrono::NaiveDate = "2029-12-31".parse().unwrap();
        for day in first.iter_days().take_while(|day| *day <= last) {
            rates.rate(usd, day).unwrap();
        }
        assert!(rates.rate(usd, "2024-12-31".parse().unwrap()).is_err());
        assert!(rates.rate(usd, "2030-02-01".parse().unwrap()).is_err());
    }

    #[test]
    fn a_base_currency_with_three_places_is_refused() {
        for (code, places) in [("KWD", "3 decimal places"), ("CLF", "4 decimal places")] {
            let error = load(code.parse().unwrap(), None).unwrap_err().to_string();
            assert!(error.starts_with(code) && error.contains(places), "{error}");
        }
        assert_eq!(load("JPY".parse().unwrap(), None).unwrap().places().count(), 0);
    }

    #[test]
    fn a_file_is_named_when_it_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "2026-01-01,USD,zero").unwrap();
        let error = load("EUR".parse().unwrap(), Some(file.path())).unwrap_err();
        assert!(error.to_string().contains(&file.path().display().to_string()));
        assert!(load("EUR".parse().unwrap(), Some(Path::new("no/such/file"))).is_err());
    }
}
