//! The collector under attack: what an honest sender notices while another key tries whatever it can.
//!
//! A quiet minute comes first, then the attacks: bombs (gzip over HTTP and gRPC, arrays of nothing), all the
//! streams that may be open with nothing on them, calls whose bodies do not come, all the connections that
//! may be open, events of megabytes, and rejected events that would write to a terminal. The honest sender
//! sends in an open loop: a request is late from when it was due. Collector, PostgreSQL and both senders
//! share the machine, so that a part of what is noticed is the processor.

use std::io::Write;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use clap::Args;
use collector::keys::{NewKey, new_key};
use collector::proto::collector_client::CollectorClient;
use collector::proto::{CollectRequest, Event as Message, Outcome};
use contracts::endpoints::variable;
use contracts::ids;
use contracts::migrations::MIGRATIONS;
use stack::{Service, Silent};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tonic::Request;
use tonic::codec::CompressionEncoding;
use uuid::Uuid;

use crate::accounting::Account;
use crate::percentile;
use crate::processes::{memory_mib, storepulse};
use crate::report::Report;

/// Requests a second of the honest sender, and events of each.
const REQUESTS_PER_S: u64 = 20;
const BATCH: usize = 10;
/// How large bodies are that are to hurt: as large as may be.
const LARGE_BYTES: usize = 7_900_000;
/// Streams and connections that are tried for at a time.
const GREED: usize = 500;
/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(60);

#[derive(Args, Clone, Copy)]
pub(crate) struct Options {
    /// Seconds without attacks, to compare with.
    #[arg(long, default_value_t = 60)]
    quiet_s: u64,
    /// Seconds of attacks.
    #[arg(long, default_value_t = 300)]
    attack_s: u64,
    /// Milliseconds between two attempts of each kind.
    #[arg(long, default_value_t = 1_000)]
    every_ms: u64,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    // Asked for by reqwest, although nothing here speaks TLS; the second one that installs it is refused.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let postgres = stack::isolated(&[Service::Postgres], Arc::new(Silent)).await?;
    let url = postgres.variable("PG_URL")?.context("the stack has no PostgreSQL")?;
    let looking = provision::connect(&url).await?;
    for migration in MIGRATIONS {
        looking.batch_execute(migration.sql).await?;
    }
    let (honest, attacker) = (new_key("honest", None)?, new_key("attacker", None)?);
    let collector = Collector::start(&url, &[&honest, &attacker]).await?;

    let mut report = Report::new("attack", postgres.services())?;
    let account = || {
        let account = Account::new().with_service(&postgres, Service::Postgres);
        anyhow::Ok(account.with("collector", collector.pid()?))
    };
    let quiet_account = account()?;
    let quiet = collector.honest(&honest, Duration::from_secs(options.quiet_s)).await?;
    let quiet_p99_ms = quiet.tell("without attack", &mut report);
    report.parts("without attack", quiet_account.taken(quiet.acknowledged.len() as f64));
    report.once("largest memory, without attack", memory_mib(collector.pid()?, "VmHWM")?, "MiB", "");
    let attempts = Arc::new(Attempts::default());
    let deadline = Instant::now() + Duration::from_secs(options.attack_s);
    let attacks = collector.attack(&attacker, deadline, options, &attempts)?;
    let attacked_account = account()?;
    let attacked = collector.honest(&honest, Duration::from_secs(options.attack_s)).await?;
    let attacked_p99_ms = attacked.tell("under attack", &mut report);
    report
        .parts("under attack, per honest event", attacked_account.taken(attacked.acknowledged.len() as f64));
    drop(attacks);
    println!("{attempts:?}");
    report.once("largest memory, under attack", memory_mib(collector.pid()?, "VmHWM")?, "MiB", "< 128");
    report.once("ratio, p99 under attack to without", attacked_p99_ms / quiet_p99_ms, "", "< 2");

    let acknowledged: Vec<Uuid> = quiet.acknowledged.iter().chain(&attacked.acknowledged).copied().collect();
    let stored = "select count(*) from raw.events where event_id = any($1)";
    let stored: i64 = looking.query_one(stored, &[&acknowledged]).await?.get(0);
    let lost = acknowledged.len() as i64 - stored;
    report.once("acknowledged", acknowledged.len() as f64, "events", "");
    report.once("acknowledged and lost", lost as f64, "events", "0");
    report.end()?;
    ensure!(lost == 0, "{lost} acknowledged events are lost");
    Ok(())
}

/// What the honest sender noticed.
#[derive(Default)]
struct Noticed {
    latencies_ms: Vec<f64>,
    acknowledged: Vec<Uuid>,
    refused: u64,
}

