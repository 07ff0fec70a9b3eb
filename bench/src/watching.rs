//! The Control Center beside a line at work: what it takes of the machine and of the stores, and how soon an
//! order is shown.
//!
//! Everything runs as processes in a namespace of its own: relay, job, simulator and console. Readers are
//! streams of the live page without a browser; what browsers take is measured by `tests/browser/measure`. The
//! limits are those of docs/console.md.

mod browser;
mod marked;

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use contracts::endpoints::Endpoints;
use stack::{CONSOLE_MEMORY, ProcessId};
use tokio_postgres::Client;

use self::browser::{Stream, Visitor, crowd};
use self::marked::Marking;
use crate::accounting::Account;
use crate::processes::{Commands, Of, drained, memory_mib, processor_time, stored};
use crate::report::Report;
use crate::scratch::in_scratch_namespace;
use crate::{Warm, percentile};

/// How long the history may take to be worked off.
const DRAINED: Duration = Duration::from_secs(600);
/// Requests of which the first byte is timed.
const PAGES: usize = 200;
/// Between two marked orders.
const APART: Duration = Duration::from_secs(3);

/// What is measured, and for how long.
#[derive(Args, Clone, Copy)]
pub(crate) struct Options {
    /// Days of history before the measurement begins.
    #[arg(long, default_value_t = 3)]
    days: u32,
    /// Events a second meanwhile.
    #[arg(long, default_value_t = 500)]
    rate: u32,
    /// Seconds for which each number of readers is measured.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Orders that are followed to the page, one each three seconds.
    #[arg(long, default_value_t = 100)]
    orders: usize,
    /// Minutes for which memory is watched at the end, with a reader, a search a minute and a tail.
    #[arg(long, default_value_t = 0)]
    minutes: u64,
}

pub(crate) async fn run(warm: &Warm, options: Options) -> anyhow::Result<()> {
    // The client wants a provider even for plain HTTP; the second one that installs it is refused.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let body = async |endpoints: Endpoints| Box::pin(measure(warm, &endpoints, options)).await;
    in_scratch_namespace(&warm.endpoints, body).await
}

async fn measure(warm: &Warm, endpoints: &Endpoints, options: Options) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let commands = Commands { endpoints, folder: folder.path() };
    let [relay, job] = commands.line().await?;
    let postgres = provision::connect(&endpoints.pg_url).await?;
    if options.days > 0 {
        let start = chrono::Utc::now() - chrono::TimeDelta::days(i64::from(options.days));
        let hours = options.days * 24;
        let start = start.format("%Y-%m-%dT%H:%M:%SZ");
        let words = format!("simulate --start {start} --rate 3 --duration {hours}h --daily-rhythm --seed 7");
        println!("{}", commands.run(&words).await?.trim());
    }
    drained(&postgres, DRAINED).await?;
    let simulator =
        commands.start(&format!("simulate --rate {} --duration forever --seed 8", options.rate))?;
    let mut console = commands.start_with("console --listen 127.0.0.1:0 --no-link", &CONSOLE_MEMORY)?;
    let printed = console.says("http://").await?;
    let base = printed.split_once("http://").and_then(|(_, rest)| rest.split_whitespace().next());
    let base = format!(
        "http://{}",
        base.context("the console does not say where it listens")?.trim_end_matches('/')
    );
    let report = Report::new("console", warm.stack.services())?;
    let pid = console.pid()?;
    let process = ProcessId::of(pid.cast_signed()).context("the console has ended")?;
    let mut line = Line { commands: &commands, base, pid, process, postgres, report };
    let account = Account::of(&warm.stack)
        .with("relay", relay.pid()?)
        .with("supervisor", job.pid()?)
        .with("simulator", simulator.pid()?)
        .with("console", pid);
    let stored_before = stored(&line.postgres).await?;
    line.measure(options).await?;
    let events = stored(&line.postgres).await? - stored_before;
    line.report.parts("with all readers and orders", account.taken(events));

    let mut sessions = Vec::new();
    let open = crowd(&commands, &line.base, &mut sessions, 50).await?;
    let ended = console.stop().await?;
    drop(open);
    line.report.once("SIGTERM with 50 open streams", ended.as_secs_f64() * 1_000.0, "ms", "<= 2,000");
    for process in [simulator, job, relay] {
        process.stop().await?;
    }
    line.report.end()
}

/// The console with its line.
struct Line<'a> {
    commands: &'a Commands<'a>,
    base: String,
    pid: u32,
    process: ProcessId,
    postgres: Client,
    report: Report,
}

/// What a stretch of time came to.
struct Stretch {
    processor_pct: f64,
    postgres_per_s: f64,
    cassandra_per_s: f64,
    kafka_per_s: f64,
    drawing_ms: f64,
    line_p50_ms: f64,
}

