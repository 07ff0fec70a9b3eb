//! Simulating and copying, against what `psql` copies when the rows lie ready in a file.

use std::time::Instant;

use anyhow::{Context, ensure};
use contracts::Event;
use contracts::migrations::MIGRATIONS;
use contracts::vocabulary::Gender;
use contracts::{User, user::coarse_degrees};
use ingest::source::simulator::measure_throughput;
use ingest::store::Store;
use stack::{Service, Stack};
use tokio::process::Command;

use crate::accounting::{Account, Taken, medians};
use crate::report::Report;
use crate::{Warm, libpq};

/// How many shoppers the simulated events come from.
const USERS: u128 = 2_000;

/// What all runs came to.
#[derive(Default)]
struct Measured {
    /// Events a second of each run.
    ours: Vec<f64>,
    /// Rows a second of each run.
    peer: Vec<f64>,
    row_bytes: f64,
    /// What our side of each run took of the machine.
    taken: Vec<Vec<Taken>>,
}

pub(crate) async fn run(warm: &Warm, events: u64, runs: usize) -> anyhow::Result<()> {
    ensure!(runs > 0 && events > 0, "at least one run of one event is needed");
    let pg_url = &warm.endpoints.pg_url;
    let name = format!("bench_{}", std::process::id());
    let url = provision::create_database(pg_url, &name).await?;
    let measured = measure(&warm.stack, &url, events, runs).await;
    let psql = psql(pg_url, &format!("drop database {name} with (force)")).await;
    let mut all = measured?;
    psql?;
    let mut report = Report::new("ingestion", [Service::Postgres])?;
    println!("{events} events a run, {runs} runs, {:.0} bytes a row as binary COPY", all.row_bytes);
    let ours = report.runs("simulate and copy into raw.events", "events/s", &mut all.ours);
    let peer = report.runs("psql \\copy of the same rows, binary, keyed", "rows/s", &mut all.peer);
    report.once("ratio", ours / peer, "", "");
    report.parts("simulate and copy", medians(all.taken.iter().map(Vec::as_slice)));
    report.end()
}

async fn measure(stack: &Stack, url: &str, events: u64, runs: usize) -> anyhow::Result<Measured> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("events.copy");
    for migration in MIGRATIONS {
        psql(url, migration.sql).await?;
    }
    let users = users()?;
    let mut all = Measured::default();
    for run in 0..runs {
        psql(url, crate::EMPTY).await?;
        let mut store = Store::connect(url).await?;
        let account = Account::new()
            .with_service(stack, Service::Postgres)
            .with("simulator and store", std::process::id());
        all.ours.push(measure_throughput(&mut store, &users, events, run as u64 + 1).await?);
        all.taken.push(account.taken(events as f64));
        copy(url, &format!("to '{}'", file.display())).await?;
        all.row_bytes = std::fs::metadata(&file)?.len() as f64 / events as f64;
        psql(url, crate::EMPTY).await?;
        let began = Instant::now();
        copy(url, &format!("from '{}'", file.display())).await?;
        all.peer.push(events as f64 / began.elapsed().as_secs_f64());
    }
    Ok(all)
}

async fn copy(url: &str, direction: &str) -> anyhow::Result<()> {
    let columns = Event::column_list();
    let source = if direction.starts_with("to") {
        format!("(select {columns} from raw.events)")
    } else {
        format!("raw.events ({columns})")
    };
    psql(url, &format!("\\copy {source} {direction} with (format binary)")).await
}

async fn psql(url: &str, statements: &str) -> anyhow::Result<()> {
    let mut command = Command::new("psql");
    libpq::connect_by(&mut command, url)?;
    let output = command
        .args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--command", statements])
        .output()
        .await
        .context("psql cannot be run: install postgresql-client")?;
    ensure!(output.status.success(), "psql: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

/// Shoppers for the simulator; what they are like does not matter here.
pub(crate) fn users() -> anyhow::Result<Vec<User>> {
    let countries = ["DE", "FR", "GB", "US", "CH"];
    (0..USERS)
        .map(|index| {
            let age = i32::try_from(18 + index % 60)?;
            let place = usize::try_from(index)? % countries.len();
            Ok(User {
                user_id: contracts::ids::user_id(&uuid::Uuid::from_u128(index)),
                gender: if index % 2 == 0 { Gender::Female } else { Gender::Male },
                age,
                age_band: contracts::vocabulary::AgeBand::of(age),
                country: countries[place].parse()?,
                city: "Springfield".parse()?,
                latitude: coarse_degrees(47.37),
                longitude: coarse_degrees(8.54),
                registered_at: "2020-01-01T00:00:00Z".parse()?,
                ingested_at: "2026-01-01T00:00:00Z".parse()?,
            })
        })
        .collect()
}
