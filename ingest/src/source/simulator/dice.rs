//! Draws whose meaning does not change with a library's release: ChaCha8's stream is specified, and the few
//! distributions needed are written here.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

#[derive(Debug, Clone)]
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    /// An independent sequence for each seed and stream.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self(rng)
    }

    pub(super) fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in 0..1.
    pub(super) fn unit(&mut self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let bits = (self.bits() >> 11) as f64;
        bits / 9_007_199_254_740_992.0
    }

    /// Uniform in `0..n`; 0 where `n` is 0.
    pub(super) fn below(&mut self, n: usize) -> usize {
        let product = u128::from(self.bits()) * (n as u128);
        #[expect(clippy::cast_possible_truncation, reason = "the product's upper half is below n")]
        let index = (product >> 64) as usize;
        index
    }

    /// True in `percent` of 100 draws. Draws even when it cannot be true, so that sequences stay aligned.
    pub(super) fn percent(&mut self, percent: f64) -> bool {
        self.unit() * 100.0 < percent
    }

    /// An index, each as often as its weight says.
    pub(super) fn weighted(&mut self, weights: &[u32]) -> usize {
        let total: u32 = weights.iter().sum();
        let mut at = self.below(total as usize);
        for (index, weight) in weights.iter().enumerate() {
            if at < *weight as usize {
                return index;
            }
            at -= *weight as usize;
        }
        0
    }

    /// Exponential with the given mean.
    pub(super) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// The free bits of a UUIDv7.
    pub(super) fn id_bits(&mut self) -> [u8; 10] {
        let mut bits = [0; 10];
        self.0.fill_bytes(&mut bits);
        bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_keeps_its_meaning() {
        let draws = |seed, stream| {
            let mut dice = Dice::new(seed, stream);
            [(); 6].map(|()| dice.below(1_000))
        };
        // These figures may never change: a run of an older release must be repeatable.
        assert_eq!(draws(42, 0), [681, 950, 427, 627, 288, 149]);
        assert_ne!(draws(42, 0), draws(42, 1));
        assert_eq!(Dice::new(1, 0).below(0), 0);
    }

    #[test]
    fn shares_are_what_they_say() {
        let mut dice = Dice::new(7, 0);
        let hits = (0..100_000).filter(|_| dice.percent(5.0)).count();
        assert!((4_700..5_300).contains(&hits), "{hits}");
        let picks = (0..90_000).filter(|_| dice.weighted(&[1, 2]) == 1).count();
        assert!((59_000..61_000).contains(&picks), "{picks}");
    }
}