impl Line<'_> {
    async fn measure(&mut self, options: Options) -> anyhow::Result<()> {
        let mut sessions = vec![Visitor::enter(self.commands, &self.base, "bench-0").await?];
        self.loaded(&sessions[0]).await?;
        self.report.once("memory after the start, all days in memory", self.memory_mib()?, "MiB", "<= 80");
        self.readers(&mut sessions, Duration::from_secs(options.seconds)).await?;
        self.pages(&sessions[0]).await?;
        self.orders(&sessions[0], options.orders).await?;
        self.search(&sessions[0]).await?;
        self.ledger(&sessions[0]).await?;
        self.report.once("memory after searches", self.memory_mib()?, "MiB", "<= 80");
        self.hours(&sessions[0], options.minutes).await
    }

    /// Waits until the console shows figures of today and of yesterday.
    async fn loaded(&self, visitor: &Visitor) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(120);
        let page = visitor.watch("live").await?;
        while page.part("live.countries").is_none_or(|html| html.contains("class=\"hatched\"")) {
            ensure!(Instant::now() < deadline, "no figures after two minutes");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        // What is loaded behind what is shown: the rest of nine days.
        tokio::time::sleep(Duration::from_secs(30)).await;
        Ok(())
    }

    /// Processor time, queries and drawing, with more and more readers; and what ten of them do to the line.
    async fn readers(&mut self, sessions: &mut Vec<Visitor>, over: Duration) -> anyhow::Result<()> {
        let limits = [(0, "<= 1"), (1, "<= 6"), (10, "<= 7"), (50, "<= 9")];
        for (readers, limit) in limits {
            let open = crowd(self.commands, &self.base, sessions, readers).await?;
            let told = self.over(over).await?;
            let figures = [
                ("processor", told.processor_pct, "% of a core", limit),
                ("postgresql", told.postgres_per_s, "queries/s", "<= 3"),
                ("cassandra", told.cassandra_per_s, "queries/s", "<= 20"),
                ("kafka", told.kafka_per_s, "requests/s", "<= 10"),
                ("drawing", told.drawing_ms, "ms a tick", "<= 3"),
            ];
            // Nothing is drawn for nobody.
            let shown = if readers > 0 { &figures[..] } else { &figures[..4] };
            for (what, value, unit, limit) in shown {
                self.report.once(&format!("{what}, {readers} readers"), *value, unit, limit);
            }
            drop(open);
        }
        let (mut without, mut with) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            without.push(self.over(over).await?.line_p50_ms);
            let open = crowd(self.commands, &self.base, sessions, 10).await?;
            with.push(self.over(over).await?.line_p50_ms);
            drop(open);
        }
        let (without, with) = (percentile(&mut without, 50), percentile(&mut with, 50));
        self.report.once("the line's p50, nobody looking", without, "ms", "");
        self.report.once("the line's p50, ten readers", with, "ms", &format!("<= {:.0}", without * 1.05));
        Ok(())
    }

    fn processor(&self) -> Duration {
        processor_time(self.process, Of::Itself)
    }

    fn memory_mib(&self) -> anyhow::Result<f64> {
        memory_mib(self.pid, "VmRSS")
    }

    /// What the console does over a stretch of time.
    async fn over(&self, time: Duration) -> anyhow::Result<Stretch> {
        // What closes or opens with the readers is over.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let (told, processor, began) = (self.told().await?, self.processor(), Instant::now());
        let from: chrono::DateTime<chrono::Utc> = self.postgres.query_one("select now()", &[]).await?.get(0);
        tokio::time::sleep(time).await;
        let (after, seconds) = (self.told().await?, began.elapsed().as_secs_f64());
        let processor = self.processor().saturating_sub(processor);
        let drawings = after[3] - told[3];
        let lag = "
            select coalesce(percentile_cont(0.5) within group (order by lag_p50_ms), 'NaN')
            from ops.job_batch where query = 'cube' and started_at >= $1";
        Ok(Stretch {
            processor_pct: processor.as_secs_f64() / seconds * 100.0,
            postgres_per_s: (after[0] - told[0]) / seconds,
            cassandra_per_s: (after[1] - told[1]) / seconds,
            kafka_per_s: (after[2] - told[2]) / seconds,
            drawing_ms: if drawings > 0.0 { (after[4] - told[4]) / drawings * 1_000.0 } else { 0.0 },
            line_p50_ms: self.postgres.query_one(lag, &[&from]).await?.get(0),
        })
    }

    /// Counters of the console: queries to PostgreSQL, Cassandra and Kafka, drawings, and seconds of drawing.
    async fn told(&self) -> anyhow::Result<[f64; 5]> {
        let page = reqwest::get(format!("{}/metrics", self.base)).await?.error_for_status()?.text().await?;
        let mut told = [0.0; 5];
        let queries = |service| format!("storepulse_console_queries_total{{service=\"{service}\"}}");
        let names = [
            queries("postgres"),
            queries("cassandra"),
            queries("kafka"),
            "storepulse_console_drawings_total".to_owned(),
            "storepulse_console_drawing_seconds_total".to_owned(),
        ];
        for (told, name) in told.iter_mut().zip(&names) {
            let line = page.lines().find_map(|line| line.strip_prefix(name.as_str())?.strip_prefix(' '));
            *told = line.with_context(|| format!("/metrics has no {name}"))?.parse()?;
        }
        Ok(told)
    }

    async fn pages(&mut self, visitor: &Visitor) -> anyhow::Result<()> {
        visitor.ask("/").await?;
        let mut first_bytes = Vec::with_capacity(PAGES);
        for _ in 0..PAGES {
            first_bytes.push(visitor.ask("/").await?.1.as_secs_f64() * 1_000.0);
        }
        self.report.percentiles("first byte of Live", &mut first_bytes, ["", "<= 20"]);
        let weight = visitor.weigh("/").await?;
        self.report.once("files of Live, compressed", weight.bytes as f64 / 1_024.0, "KiB", "<= 80");
        self.report.once("files of Live", weight.requests as f64, "requests", "<= 9");
        Ok(())
    }

    async fn orders(&mut self, visitor: &Visitor, orders: usize) -> anyhow::Result<()> {
        let page: Stream = visitor.watch("live").await?;
        let mut marking = Marking::new(self.commands.endpoints).await?;
        if orders > 0 {
            // The first one makes its country known, which is looked for four times a minute.
            marking.follow(orders, &page).await?;
        }
        let mut next = tokio::time::interval(APART);
        let mut all = Vec::with_capacity(orders);
        for number in 0..orders {
            next.tick().await;
            all.push(marking.follow(number, &page).await?);
        }
        if all.is_empty() {
            return Ok(());
        }
        println!("{orders} marked orders at {} apart, from their commit", APART.as_secs());
        let of = |figure: fn(&marked::Followed) -> f64| all.iter().map(figure).collect::<Vec<_>>();
        let behind = of(|order| order.figure_ms - order.stored_ms);
        let figures = [
            ("among those as they come in", of(|order| order.ticker_ms), ["<= 300", "<= 1,000"]),
            ("in Cassandra (the line's own lag)", of(|order| order.stored_ms), [""; 2]),
            ("in the figures", of(|order| order.figure_ms), [""; 2]),
            ("in the figures after Cassandra", behind, ["<= 800"; 2]),
        ];
        for (what, mut values_ms, limits) in figures {
            self.report.percentiles(&format!("marked orders, {what}"), &mut values_ms, limits);
        }
        Ok(())
    }

    /// Reads the topic of events without finding anything.
    async fn search(&mut self, visitor: &Visitor) -> anyhow::Result<()> {
        let topic = self.commands.endpoints.namespace.events_topic(1);
        let (mut scanned, mut took_ms, mut cursor) = (0.0, 0.0, None::<String>);
        let before = self.memory_mib()?;
        let mut largest = before;
        for _ in 0..10 {
            let mut path =
                format!("/api/v1/topics/{topic}/messages?at=oldest&where=item_name%20%3D%20nothing");
            if let Some(cursor) = &cursor {
                path = format!("{path}&cursor={cursor}");
            }
            let (text, _) = visitor.ask(&path).await?;
            let answer: serde_json::Value = serde_json::from_str(&text)?;
            scanned += answer["data"]["scanned"].as_f64().context("no `scanned`")?;
            took_ms += answer["data"]["took_ms"].as_f64().context("no `took_ms`")?;
            largest = largest.max(self.memory_mib()?);
            cursor = answer["next"].as_str().map(str::to_owned);
            if cursor.is_none() || answer["data"]["stopped_by"] == "end" {
                break;
            }
        }
        self.report.once("search without a match", scanned / took_ms * 1_000.0, "records/s", ">= 50,000");
        self.report.once("memory that the search adds", largest - before, "MiB", "<= 32");
        Ok(())
    }

    async fn ledger(&mut self, visitor: &Visitor) -> anyhow::Result<()> {
        let (_, first_byte) = visitor.ask("/api/v1/ledger").await?;
        self.report.once(
            "the ledger of the last minutes",
            first_byte.as_secs_f64() * 1_000.0,
            "ms",
            "<= 1,000",
        );
        Ok(())
    }

    /// Memory over a longer time, with a reader, searches and a tail.
    async fn hours(&mut self, visitor: &Visitor, minutes: u64) -> anyhow::Result<()> {
        if minutes == 0 {
            return Ok(());
        }
        let _page = visitor.watch("live").await?;
        let first = self.memory_mib()?;
        for minute in 1..=minutes {
            tokio::time::sleep(Duration::from_secs(60)).await;
            let topic = self.commands.endpoints.namespace.events_topic(1);
            let path = format!("/api/v1/topics/{topic}/messages?at=newest&where=item_name%20%3D%20nothing");
            visitor.ask(&path).await?;
            println!("after {minute} min {:.1} MiB", self.memory_mib()?);
        }
        let grown = (self.memory_mib()? - first) / (minutes as f64 / 60.0);
        self.report.once("memory at the end", self.memory_mib()?, "MiB", "<= 80");
        self.report.once("slope of memory", grown, "MiB/h", "<= 1");
        Ok(())
    }
}
