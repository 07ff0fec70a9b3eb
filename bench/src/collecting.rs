//! The collector, which acknowledges what is committed, against the store alone with the same events ready in
//! memory.
//!
//! Clients, collector and PostgreSQL share the machine, so that a figure includes what the clients take.
//! Events are the simulator's, made before the clock starts; every one must be accepted, and be in the table
//! at the end. Segment's batches tell the same events as its SDKs do, without what these leave open.

mod segment;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, ensure};
use collector::place::Country;
use collector::proto::collector_client::CollectorClient;
use collector::proto::{CollectRequest, Event as Message, Outcome};
use collector::{CollectorConfig, Keys, Limits, keys};
use contracts::Event;
use contracts::migrations::MIGRATIONS;
use contracts::validation::{Draft, accept};
use futures::StreamExt;
use futures::stream::{self, TryStreamExt};
use ingest::clock::Clock;
use ingest::source::draft;
use ingest::source::simulator::{
    Courier, CourierError, Delivered, Dial, Limit, Pace, Progress, Rhythm, RunConfig, run_through,
};
use ingest::store::{Appended, Store};
use stack::{Service, Silent, Stack};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::Request;
use tonic::transport::Channel;

use crate::accounting::{Account, Taken, medians};
use crate::report::Report;

/// Events of a request.
const BATCH: usize = 1_000;
/// Requests at a time.
const CLIENTS: usize = 8;

/// Events a second of one run.
struct Measured {
    unary: f64,
    streamed: f64,
    http: f64,
    segment: f64,
    store: f64,
    /// What the unary calls took of the machine.
    taken: Vec<Taken>,
}

pub(crate) async fn run(events: u64, runs: usize) -> anyhow::Result<()> {
    ensure!(runs > 0 && events > 0, "at least one run of one event is needed");
    // All that a collector needs; its own, so that nothing else reads the log meanwhile.
    let postgres = stack::isolated(&[Service::Postgres], Arc::new(Silent)).await?;
    let url = postgres.variable("PG_URL")?.context("the stack has no PostgreSQL")?;
    let all = measure(&postgres, &url, events, runs).await?;
    let mut report = Report::new("collector", postgres.services())?;
    println!("{events} events a run in requests of {BATCH}, {CLIENTS} at a time, {runs} runs");
    let figures = |of: fn(&Measured) -> f64| all.iter().map(of).collect::<Vec<_>>();
    let ours = report.runs("collector over grpc, unary", "events/s", &mut figures(|run| run.unary));
    report.runs("collector over grpc, one stream a client", "events/s", &mut figures(|run| run.streamed));
    report.runs("collector over http, json", "events/s", &mut figures(|run| run.http));
    let limit = format!(">= {}", segment::LIMIT_PER_S);
    let mut of_segment = figures(|run| run.segment);
    report.runs_within("collector over http, Segment's batches", "events/s", &mut of_segment, &limit);
    let peer = report.runs("store alone, commits of 10,000", "events/s", &mut figures(|run| run.store));
    report.once("ratio, unary", ours / peer, "", "");
    report.parts("collector over grpc, unary", medians(all.iter().map(|run| run.taken.as_slice())));
    report.end()
}

