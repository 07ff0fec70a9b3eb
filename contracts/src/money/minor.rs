//! Decimal places of currencies.

use crate::event::Currency;

/// Decimal places that amounts are kept with.
const KEPT: u32 = 2;

/// How many decimal places a currency has: the minor units of ISO 4217.
#[must_use]
pub fn minor_units(currency: Currency) -> u32 {
    match currency.as_str() {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI"
        | "VND" | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        "CLF" | "UYW" => 4,
        _ => 2,
    }
}

/// Decimal places of the base currency: amounts are rounded to them, and kept with two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places(u32);

impl Places {
    /// Those of most currencies, which are also those that amounts are kept with.
    pub const CENTS: Self = Self(KEPT);

    /// Those of a currency; nothing where it has more than amounts are kept with.
    #[must_use]
    pub fn of(base: Currency) -> Option<Self> {
        Some(Self(minor_units(base))).filter(|places| places.0 <= KEPT)
    }

    /// How many they are.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.0
    }

    /// Hundredths that the smallest amount has: 1 of euros, 100 of yen.
    #[must_use]
    pub const fn step(self) -> i64 {
        10i64.pow(KEPT - self.0)
    }
}

impl Default for Places {
    fn default() -> Self {
        Self::CENTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_kept_of_currencies_with_two_places_at_most() {
        let places =
            |code: &str| Places::of(code.parse().unwrap()).map(|places| (places.count(), places.step()));
        assert_eq!([places("EUR"), places("JPY")], [Some((2, 1)), Some((0, 100))]);
        assert_eq!([places("KWD"), places("CLF")], [None, None]);
    }

    #[test]
    fn they_are_those_of_iso_4217() {
        for (code, places) in [("EUR", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4), ("HUF", 2), ("XXX", 2)] {
            assert_eq!(minor_units(code.parse().unwrap()), places, "{code}");
        }
    }
}
