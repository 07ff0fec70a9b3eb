//! The rates that money is converted with, as options of the commands that ingest.

use std::path::PathBuf;

use clap::Args;
use contracts::event::Currency;
use contracts::money::Rates;

#[derive(Args, Clone)]
pub(crate) struct RatesArgs {
    /// Rates into the base currency, as lines of `date,currency,rate`; without it the built-in ones into EUR, which are invented,
    /// and none into another base.
    #[arg(long, env = "STOREPULSE_RATES", value_name = "FILE")]
    rates: Option<PathBuf>,
    /// What amounts are converted into; fixed by the first event of a database.
    #[arg(long, env = "STOREPULSE_BASE_CURRENCY", default_value = "EUR", value_name = "ISO 4217")]
    base_currency: Currency,
}

/// What to do about amounts that no rate was found for.
pub(crate) fn without_rate(base: Currency) -> String {
    format!(
        "amounts are converted into {base}, and there is no rate for these: hand in rates of the time, as lines of \
         `date,currency,rate`, with --rates FILE; or count in the shop's own currency with --base-currency, which the first \
         event of a database fixes"
    )
}

impl RatesArgs {
    pub(crate) fn load(&self) -> anyhow::Result<Rates> {
        Ok(ingest::rates::load(self.base_currency, self.rates.as_deref())?)
    }
}