impl Noticed {
    /// Reports it, and returns the latencies' p99 in ms.
    fn tell(&self, when: &str, report: &mut Report) -> f64 {
        let mut latencies_ms = self.latencies_ms.clone();
        let [p50, p99, longest] = [50, 99, 100].map(|percent| percentile(&mut latencies_ms, percent));
        for (what, latency_ms) in [("p50", p50), ("p99", p99), ("longest", longest)] {
            report.once(&format!("an honest request {when}, {what}"), latency_ms, "ms", "");
        }
        report.once(&format!("honest requests answered {when}"), latencies_ms.len() as f64, "requests", "");
        report.once(&format!("honest requests refused {when}"), self.refused as f64, "requests", "");
        p99
    }
}

/// How often each attack was tried.
#[derive(Debug, Default)]
struct Attempts {
    http_bombs: AtomicU64,
    grpc_bombs: AtomicU64,
    idle_streams: AtomicU64,
    bodies_that_do_not_come: AtomicU64,
    idle_connections: AtomicU64,
    huge_events: AtomicU64,
    rude_events: AtomicU64,
}

/// Which of them is counted.
type Counter = fn(&Attempts) -> &AtomicU64;

/// A `storepulse collect` of its own, killed with this value.
struct Collector {
    child: Child,
    http: String,
    grpc: String,
    _keys: tempfile::NamedTempFile,
}

