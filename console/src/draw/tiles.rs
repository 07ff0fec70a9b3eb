//! The world as tiles of one size, the darker the more a country has.

use std::collections::BTreeMap;

use maud::{Markup, html};
use rust_decimal::Decimal;

use super::countries::{SIZE, Tile, name, tiles as places};
use super::{shade, share};

/// A tile's room.
const ROOM: (usize, usize) = (20, 16);
/// The gap between two.
const GAP: usize = 1;

/// Every country without a figure: what changes is laid over it by [`tiles`].
pub(crate) fn base() -> Markup {
    html! {
        svg .tiles viewBox=(view()) aria-hidden="true" {
            @for tile in places() { g .tile.none { (self::tile(tile)) } }
        }
    }
}

/// `label` says in words what it shows; `countries` has of each code how much, and as it is written.
pub(crate) fn tiles(label: &str, countries: &BTreeMap<&str, (Decimal, String)>) -> Markup {
    let most = countries.values().map(|(amount, _)| *amount).max().unwrap_or_default();
    html! {
        svg .tiles viewBox=(view()) role="img" aria-label=(label) {
            @for tile in places() {
                @if let Some((amount, text)) = countries.get(tile.code) {
                    g class={ "tile " (shade(share(*amount, most))) } {
                        title { (name(tile.code)) ": " (text) }
                        (self::tile(tile))
                    }
                }
            }
        }
    }
}

fn view() -> String {
    format!("0 0 {} {}", SIZE.0 * ROOM.0, SIZE.1 * ROOM.1)
}

fn tile(tile: &Tile) -> Markup {
    let (x, y) = (tile.column * ROOM.0, tile.row * ROOM.1);
    html! {
        rect x=(x) y=(y) width=(ROOM.0 - GAP) height=(ROOM.1 - GAP) rx="2" {}
        text x=(x + (ROOM.0 - GAP) / 2) y=(y + 11) { (tile.code) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_with_figures_has_them_in_words_and_others_stay_empty() {
        let countries = BTreeMap::from([("CH", (Decimal::from(7), "EUR 7.00".to_owned()))]);
        let text = tiles("Net sales by country", &countries).into_string();
        assert!(text.contains("<g class=\"tile h7\"><title>Switzerland: EUR 7.00</title>"), "{text}");
        assert_eq!(text.matches("<rect").count(), 1);
        assert_eq!(base().into_string().matches("class=\"tile none\"").count(), places().len());
    }
}
