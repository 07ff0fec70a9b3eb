//! `storepulse users`.

use std::collections::BTreeSet;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use contracts::endpoints::Endpoints;
use contracts::secret::Address;
use ingest::clock::Clock;
use ingest::source::randomuser::{Endpoint, Nationality};
use ingest::source::users::{self, UsersSource, UsersWanted};
use ingest::store::{Store, UsersShape};
use uuid::Uuid;

use crate::connect;

#[derive(Args)]
pub(crate) struct UsersArgs {
    /// The number of users to fetch. The command fetches them in pages of at most 5,000.
    #[arg(long, default_value_t = 2_000)]
    count: u32,
    /// The source: api, simulated, or auto. The source auto tries the API for 3 s first.
    #[arg(long, default_value = "auto")]
    source: UsersSource,
    /// The seed of the API. The same seed gives the same users.
    #[arg(long, default_value = "storepulse-1")]
    seed: String,
    /// Fetch only these nationalities, for example DE,FR.
    #[arg(long, value_delimiter = ',')]
    nat: Vec<Nationality>,
    /// The address of another server of the API on this machine, for example http://127.0.0.1:8000.
    #[arg(long, value_name = "URL", env = "STOREPULSE_USERS_API", hide_env_values = true)]
    api: Option<Address>,
    /// Print JSON: the counts, and aggregates over the stored rows of these users.
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(serde::Serialize)]
struct Account<'a> {
    seed: &'a str,
    #[serde(flatten)]
    loaded: &'a users::Loaded,
    /// How many different users came, whether stored before or now.
    users: usize,
    stored_as: UsersShape,
}

impl UsersArgs {
    /// So many users of any nationality.
    pub(crate) fn plain(count: u32, source: UsersSource, seed: u64) -> Self {
        Self { count, source, seed: format!("storepulse-{seed}"), nat: Vec::new(), api: None, json: false }
    }
}

pub(crate) async fn run(args: UsersArgs) -> anyhow::Result<ExitCode> {
    fetch(&connect::endpoints()?, &args).await?;
    Ok(ExitCode::SUCCESS)
}

/// Fetches users into PostgreSQL and says where from and what became of them.
pub(crate) async fn fetch(endpoints: &Endpoints, args: &UsersArgs) -> anyhow::Result<()> {
    let clock = Clock::wall();
    let mut store = Store::connect(&endpoints.pg_url).await?;
    let api = args.api.clone().map_or(Endpoint::Public, Endpoint::Local);
    let origin = users::open_at(args.source, &api, &clock).await?;
    eprintln!("  {origin}");
    let wanted = UsersWanted { count: args.count, seed: args.seed.clone(), nationalities: args.nat.clone() };
    let mut user_ids = BTreeSet::<Uuid>::new();
    let loaded = users::load_users(&origin.client, &wanted, &mut store, &clock, |loaded, page| {
        user_ids.extend(page.users.iter().map(|record| record.user.user_id));
        eprintln!("  {} of {} fetched", loaded.fetched, wanted.count);
    })
    .await
    .context("users are incomplete; running this again continues safely")?;
    if args.json {
        let user_ids = user_ids.into_iter().collect::<Vec<_>>();
        let stored_as = store.users_shape(&user_ids).await?;
        let account = Account { seed: &args.seed, loaded: &loaded, users: user_ids.len(), stored_as };
        println!("{}", serde_json::to_string(&account)?);
        return Ok(());
    }
    let stored = &loaded.stored;
    println!(
        "  {} users: {} new, {} updated, {} unchanged, {} set aside",
        loaded.fetched, stored.inserted, stored.updated, stored.unchanged, loaded.set_aside
    );
    Ok(())
}
