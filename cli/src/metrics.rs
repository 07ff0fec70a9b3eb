//! `storepulse metrics`.

use std::net::SocketAddr;
use std::process::ExitCode;

use ::console::prometheus::{Form, Scraper};
use clap::Args;
use contracts::secret::Address;

use crate::{connect, interrupt};

const EXAMPLES: &str = "\
Examples:
  storepulse metrics                       serve http://127.0.0.1:56090/metrics until Ctrl-C
  storepulse metrics --once                print the metrics once
  storepulse metrics --once | grep lag";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct MetricsArgs {
    /// The address to listen on. There is no TLS and no password. The metrics contain counts and names of
    /// topics, but no events or users.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:56090")]
    listen: SocketAddr,
    /// Print the metrics once and end.
    #[arg(long, conflicts_with = "listen")]
    once: bool,
    /// The collector whose state is shown, for example http://127.0.0.1:56080. By default no collector is
    /// asked.
    #[arg(long, value_name = "URL", env = "STOREPULSE_COLLECTOR_URL", hide_env_values = true)]
    collector: Option<Address>,
}

pub(crate) async fn run(args: MetricsArgs) -> anyhow::Result<ExitCode> {
    let scraper = Scraper::new(connect::endpoints()?, args.collector)?;
    if args.once {
        crate::say::out(scraper.scrape(Form::Text).await.trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    let stop = interrupt::token()?;
    let serving = ::console::serve_metrics(args.listen, scraper, stop).await?;
    println!("metrics on http://{}/metrics", serving.address);
    serving.run().await?;
    Ok(ExitCode::SUCCESS)
}