async fn measure(stack: &Stack, url: &str, events: u64, runs: usize) -> anyhow::Result<Vec<Measured>> {
    let looking = provision::connect(url).await?;
    for migration in MIGRATIONS {
        looking.batch_execute(migration.sql).await?;
    }
    let made = keys::new_key("bench", None)?;
    let free = SocketAddr::from(([127, 0, 0, 1], 0));
    let running = collector::start(CollectorConfig {
        pg_url: url.into(),
        http: free,
        grpc: free,
        keys: Keys::parse(&made.line)?,
        key_file: None,
        hooks: collector::Hooks::default(),
        rates: ingest::rates::built_in(),
        country: Country::default(),
        clock: Clock::wall(),
        limits: Limits::default(),
    })
    .await?;
    let target = Target { http: running.http, grpc: running.grpc, key: made.key };
    let cancel = CancellationToken::new();
    let stopped = cancel.clone();
    let serving = tokio::spawn(async move { running.until(&stopped).await });
    let mut all = Vec::with_capacity(runs);
    for run in 0..runs {
        let drafts = drafts(events, run as u64 + 1).await?;
        // Each side begins with an empty table, and each event is counted there.
        let emptied =
            async || looking.batch_execute(crate::EMPTY).await.context("the table cannot be emptied");
        let stored = async || {
            let row = looking.query_one("select count(*) from raw.events", &[]).await?;
            let stored: i64 = row.get(0);
            ensure!(u64::try_from(stored)? == events, "{stored} of {events} events are stored");
            Ok(())
        };
        emptied().await?;
        let account = Account::new()
            .with_service(stack, Service::Postgres)
            .with("collector and its clients", std::process::id());
        let unary = target.unary(&drafts).await?;
        let taken = account.taken(events as f64);
        stored().await?;
        emptied().await?;
        let streamed = target.streamed(&drafts).await?;
        stored().await?;
        emptied().await?;
        let http = target.http(&drafts).await?;
        stored().await?;
        emptied().await?;
        looking.batch_execute(segment::FORGET).await?;
        let segment = target.segment(&drafts).await?;
        segment::are_stored(&looking, events).await?;
        looking.batch_execute(segment::FORGET).await?;
        emptied().await?;
        let store = alone(url, drafts).await?;
        stored().await?;
        all.push(Measured { unary, streamed, http, segment, store, taken });
    }
    cancel.cancel();
    serving.await??;
    Ok(all)
}

/// Keeps what the simulator makes.
#[derive(Default)]
struct Keep(Vec<Draft>);

impl Courier for Keep {
    async fn deliver(&mut self, records: Vec<Draft>) -> Result<Delivered, CourierError> {
        let committed = records.len() as u64;
        self.0.extend(records);
        Ok(Delivered { appended: Appended { committed, repeated: 0, refused: 0 }, quarantined: 0 })
    }
}

async fn drafts(events: u64, seed: u64) -> anyhow::Result<Vec<Draft>> {
    let config = RunConfig {
        seed,
        events_per_s: 1_000_000.0,
        pace: Pace::OpenLoop { speed: 1.0 },
        limit: Limit::Records(events),
        rhythm: Rhythm::Flat,
        dial: Dial::default(),
    };
    let mut kept = Keep::default();
    let (progress, _) = watch::channel(Progress::default());
    let (rates, cancel) = (ingest::rates::built_in(), CancellationToken::new());
    run_through(&config, rates, &mut kept, &crate::ingestion::users()?, &cancel, &progress).await?;
    Ok(kept.0)
}

/// Where the collector is.
struct Target {
    http: SocketAddr,
    grpc: SocketAddr,
    key: String,
}

impl Target {
    /// Each client on a connection of its own, as shops' servers are.
    async fn client(&self) -> anyhow::Result<CollectorClient<Channel>> {
        Ok(CollectorClient::connect(format!("http://{}", self.grpc)).await?)
    }

