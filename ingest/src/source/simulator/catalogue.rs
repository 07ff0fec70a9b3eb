//! What the shop sells: 200 products, the same in every run, so that figures of runs can be compared.

use contracts::event::Price;
use contracts::money::Cost;
use contracts::record::Text;
use contracts::validation::Line;

use super::dice::Dice;
use super::market::{self, PRICE_LISTS, PriceList};

/// Prices and popularity are drawn once, from this seed.
const CATALOGUE_SEED: u64 = 0x5704_e5e5;

struct Range {
    prefix: &'static str,
    category: &'static str,
    brands: [&'static str; 5],
    /// Product, cheapest and dearest list price in EUR.
    products: [(&'static str, f64, f64); 5],
}

const RANGES: [Range; 8] = [
    Range {
        prefix: "AUD",
        category: "Audio",
        brands: ["Nordlyd", "Fermata", "Auris", "Halcyon Audio", "Tessitura"],
        products: [
            ("Over-Ear Headphones", 59.0, 349.0),
            ("Wireless Earbuds", 29.0, 229.0),
            ("Portable Speaker", 25.0, 199.0),
            ("Soundbar", 99.0, 599.0),
            ("Turntable", 129.0, 499.0),
        ],
    },
    Range {
        prefix: "HOM",
        category: "Home & Kitchen",
        brands: ["Haldegaard", "Maison Verre", "Orte", "Kupferblatt", "Lumen & Oak"],
        products: [
            ("Cast-Iron Pan", 24.0, 119.0),
            ("Espresso Machine", 119.0, 899.0),
            ("Chef's Knife", 29.0, 179.0),
            ("Table Lamp", 19.0, 149.0),
            ("Linen Bedding Set", 49.0, 219.0),
        ],
    },
    Range {
        prefix: "OUT",
        category: "Outdoor",
        brands: ["Fjellvei", "Cairn & Co", "Tramontana", "Ridgeline", "Saimaa"],
        products: [
            ("Trekking Backpack", 69.0, 259.0),
            ("Down Sleeping Bag", 99.0, 449.0),
            ("Two-Person Tent", 119.0, 649.0),
            ("Rain Jacket", 59.0, 329.0),
            ("Insulated Bottle", 14.0, 45.0),
        ],
    },
    Range {
        prefix: "FAS",
        category: "Fashion",
        brands: ["Atelier Loire", "Brannigan", "Sole Mio", "Kestrel", "Varde"],
        products: [
            ("Merino Sweater", 49.0, 179.0),
            ("Leather Sneakers", 59.0, 229.0),
            ("Selvedge Jeans", 59.0, 199.0),
            ("Oxford Shirt", 35.0, 119.0),
            ("Wool Scarf", 19.0, 89.0),
        ],
    },
    Range {
        prefix: "BEA",
        category: "Beauty",
        brands: ["Aurelle", "Botanika", "Salt & Sage", "Miravel", "Kaori"],
        products: [
            ("Facial Serum", 14.0, 89.0),
            ("Hand Cream", 5.0, 29.0),
            ("Eau de Parfum", 39.0, 179.0),
            ("Shampoo Bar", 6.0, 19.0),
            ("Sunscreen SPF 50", 9.0, 39.0),
        ],
    },
    Range {
        prefix: "TOY",
        category: "Toys & Games",
        brands: ["Holzwerk", "Little Orbit", "Meeple House", "Papagena", "Tuttifrutti"],
        products: [
            ("Wooden Train Set", 29.0, 149.0),
            ("Strategy Board Game", 25.0, 89.0),
            ("Building Blocks", 15.0, 129.0),
            ("Plush Animal", 9.0, 49.0),
            ("Science Kit", 19.0, 79.0),
        ],
    },
    Range {
        prefix: "BOO",
        category: "Books",
        brands: ["Quarto Press", "Lanterne", "Morgenrot Verlag", "Harbour House", "Novela"],
        products: [
            ("Crime Novel", 8.0, 25.0),
            ("Cookbook", 15.0, 49.0),
            ("City Travel Guide", 11.0, 29.0),
            ("Illustrated Atlas", 25.0, 89.0),
            ("Children's Picture Book", 7.0, 22.0),
        ],
    },
    Range {
        prefix: "SPO",
        category: "Sports",
        brands: ["Velocita", "Kinetiq", "Northlane", "Ginga", "Harrier"],
        products: [
            ("Running Shoes", 59.0, 219.0),
            ("Yoga Mat", 15.0, 99.0),
            ("Road Bike Helmet", 39.0, 249.0),
            ("Adjustable Dumbbells", 79.0, 399.0),
            ("Football", 15.0, 129.0),
        ],
    },
];

/// The products, with a ready line for each price list, and how often each is looked at.
pub(super) struct Catalogue {
    /// By product, by price list.
    lines: Vec<Vec<Line>>,
    popularity: Vec<u32>,
    total_popularity: u32,
}

impl Catalogue {
    #[expect(clippy::expect_used, reason = "constants of this file; a test builds the catalogue")]
    pub(super) fn new() -> Self {
        let mut dice = Dice::new(CATALOGUE_SEED, 0);
        let mut lines = Vec::new();
        let mut popularity = Vec::new();
        for range in &RANGES {
            for (kind, (product, cheapest, dearest)) in range.products.iter().enumerate() {
                for (tier, brand) in range.brands.iter().enumerate() {
                    let item_id = format!("{}-{}{:02}", range.prefix, kind + 1, tier + 1);
                    let item_name = format!("{brand} {product}");
                    // Dear ones are rarer: most prices lie in the lower half of the range.
                    let eur = cheapest + (dearest - cheapest) * dice.unit() * dice.unit();
                    let line = |list: &PriceList| Line {
                        item_id: Text::new(&item_id).expect("short"),
                        item_name: Text::new(&item_name).expect("short"),
                        category: Text::new(range.category).expect("short"),
                        brand: Some(Text::new(brand).expect("short")),
                        cost: Cost::Unit(list_price(eur, list).expect("fits").into()),
                        currency: market::currency(list).expect("a code"),
                        quantity: 1,
                    };
                    lines.push(PRICE_LISTS.iter().map(line).collect());
                    // A few products draw most eyes: between 1 and 200, most near 1.
                    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1..=201")]
                    popularity.push(1 + (200.0 * dice.unit().powi(4)) as u32);
                }
            }
        }
        let total_popularity = popularity.iter().sum();
        // Running totals: a product is found by halving.
        let popularity = popularity
            .into_iter()
            .scan(0, |sum, weight| {
                *sum += weight;
                Some(*sum)
            })
            .collect();
        Self { lines, popularity, total_popularity }
    }

    /// A product, the popular ones more often.
    pub(super) fn pick(&self, dice: &mut Dice) -> usize {
        let at = dice.below(self.total_popularity as usize);
        self.popularity.partition_point(|upto| *upto as usize <= at)
    }

    /// A line of a product at its price in a list.
    pub(super) fn line(&self, product: usize, price_list: usize, quantity: i32) -> Line {
        Line { quantity, ..self.lines[product][price_list].clone() }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.lines.len()
    }
}

fn list_price(eur: f64, list: &PriceList) -> Result<Price, contracts::record::FixedError> {
    let steps = (eur * list.per_eur / list.step).round().max(1.0);
    #[expect(clippy::cast_possible_truncation, reason = "a list price is below 1,000,000")]
    let cents = (steps * list.step * 100.0).round() as i64 - 1;
    Price::from_unscaled(cents)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn two_hundred_products_with_their_own_ids_and_prices_in_every_list() {
        let catalogue = Catalogue::new();
        assert_eq!(catalogue.len(), 200);
        let ids: HashSet<_> = catalogue.lines.iter().map(|lists| lists[0].item_id.clone()).collect();
        assert_eq!(ids.len(), 200);
        assert!(
            catalogue
                .lines
                .iter()
                .flatten()
                .all(|line| line.cost.sum().to_decimal() > rust_decimal::Decimal::ZERO)
        );
        let mut dice = Dice::new(1, 0);
        let seen: HashSet<usize> = (0..50_000).map(|_| catalogue.pick(&mut dice)).collect();
        assert_eq!(seen.len(), 200, "every product is looked at some time");
    }
}
