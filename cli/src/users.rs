//! `storepulse users`.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use contracts::endpoints::Endpoints;
use ingest::clock::Clock;
use ingest::source::randomuser::{self, Nationality, UsersSource, UsersWanted};
use ingest::store::Store;

use crate::connect;

#[derive(Args)]
pub(crate) struct UsersArgs {
    /// How many users to fetch; at most 5,000 a call, in as many pages as it takes.
    #[arg(long, default_value_t = 2_000)]
    count: u32,
    /// Where from: api, simulated, or auto, which tries the API for 3 s.
    #[arg(long, default_value = "auto")]
    source: UsersSource,
    /// The API's seed: the same seed gives the same users.
    #[arg(long, default_value = "storepulse-1")]
    seed: String,
    /// Only these nationalities, as DE,FR.
    #[arg(long, value_delimiter = ',')]
    nat: Vec<Nationality>,
}

impl UsersArgs {
    /// So many users of any nationality.
    pub(crate) fn plain(count: u32, source: UsersSource, seed: u64) -> Self {
        Self { count, source, seed: format!("storepulse-{seed}"), nat: Vec::new() }
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
    let origin = randomuser::open(args.source, &clock).await?;
    eprintln!("  {origin}");
    let wanted = UsersWanted { count: args.count, seed: args.seed.clone(), nationalities: args.nat.clone() };
    let loaded = randomuser::load_users(&origin.client, &wanted, &mut store, &clock, |loaded| {
        eprintln!("  {} of {} fetched", loaded.fetched, wanted.count);
    })
    .await
    .context("users are incomplete; running this again continues safely")?;
    let stored = &loaded.stored;
    println!(
        "  {} users: {} new, {} updated, {} unchanged, {} set aside",
        loaded.fetched, stored.inserted, stored.updated, stored.unchanged, loaded.set_aside
    );
    Ok(())
}
