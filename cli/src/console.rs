//! `storepulse console`.

pub(crate) mod accounts;
mod password;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use ::console::Config;
use ::console::accounts::{Role, link};
use anyhow::Context;
use clap::{Args, Subcommand};
use contracts::secret::Address;

use crate::rates::RatesArgs;
use crate::{connect, interrupt};
use accounts::{KeyCommand, LinkArgs, UserCommand, own_name};

const EXAMPLES: &str = "\
Examples:
  storepulse console                       serve http://127.0.0.1:56090, and print a sign-in link
  storepulse console link                  print another link, valid once within ten minutes
  storepulse console user add ana          add a viewer with a password
  storepulse console key add notebook      make a key for a program that reads /api/v1
  storepulse console --alerts alerts.toml  send alerts to the targets in the file";
/// How long PostgreSQL may take to make a link; the page is served without one, too.
const LINK: Duration = Duration::from_secs(3);

#[derive(Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct ConsoleArgs {
    #[command(subcommand)]
    command: Option<ConsoleCommand>,
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Subcommand)]
enum ConsoleCommand {
    /// Manage the users who may sign in.
    #[command(subcommand)]
    User(UserCommand),
    /// Manage the keys of programs that read the API.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Print a link that signs a user in once, within ten minutes.
    Link(LinkArgs),
}

#[derive(Args)]
struct ServeArgs {
    /// The address to listen on.
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:56090",
        env = "STOREPULSE_CONSOLE_LISTEN"
    )]
    listen: SocketAddr,
    /// The collector whose state is shown, for example http://127.0.0.1:56080. By default no collector is
    /// asked.
    #[arg(long, value_name = "URL", env = "STOREPULSE_COLLECTOR_URL", hide_env_values = true)]
    collector: Option<Address>,
    /// The address that browsers use, for example `https://shop.example`, if it differs from the address that
    /// the console listens on.
    #[arg(long, value_name = "URL", env = "STOREPULSE_CONSOLE_PUBLIC_URL", hide_env_values = true, value_parser = public_url)]
    public_url: Option<String>,
    /// A further host name to accept, besides localhost and its addresses. The option may be repeated.
    #[arg(long = "host", value_name = "NAME", env = "STOREPULSE_CONSOLE_HOSTS", value_delimiter = ',')]
    hosts: Vec<String>,
    /// The time zone of days and clock times, for example Europe/Zurich. A viewer may choose another.
    #[arg(long, value_name = "ZONE", default_value = "UTC", env = "STOREPULSE_TIME_ZONE")]
    time_zone: chrono_tz::Tz,
    #[command(flatten)]
    rates: RatesArgs,
    /// Do not print a sign-in link for an operator. Use this option if the output is kept where others can
    /// read it.
    #[arg(long)]
    no_link: bool,
    #[command(flatten)]
    alerts: crate::alerts::FileArgs,
    /// Evaluate alerts, but send none. Use this option if Prometheus and Alertmanager send them.
    #[arg(long)]
    no_deliver: bool,
}

/// Where browsers find the console: scheme and host, and nothing after them. Empty is none: containers cannot
/// leave a variable out.
fn public_url(text: &str) -> Result<String, String> {
    let url = text.trim_end_matches('/');
    if url.is_empty() {
        return Ok(String::new());
    }
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    match host {
        Some(host) if !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ']) => Ok(url.to_owned()),
        _ => Err("use https:// and a host, with a port where it is not 443".to_owned()),
    }
}

pub(crate) async fn run(args: ConsoleArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        None => serve(args.serve).await,
        Some(ConsoleCommand::User(command)) => accounts::user(command).await,
        Some(ConsoleCommand::Key(command)) => accounts::key(command).await,
        Some(ConsoleCommand::Link(args)) => accounts::print_link(args).await,
    }
}

async fn serve(args: ServeArgs) -> anyhow::Result<ExitCode> {
    let stop = interrupt::token()?;
    let endpoints = connect::endpoints()?;
    let pg_url = endpoints.pg_url.clone();
    let public_url = args.public_url.filter(|url| !url.is_empty());
    let alerts = args.alerts.settings()?;
    let config = Config {
        endpoints,
        listen: args.listen,
        collector_url: args.collector,
        public_url: public_url.clone(),
        hosts: args.hosts,
        rates: args.rates.load()?,
        time_zone: args.time_zone,
        alerts: if args.no_deliver { alerts.without_targets() } else { alerts },
    };
    let serving = ::console::serve(config, stop).await?;
    let url = public_url.unwrap_or_else(|| url_of(serving.address));
    println!("console on {url}");
    if !args.no_link {
        match operators_link(&pg_url).await {
            Ok(path) => println!("sign in once, within ten minutes: {url}{path}"),
            Err(error) => eprintln!("no link: {error:#}; `storepulse console link` prints one later"),
        }
    }
    serving.run().await?;
    Ok(ExitCode::SUCCESS)
}

/// Where a browser of this machine finds what listens on an address.
fn url_of(address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        format!("http://127.0.0.1:{}", address.port())
    } else {
        format!("http://{address}")
    }
}

/// Where the console of a stack is, with a link that lets whoever started it in, as far as one can be made.
pub(crate) async fn invitation(page: &str, pg_url: &str) -> String {
    match operators_link(pg_url).await {
        Ok(path) => format!("console: open {page}{path} within ten minutes"),
        Err(error) => {
            tracing::info!(error = &*error, "no link could be made");
            format!("console: {page}; after `storepulse setup`, `storepulse console link` lets you in")
        }
    }
}

/// A path that lets whoever runs the command in once, as an operator: who can read the stack's secrets is
/// one.
async fn operators_link(pg_url: &str) -> anyhow::Result<String> {
    let made = async {
        let mut client = provision::connect(pg_url).await?;
        anyhow::Ok(link(&mut client, &own_name(), Some(Role::Operator)).await?)
    };
    tokio::time::timeout(LINK, made).await.context("postgresql does not answer")?
}

#[cfg(test)]
mod tests {
    use clap::{Command, FromArgMatches};

    use super::*;

    fn parsed(words: &[&str]) -> Result<ConsoleArgs, clap::Error> {
        let command = ConsoleArgs::augment_args(Command::new("console"));
        let matches = command.try_get_matches_from([&["console"], words].concat())?;
        ConsoleArgs::from_arg_matches(&matches)
    }

    #[test]
    fn without_a_command_it_serves() {
        let args = parsed(&["--listen", "127.0.0.1:0", "--host", "a", "--host", "b"]).unwrap();
        assert!(args.command.is_none());
        assert_eq!(args.serve.hosts, ["a", "b"]);
        assert!(matches!(
            parsed(&["user", "add", "ana"]).unwrap().command,
            Some(ConsoleCommand::User(UserCommand::Add(_)))
        ));
        assert!(parsed(&["--no-link", "link"]).is_err());
    }

    #[test]
    fn a_public_url_is_a_scheme_and_a_host() {
        assert_eq!(public_url("https://shop.example:8443/").unwrap(), "https://shop.example:8443");
        for wrong in
            ["shop.example", "https://", "ftp://shop.example", "https://shop.example/pulse", "https://a@b"]
        {
            assert!(public_url(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_browser_finds_what_listens_everywhere_on_the_loopback() {
        assert_eq!(url_of("0.0.0.0:56090".parse().unwrap()), "http://127.0.0.1:56090");
        assert_eq!(url_of("127.0.0.1:7".parse().unwrap()), "http://127.0.0.1:7");
        assert_eq!(url_of("[::1]:7".parse().unwrap()), "http://[::1]:7");
    }
}
