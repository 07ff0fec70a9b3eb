//! Where the shop sells: currencies, list prices and hours by country.

use contracts::event::{Country, Currency};

/// A currency the shop has list prices in.
pub(super) struct PriceList {
    pub(super) currency: &'static str,
    /// List price in it for one EUR; set once, unlike the rates that amounts are converted with.
    pub(super) per_eur: f64,
    /// Prices end on a multiple of this less one hundredth, as in 19.99 or 1,899.99.
    pub(super) step: f64,
}

const fn list(currency: &'static str, per_eur: f64, step: f64) -> PriceList {
    PriceList { currency, per_eur, step }
}

/// The first is for countries without a list of their own.
pub(super) const PRICE_LISTS: &[PriceList] = &[
    list("EUR", 1.0, 1.0),
    list("USD", 1.15, 1.0),
    list("GBP", 0.87, 1.0),
    list("CHF", 0.95, 1.0),
    list("AUD", 1.75, 1.0),
    list("BRL", 6.3, 5.0),
    list("CAD", 1.6, 1.0),
    list("DKK", 7.46, 10.0),
    list("INR", 101.0, 100.0),
    list("MXN", 21.5, 10.0),
    list("NOK", 11.7, 10.0),
    list("NZD", 2.0, 1.0),
    list("RSD", 117.0, 100.0),
    list("TRY", 47.0, 10.0),
    list("UAH", 48.0, 10.0),
];

/// Country, currency, hours ahead of UTC (of its largest city, without summer time).
const COUNTRIES: &[(&str, &str, i64)] = &[
    ("AU", "AUD", 10),
    ("BR", "BRL", -3),
    ("CA", "CAD", -5),
    ("CH", "CHF", 1),
    ("DE", "EUR", 1),
    ("DK", "DKK", 1),
    ("ES", "EUR", 1),
    ("FI", "EUR", 2),
    ("FR", "EUR", 1),
    ("GB", "GBP", 0),
    ("IE", "EUR", 0),
    ("IN", "INR", 5),
    ("IR", "EUR", 3),
    ("MX", "MXN", -6),
    ("NL", "EUR", 1),
    ("NO", "NOK", 1),
    ("NZ", "NZD", 12),
    ("RS", "RSD", 1),
    ("TR", "TRY", 3),
    ("UA", "UAH", 2),
    ("US", "USD", -5),
];

/// The index of a country's price list.
pub(super) fn price_list(country: Country) -> usize {
    let currency = COUNTRIES.iter().find(|(code, _, _)| *code == country.as_str()).map(|(_, c, _)| *c);
    currency.and_then(|c| PRICE_LISTS.iter().position(|list| list.currency == c)).unwrap_or(0)
}

/// A currency of the lists as a typed code.
pub(super) fn currency(list: &PriceList) -> Option<Currency> {
    list.currency.parse().ok()
}

/// How busy each local hour is, relative to the others; the mean is 1,000.
const BUSY_BY_LOCAL_HOUR: [u32; 24] = [
    440, 270, 190, 150, 160, 250, 440, 670, 880, 1020, 1140, 1200, 1270, 1230, 1170, 1180, 1240, 1370, 1570,
    1800, 1960, 1930, 1540, 930,
];

/// How busy a country is in an hour of the day in UTC.
pub(super) fn busy(country: Country, utc_hour: i64) -> u32 {
    let ahead = COUNTRIES.iter().find(|(code, _, _)| *code == country.as_str()).map_or(0, |(_, _, h)| *h);
    busy_at(utc_hour + ahead)
}

/// How busy a local hour is.
pub(super) fn busy_at(hour: i64) -> u32 {
    usize::try_from(hour.rem_euclid(24))
        .ok()
        .and_then(|at| BUSY_BY_LOCAL_HOUR.get(at))
        .copied()
        .unwrap_or(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_average_to_the_rate() {
        assert_eq!(BUSY_BY_LOCAL_HOUR.iter().sum::<u32>(), 24_000);
    }

    #[test]
    fn every_country_has_a_list_and_a_rate() {
        let rates = crate::rates::built_in();
        for (country, code, _) in COUNTRIES {
            let list = &PRICE_LISTS[price_list(country.parse().unwrap())];
            assert_eq!(list.currency, *code);
            rates.rate(currency(list).unwrap(), "2026-06-15".parse().unwrap()).unwrap();
        }
        assert_eq!(price_list("XX".parse().unwrap()), 0);
    }
}
