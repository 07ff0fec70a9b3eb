//! The rates that money is converted with, as options of the commands that ingest.

use std::path::PathBuf;

use clap::Args;
use contracts::event::Currency;
use contracts::money::Rates;

#[derive(Args, Clone)]
pub(crate) struct RatesArgs {
    /// A file of exchange rates to the base currency. Each line is `date,currency,rate`. Without this option,
    /// invented exchange rates to EUR are used. If the base currency is not EUR and there is no file, an
    /// amount in any other currency is refused.
    #[arg(long, env = "STOREPULSE_RATES", value_name = "FILE")]
    rates: Option<PathBuf>,
    /// The base currency. All amounts are converted into it and rounded to its decimal places. It may have
    /// two at most. The first command that ingests events sets it for the database, and it cannot be changed
    /// afterwards.
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
