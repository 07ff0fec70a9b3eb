//! Drawings as markup: bars, tiles and heat tables. What is seen stands there as text too.

pub(crate) mod bars;
pub(crate) mod countries;
pub(crate) mod heat;
pub(crate) mod tiles;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// How much of the whole something is, from 0 to 1: for lengths and shades.
pub(crate) fn share(part: Decimal, whole: Decimal) -> f64 {
    if whole <= Decimal::ZERO || part <= Decimal::ZERO {
        return 0.0;
    }
    part.checked_div(whole).and_then(|share| share.to_f64()).unwrap_or(0.0).clamp(0.0, 1.0)
}

/// The shade of a share, as the style sheet has it: none for nothing, and at least the lightest for anything
/// at all.
fn shade(share: f64) -> &'static str {
    const SHADES: [&str; 7] = ["h1", "h2", "h3", "h4", "h5", "h6", "h7"];
    if share <= 0.0 {
        return "h0";
    }
    let step = SHADES.iter().zip(1_u8..).find(|(_, step)| share <= f64::from(*step) / 7.0);
    step.map_or("h7", |(shade, _)| shade)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_stay_between_nothing_and_all() {
        let decimal = Decimal::from;
        for (part, whole, told) in
            [(1, 4, 0.25), (5, 4, 1.0), (0, 4, 0.0), (-1, 4, 0.0), (1, 0, 0.0), (1, -4, 0.0)]
        {
            assert!((share(decimal(part), decimal(whole)) - told).abs() < 1e-9, "{part}/{whole}");
        }
        assert!(share(Decimal::MAX, Decimal::new(1, 28)) <= 1.0);
    }

    #[test]
    fn little_is_told_apart_from_nothing() {
        assert_eq!([0.0, 0.000_1, 0.2, 0.5, 1.0].map(shade), ["h0", "h1", "h2", "h4", "h7"]);
    }
}
