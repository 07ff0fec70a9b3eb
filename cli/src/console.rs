//! `storepulse console`.

use std::net::SocketAddr;
use std::process::ExitCode;

use ::console::Config;
use clap::Args;

use crate::{connect, interrupt};

const EXAMPLES: &str = "\
Examples:
  storepulse console                       serve http://127.0.0.1:56090 until Ctrl-C";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ConsoleArgs {
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:56090")]
    listen: SocketAddr,
    /// The collector to ask whether it takes events, as http://127.0.0.1:56080; none without.
    #[arg(long, value_name = "URL", env = "STOREPULSE_COLLECTOR_URL", hide_env_values = true)]
    collector: Option<String>,
    /// Where browsers find it when that is not where it listens, as https://shop.example.
    #[arg(long, value_name = "URL", env = "STOREPULSE_CONSOLE_PUBLIC_URL")]
    public_url: Option<String>,
    /// A host name to answer to beside those of the loopback; may be repeated.
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,
    /// The time zone of days and clock times where a viewer has chosen none, as Europe/Zurich.
    #[arg(long, value_name = "ZONE", default_value = "UTC", env = "STOREPULSE_TIME_ZONE")]
    time_zone: chrono_tz::Tz,
}

pub(crate) async fn run(args: ConsoleArgs) -> anyhow::Result<ExitCode> {
    let stop = interrupt::token()?;
    let config = Config {
        endpoints: connect::endpoints()?,
        listen: args.listen,
        collector_url: args.collector,
        public_url: args.public_url,
        hosts: args.hosts,
        time_zone: args.time_zone,
    };
    let serving = ::console::serve(config, stop).await?;
    println!("console on http://{}", serving.address);
    serving.run().await?;
    Ok(ExitCode::SUCCESS)
}