    fn with_key<T>(&self, message: T) -> anyhow::Result<Request<T>> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", format!("Bearer {}", self.key).parse()?);
        Ok(request)
    }

    async fn unary(&self, drafts: &[Draft]) -> anyhow::Result<f64> {
        let mut clients = Vec::new();
        for share in shares(messages(drafts)) {
            clients.push((self.client().await?, share));
        }
        let began = Instant::now();
        let sending = clients.into_iter().map(|(mut client, share)| async move {
            for message in share {
                let sent = message.events.len();
                let response = client.collect(self.with_key(message)?).await?;
                all_accepted(&response.into_inner().verdicts, sent)?;
            }
            anyhow::Ok(())
        });
        futures::future::try_join_all(sending).await?;
        Ok(drafts.len() as f64 / began.elapsed().as_secs_f64())
    }

    async fn streamed(&self, drafts: &[Draft]) -> anyhow::Result<f64> {
        let mut clients = Vec::new();
        for share in shares(messages(drafts)) {
            clients.push((self.client().await?, share));
        }
        let began = Instant::now();
        let sending = clients.into_iter().map(|(mut client, share)| async move {
            let batches = share.len();
            let answers = client.collect_stream(self.with_key(stream::iter(share))?).await?.into_inner();
            let answers: Vec<_> = answers.try_collect().await?;
            ensure!(answers.len() == batches, "{} of {batches} batches are answered", answers.len());
            answers.iter().try_for_each(|answer| all_accepted(&answer.verdicts, answer.verdicts.len()))
        });
        futures::future::try_join_all(sending).await?;
        Ok(drafts.len() as f64 / began.elapsed().as_secs_f64())
    }

    async fn http(&self, drafts: &[Draft]) -> anyhow::Result<f64> {
        // Asked for by reqwest, although nothing here speaks TLS; the second one that installs it is refused.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::new();
        let url = format!("http://{}/v1/events", self.http);
        let bodies: Vec<(usize, String)> = drafts.chunks(BATCH).map(body).collect::<anyhow::Result<_>>()?;
        let began = Instant::now();
        stream::iter(bodies)
            .map(|(sent, body)| {
                let request = client.post(&url).bearer_auth(&self.key);
                let request = request.header("content-type", "application/json").body(body);
                async move {
                    let answer: serde_json::Value = request.send().await?.error_for_status()?.json().await?;
                    ensure!(
                        answer["accepted"] == sent,
                        "{} of {sent} events are accepted",
                        answer["accepted"]
                    );
                    Ok(())
                }
            })
            .buffer_unordered(CLIENTS)
            .try_collect::<()>()
            .await?;
        Ok(drafts.len() as f64 / began.elapsed().as_secs_f64())
    }
}

fn messages(drafts: &[Draft]) -> Vec<CollectRequest> {
    let message = |batch: &[Draft]| batch.iter().map(Message::from).collect::<CollectRequest>();
    drafts.chunks(BATCH).map(message).collect()
}

fn body(batch: &[Draft]) -> anyhow::Result<(usize, String)> {
    let events: Vec<String> = batch
        .iter()
        .map(|draft| Ok(String::from_utf8(draft::write(draft))?))
        .collect::<anyhow::Result<_>>()?;
    Ok((batch.len(), format!("{{\"events\":[{}]}}", events.join(","))))
}

/// What each client sends: every so manieth request.
fn shares(messages: Vec<CollectRequest>) -> Vec<Vec<CollectRequest>> {
    let mut shares: Vec<Vec<CollectRequest>> = (0..CLIENTS).map(|_| Vec::new()).collect();
    for (index, message) in messages.into_iter().enumerate() {
        shares[index % CLIENTS].push(message);
    }
    shares
}

fn all_accepted(verdicts: &[collector::proto::Verdict], sent: usize) -> anyhow::Result<()> {
    let accepted = verdicts.iter().filter(|verdict| verdict.outcome() == Outcome::Accepted).count();
    ensure!(accepted == sent, "{accepted} of {sent} events are accepted");
    Ok(())
}

/// The same events judged ahead and committed, which is what the collector cannot be faster than.
async fn alone(url: &str, drafts: Vec<Draft>) -> anyhow::Result<f64> {
    let (rates, now) = (ingest::rates::built_in(), Clock::wall().now());
    let events: Vec<Event> = drafts
        .into_iter()
        .map(|draft| Ok(accept(draft, "bench", now, &rates)?.event))
        .collect::<anyhow::Result<_>>()?;
    let mut store = Store::connect(url).await?;
    let began = Instant::now();
    store.append(&events).await?;
    Ok(events.len() as f64 / began.elapsed().as_secs_f64())
}
