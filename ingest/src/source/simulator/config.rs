use std::time::Duration;

/// What to simulate.
#[derive(Debug, Clone, PartialEq)]
pub struct RunConfig {
    /// Fixes everything but time.
    pub seed: u64,
    /// Events a second of simulated time, on average.
    pub events_per_s: f64,
    /// How simulated time follows the machine's.
    pub pace: Pace,
    /// When it ends by itself.
    pub limit: Limit,
    /// Whether the total follows the hours of the day.
    pub rhythm: Rhythm,
    /// What is wrong with the records.
    pub dial: Dial,
}

/// How simulated time follows the machine's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// On schedule whatever the store does: what it cannot take in time is sent late, none is left out.
    OpenLoop {
        /// Simulated seconds in one of the machine's; other than 1 needs a virtual clock.
        speed: f64,
    },
    /// As fast as the store takes it; needs a virtual clock.
    Unpaced,
}

/// When a run ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// When it is cancelled.
    Forever,
    /// After this many records.
    Records(u64),
    /// After this much simulated time.
    Time(Duration),
}

/// Whether the total rate follows the hours of the day (UTC).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rhythm {
    /// Every second gets the same rate; who shops still follows each country's local hour.
    #[default]
    Flat,
    /// More by day than by night; the day's average is the rate asked for.
    Daily,
}

/// Shares of records, in percent, that are not as most are.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Dial {
    /// Of visits told 11 to 40 minutes after they happened, as by a phone that was offline.
    pub late_pct: f64,
    /// Sent a second time.
    pub repeated_pct: f64,
    /// Held back by up to 20 s of simulated time, so that later ones overtake them.
    pub out_of_order_pct: f64,
    /// Breaking a rule, so that they belong in quarantine.
    pub malformed_pct: f64,
    /// By one and the same user.
    pub hot_key_pct: f64,
    /// Of visits by somebody who has not signed in, of whom the country is known and nothing else.
    pub guests_pct: f64,
}

/// A configuration that cannot be run.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ConfigError {
    /// No rate, or one that cannot be scheduled.
    #[error("a rate of {0} events/s cannot be run: use more than 0 and at most 10,000,000")]
    Rate(f64),
    /// A speed that is no speed.
    #[error("a speed of {0} cannot be run: use more than 0 and at most 100,000")]
    Speed(f64),
    /// A share outside 0..=100, or shares that leave no room for the rest.
    #[error("{name} is {percent} %: use 0 to 90")]
    Share {
        /// Which share.
        name: &'static str,
        /// The share.
        percent: f64,
    },
    /// Simulated time would run ahead of the machine's clock, and its events be refused as from the future.
    #[error("an unpaced or sped-up run needs a virtual clock: give it a start")]
    NeedsVirtualClock,
    /// Nobody to shop.
    #[error("there are no users to simulate: fetch some first with `storepulse users`")]
    NoUsers,
}

impl RunConfig {
    /// Checks what can be checked before anything starts.
    ///
    /// # Errors
    /// The first setting that cannot be run.
    pub fn check(&self, clock: &crate::clock::Clock) -> Result<(), ConfigError> {
        // Written so that NaN fails too.
        if !(self.events_per_s > 0.0 && self.events_per_s <= 10_000_000.0) {
            return Err(ConfigError::Rate(self.events_per_s));
        }
        match self.pace {
            Pace::OpenLoop { speed } if !(speed > 0.0 && speed <= 100_000.0) => {
                return Err(ConfigError::Speed(speed));
            }
            Pace::OpenLoop { speed } if (speed - 1.0).abs() > f64::EPSILON && !clock.stands_still() => {
                return Err(ConfigError::NeedsVirtualClock);
            }
            Pace::Unpaced if !clock.stands_still() => return Err(ConfigError::NeedsVirtualClock),
            _ => {}
        }
        for (name, percent) in self.dial.shares() {
            if !(0.0..=90.0).contains(&percent) {
                return Err(ConfigError::Share { name, percent });
            }
        }
        let of_slots = self.dial.repeated_pct + self.dial.malformed_pct;
        if of_slots > 90.0 {
            return Err(ConfigError::Share { name: "repeated plus malformed", percent: of_slots });
        }
        Ok(())
    }
}

impl Dial {
    const fn shares(&self) -> [(&'static str, f64); 6] {
        [
            ("late", self.late_pct),
            ("repeated", self.repeated_pct),
            ("out-of-order", self.out_of_order_pct),
            ("malformed", self.malformed_pct),
            ("hot-key", self.hot_key_pct),
            ("guests", self.guests_pct),
        ]
    }
}