impl Collector {
    async fn start(pg_url: &str, keys: &[&NewKey]) -> anyhow::Result<Self> {
        let mut file = tempfile::NamedTempFile::new()?;
        for key in keys {
            writeln!(file, "{}", key.line)?;
        }
        let mut child = Command::new(storepulse()?)
            .args(["collect", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--keys"])
            .arg(file.path())
            .env(variable::PG_URL, pg_url)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("the collector has no output")?).lines();
        let line = timeout(ATTEMPT, lines.next_line()).await??.context("the collector ended")?;
        let (http, grpc) = line
            .strip_prefix("collecting on ")
            .and_then(|addresses| addresses.split_once(" and grpc://"))
            .with_context(|| format!("the collector says {line}"))?;
        Ok(Self { http: http.to_owned(), grpc: format!("http://{grpc}"), child, _keys: file })
    }

    fn pid(&self) -> anyhow::Result<u32> {
        self.child.id().context("the collector has ended")
    }

    /// Sends at its rate for so long.
    async fn honest(&self, key: &NewKey, length: Duration) -> anyhow::Result<Noticed> {
        let client = CollectorClient::connect(self.grpc.clone()).await?;
        let mut due = interval(Duration::from_micros(1_000_000 / REQUESTS_PER_S));
        due.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut requests = JoinSet::new();
        for _ in 0..length.as_secs() * REQUESTS_PER_S {
            let at = due.tick().await;
            let (mut client, request) = (client.clone(), with_key(key, batch())?);
            requests.spawn(async move {
                let answer = client.collect(request).await?.into_inner();
                anyhow::Ok((at.elapsed(), answer))
            });
        }
        let mut noticed = Noticed::default();
        while let Some(answered) = requests.join_next().await {
            let Ok((latency, answer)) = answered? else {
                noticed.refused += 1;
                continue;
            };
            noticed.latencies_ms.push(latency.as_secs_f64() * 1_000.0);
            for verdict in answer.verdicts {
                ensure!(verdict.outcome() == Outcome::Accepted, "an honest event is not accepted");
                noticed.acknowledged.push(verdict.event_id.unwrap_or_default().parse()?);
            }
        }
        Ok(noticed)
    }

    /// Begins all attacks, which end with what is returned.
    fn attack(
        &self,
        key: &NewKey,
        deadline: Instant,
        options: Options,
        attempts: &Arc<Attempts>,
    ) -> anyhow::Result<JoinSet<()>> {
        let mut attacks = JoinSet::new();
        let every = Duration::from_millis(options.every_ms);
        let zeros = format!("{{\"events\":[{}0]}}", "0,".repeat(LARGE_BYTES / 2)).into_bytes();
        let packed = gzip(&zeros)?;
        let huge = format!("{{\"events\":[{{\"city\":\"{}\"}}]}}", "x".repeat(LARGE_BYTES)).into_bytes();
        let rude = r#"{"age":"\u001b]0;owned\u0007\u001b[2J\u202e"}"#;
        let rude = format!("{{\"events\":[{}]}}", [rude; 2_000].join(",")).into_bytes();
        let posts: [(Vec<u8>, bool, Counter); 4] = [
            (packed, true, |attempts| &attempts.http_bombs),
            (zeros, false, |attempts| &attempts.http_bombs),
            (huge, false, |attempts| &attempts.huge_events),
            (rude, false, |attempts| &attempts.rude_events),
        ];
        for (body, is_packed, counter) in posts {
            let (client, body) = (reqwest::Client::new(), Bytes::from(body));
            let (url, key, attempts) =
                (format!("{}/v1/events", self.http), key.key.clone(), Arc::clone(attempts));
            attacks.spawn(repeat(deadline, every, move || {
                counter(&attempts).fetch_add(1, Ordering::Relaxed);
                let request = client.post(&url).bearer_auth(&key).header("content-type", "application/json");
                let request = if is_packed { request.header("content-encoding", "gzip") } else { request };
                let request = request.body(body.clone());
                async move {
                    let _ = request.send().await;
                }
            }));
        }
        attacks.spawn(repeat(deadline, every, {
            let (grpc, key, attempts) = (self.grpc.clone(), key.clone(), Arc::clone(attempts));
            let nothing: CollectRequest = (0..LARGE_BYTES / 2).map(|_| Message::default()).collect();
            move || {
                attempts.grpc_bombs.fetch_add(1, Ordering::Relaxed);
                let (grpc, request) = (grpc.clone(), with_key(&key, nothing.clone()));
                async move {
                    if let (Ok(client), Ok(request)) = (CollectorClient::connect(grpc).await, request) {
                        let _ = client.send_compressed(CompressionEncoding::Gzip).collect(request).await;
                    }
                }
            }
        }));
        for _ in 0..GREED {
            attacks.spawn(repeat(deadline, every, {
                let (grpc, key, attempts) = (self.grpc.clone(), key.clone(), Arc::clone(attempts));
                move || {
                    attempts.idle_streams.fetch_add(1, Ordering::Relaxed);
                    let (grpc, key) = (grpc.clone(), key.clone());
                    async move { drop(hold_stream(grpc, &key).await) }
                }
            }));
        }
        let head = format!(
            "POST /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
             content-length: {LARGE_BYTES}\r\n\r\n{{",
            key.key
        );
        let address = self.http.trim_start_matches("http://").to_owned();
        let counters: [(String, usize, Counter); 2] = [
            (head, 64, |attempts| &attempts.bodies_that_do_not_come),
            (String::new(), GREED, |attempts| &attempts.idle_connections),
        ];
        for (text, times, counter) in counters {
            for _ in 0..times {
                let (address, text, attempts) = (address.clone(), text.clone(), Arc::clone(attempts));
                attacks.spawn(repeat(deadline, every, move || {
                    counter(&attempts).fetch_add(1, Ordering::Relaxed);
                    let (address, text) = (address.clone(), text.clone());
                    async move { drop(hold_connection(&address, &text).await) }
                }));
            }
        }
        Ok(attacks)
    }
}

/// Tries again and again: an attempt, then the pause.
async fn repeat<F: Future<Output = ()>>(deadline: Instant, every: Duration, attempt: impl Fn() -> F) {
    while Instant::now() < deadline {
        let pause = Instant::now() + every;
        let _ = timeout(ATTEMPT, attempt()).await;
        sleep_until(pause).await;
    }
}

/// Opens a stream, and sends nothing until it is ended.
async fn hold_stream(grpc: String, key: &NewKey) -> anyhow::Result<()> {
    let silent = futures::stream::pending::<CollectRequest>();
    let mut client = CollectorClient::connect(grpc).await?;
    let mut answers = client.collect_stream(with_key(key, silent)?).await?.into_inner();
    answers.message().await?;
    Ok(())
}

/// Sends so much, and waits until the other side ends the connection.
async fn hold_connection(address: &str, text: &str) -> anyhow::Result<()> {
    let mut connection = TcpStream::connect(address).await?;
    connection.write_all(text.as_bytes()).await?;
    // Whatever is answered, or nothing.
    let _answered = connection.read(&mut [0; 64]).await?;
    Ok(())
}

fn with_key<T>(key: &NewKey, message: T) -> anyhow::Result<Request<T>> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {}", key.key).parse()?);
    Ok(request)
}

fn batch() -> CollectRequest {
    (0..BATCH).map(|_| event()).collect()
}

fn event() -> Message {
    let at = chrono::Utc::now();
    let text = |text: &str| Some(text.to_owned());
    Message {
        event_id: Some(ids::v7(at, rand_bits()).to_string()),
        event_name: text("view_item_list"),
        occurred_at: Some(at.to_rfc3339()),
        user_id: text("6d0ac2ce-2d3b-4d5c-a1a0-5e5d2c9d7e11"),
        gender: text("female"),
        age: Some(33),
        country: text("CH"),
        city: text("Bern"),
        latitude: Some(46.9),
        longitude: Some(7.4),
        session_id: text("6d0ac2ce-2d3b-4d5c-a1a0-5e5d2c9d7e12"),
        session_started_at: Some(at.to_rfc3339()),
        returning: Some(false),
        device: text("mobile"),
        channel: text("direct"),
        ..Message::default()
    }
}

fn rand_bits() -> [u8; 10] {
    let mut bits = [0; 10];
    bits.copy_from_slice(&Uuid::now_v7().as_bytes()[6..]);
    bits
}

fn gzip(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(bytes)?;
    Ok(packed.finish()?)
}
