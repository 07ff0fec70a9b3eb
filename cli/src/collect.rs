//! `storepulse collect`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use collector::keys::{BROWSER_EVENTS_PER_S, new_browser_key};
use collector::place::Country;
use collector::{CollectorConfig, Hooks, KeyFile, Keys, Limits, Origin};
use ingest::clock::Clock;
use tokio::signal::unix::{SignalKind, signal};

use crate::rates::RatesArgs;
use crate::{connect, interrupt};

/// Where the keys are found when no file is named: they are digests, but whoever may send is nobody's
/// business.
const KEYS_VARIABLE: &str = "STOREPULSE_COLLECTOR_KEYS";

#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  storepulse collect key web >> keys       print the key, and append its line to the file
  storepulse collect key shop --origin https://shop.example >> keys
                                           make a key for the pages of this origin
  storepulse collect --keys keys
  storepulse collect --http 0.0.0.0:56080  for a proxy that terminates TLS; the collector has no TLS
  storepulse collect --keys keys --country-header CF-IPCountry"
)]
pub(crate) struct CollectArgs {
    #[command(subcommand)]
    command: Option<CollectCommand>,
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Subcommand)]
enum CollectCommand {
    /// Make an API key. The key goes to standard error and is shown only once. The line for the `--keys` file
    /// goes to standard output.
    Key(KeyArgs),
}

#[derive(Args)]
struct KeyArgs {
    /// The name of the key: up to 32 lower-case letters, digits, - and _.
    name: String,
    /// The number of events per second that the key may send. A key with origins may send 500 by default, any
    /// other has no limit by default.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// An origin, such as `https://shop.example` or `http://localhost:3000`. Browsers may use the key on
    /// pages of this origin. Can be given several times. A key with origins may be public. The collector
    /// refuses it from other origins, from programs, and over gRPC.
    #[arg(long, value_name = "ORIGIN")]
    origin: Vec<Origin>,
    /// The name of the shop that the key is for, as in the --webhooks file. Its order ids get the name in
    /// front, as in `shop-a/1001`. Use it if several shops send events: their order numbers may be the same.
    #[arg(long, value_name = "NAME")]
    shop: Option<String>,
}

#[derive(Args)]
struct ServeArgs {
    /// The address for HTTP.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:56080")]
    http: SocketAddr,
    /// The address for gRPC.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:56051")]
    grpc: SocketAddr,
    /// The file of API keys, one per line. Without it, the variable STOREPULSE_COLLECTOR_KEYS is read. A
    /// change of the file takes effect within two seconds, and at once on SIGHUP. A key whose line was
    /// removed is refused, and its open streams end.
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// The file of the secrets with which shop systems sign their webhooks. Each line has three words: a
    /// name, the shop system (`shopify` or `woocommerce`), and the secret. The file must be readable by its
    /// owner only. It is read when the collector starts.
    #[arg(long, value_name = "FILE")]
    webhooks: Option<PathBuf>,
    /// The maximum size of a request in bytes, before and after decompression.
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().body_bytes)]
    max_body_bytes: usize,
    /// The maximum number of events of a request, at most 10,000.
    #[arg(long, value_name = "EVENTS", default_value_t = Limits::default().request_events)]
    max_events: usize,
    /// The maximum number of simultaneous requests and streams.
    #[arg(long, value_name = "REQUESTS", default_value_t = Limits::default().requests)]
    max_requests: usize,
    #[command(flatten)]
    country: CountryArgs,
    #[command(flatten)]
    rates: RatesArgs,
}

/// How the country is found of requests whose events tell no place.
#[derive(Args)]
struct CountryArgs {
    /// The header in which your proxy tells the country of the client, as in CF-IPCountry. Use it only if the
    /// proxy removes what clients write there. An event that has a country, city, latitude or longitude keeps
    /// these values.
    #[arg(long, value_name = "HEADER")]
    country_header: Option<String>,
    /// A file of countries by IP address, in MaxMind's format, as in GeoLite2-Country.mmdb. It is read again
    /// when it changes and on SIGHUP. The address is neither stored nor logged.
    #[arg(long, value_name = "FILE")]
    country_file: Option<PathBuf>,
    /// The header that contains the client's address, for example X-Forwarded-For. Its last address outside
    /// private networks is used. Without this option, the address of the connection is used.
    #[arg(long, value_name = "HEADER", requires = "country_file")]
    address_header: Option<String>,
}

pub(crate) async fn run(args: CollectArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        Some(CollectCommand::Key(args)) => make_key(&args)?,
        None => serve(args.serve).await?,
    }
    Ok(ExitCode::SUCCESS)
}

fn make_key(args: &KeyArgs) -> anyhow::Result<()> {
    // The line names the rate that is in force, so that a later default does not change it.
    let rate = args.rate.or((!args.origin.is_empty()).then_some(BROWSER_EVENTS_PER_S));
    let mut made = new_browser_key(&args.name, rate, &args.origin)?;
    if let Some(shop) = &args.shop {
        made = made.of_shop(shop)?;
    }
    // Scripts find the key behind `told only now: `.
    eprintln!("key for {}, told only now: {}", args.name, made.key);
    println!("{}", made.line);
    Ok(())
}

async fn serve(args: ServeArgs) -> anyhow::Result<()> {
    let (keys, key_file) = keys(args.keys.as_deref())?;
    let CountryArgs { country_header, country_file, address_header } = &args.country;
    let country =
        Country::new(country_header.as_deref(), country_file.as_deref(), address_header.as_deref())?;
    let config = CollectorConfig {
        keys,
        key_file,
        hooks: args.webhooks.as_deref().map_or_else(|| Ok(Hooks::default()), Hooks::open)?,
        pg_url: connect::pg_url()?,
        http: args.http,
        grpc: args.grpc,
        rates: args.rates.load()?,
        country,
        clock: Clock::wall(),
        limits: Limits {
            body_bytes: args.max_body_bytes,
            request_events: args.max_events,
            requests: args.max_requests,
            ..Limits::default()
        },
    };
    let cancel = interrupt::token()?;
    let running = collector::start(config).await?;
    println!("collecting on http://{} and grpc://{}", running.http, running.grpc);
    running.until(&cancel).await?;
    Ok(())
}

/// The keys, and where they are followed. Without a file SIGHUP changes nothing, and says so.
fn keys(file: Option<&Path>) -> anyhow::Result<(Keys, Option<KeyFile>)> {
    let Some(path) = file else {
        let keys = Keys::parse(&std::env::var(KEYS_VARIABLE).unwrap_or_default())?;
        let mut hangups = signal(SignalKind::hangup())?;
        tokio::spawn(async move {
            while hangups.recv().await.is_some() {
                tracing::warn!(
                    "the API keys are those of {KEYS_VARIABLE}, which cannot change: use --keys FILE"
                );
            }
        });
        return Ok((keys, None));
    };
    let (keys, followed) = KeyFile::open(path)?;
    if followed.is_none() {
        tracing::warn!(
            "{} is not a file that can be read again: to revoke a key, restart the collector",
            path.display()
        );
    }
    Ok((keys, followed))
}
