//! Orders as they come in, straight from Kafka: not yet in the figures.
//!
//! Read only while somebody looks, and a little longer, so that a reload does not begin anew. Reading begins
//! a little before the end, so that whoever opens the page sees the last orders at once.

mod assembly;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use assembly::Assembly;
use chrono::{DateTime, Utc};
use contracts::avro::{ReadError, Reader as Avro};
use contracts::vocabulary::EventName;
use contracts::{Event, wire};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::kafka::reader::{Reader, Room, nobody_answers, passes};
use super::{Pace, Refused, Watch, refused, told, words};
use crate::app::App;

/// How many orders are kept.
const KEPT: usize = 50;
/// How many offsets before the end of each partition reading begins.
const BEFORE_THE_END: i64 = 1_000;
/// How long reading goes on after the last viewer has gone.
const GRACE: Duration = Duration::from_secs(20);
/// How long a broker gathers records before it answers: few answers cost little.
const GATHER: Duration = Duration::from_millis(100);
/// How often orders are published at most.
const PUBLISH: Duration = Duration::from_millis(200);
/// How often it is said that nothing new has come.
const ALIVE: Duration = Duration::from_secs(5);
/// How often generations are asked for.
const GENERATIONS: Duration = Duration::from_secs(30);
/// One request.
const REQUEST: Duration = Duration::from_secs(3);
/// How long is waited after a failure.
const RETRY: Pace = Pace { watched: Duration::from_secs(3), alone: Duration::from_secs(60), answer: REQUEST };

/// The newest of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ticker {
    /// The newest first, in the order in which they were told.
    pub(crate) orders: VecDeque<Order>,
    /// The currency of their amounts.
    pub(crate) currency: String,
    /// Records that cannot be read, or that the relay did not write, since reading began.
    pub(crate) unreadable: u64,
}

/// One order, without any id.
#[derive(Debug, Clone, PartialEq, serde::Serialize, utoipa::ToSchema)]
pub(crate) struct Order {
    /// Counts up while the console reads: a row's key, and an order is new that has a higher one.
    pub(crate) number: u64,
    /// By the shopper's clock.
    pub(crate) occurred_at: DateTime<Utc>,
    /// ISO 3166 alpha-2; `ZZ` where it is not known, `XD` of the doctor's probe.
    pub(crate) country: String,
    /// The name of its first line's item.
    pub(crate) first_item: Option<String>,
    /// How many lines it has.
    pub(crate) lines: u32,
    /// Whether all of them have come: where not, the amount is that of those that have.
    pub(crate) complete: bool,
    /// In the base currency.
    #[serde(serialize_with = "rust_decimal::serde::str::serialize")]
    #[schema(value_type = String)]
    pub(crate) amount: Decimal,
    /// When it was read here.
    pub(crate) seen_at: DateTime<Utc>,
}

/// What PostgreSQL tells of the topics: which generations are in force, and the currency.
#[derive(Debug, Clone, PartialEq, Eq)]
struct InForce {
    generations: Vec<(i32, Uuid)>,
    currency: String,
}

/// Reads while somebody looks, until the console stops.
pub(crate) async fn run(app: App) {
    loop {
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = watched(&app.watch) => {}
        }
        let ended = tokio::select! {
            () = app.stop.cancelled() => return,
            ended = read(&app) => ended,
        };
        if let Err(error) = ended {
            refused(&app.watch.orders, words(&*error));
            tokio::select! {
                () = app.stop.cancelled() => return,
                () = app.watch.due(RETRY) => {}
            }
        }
    }
}

/// Waits until somebody looks.
async fn watched(watch: &Watch) {
    while !watch.watched() {
        watch.due(RETRY).await;
    }
}

/// Reads until nobody has looked for a while, or the generations change.
async fn read(app: &App) -> Result<(), Refused> {
    let in_force = tokio::time::timeout(REQUEST, in_force(app)).await.map_err(|_| "no answer in 3 s")??;
    let reading = Reading {
        app: app.clone(),
        in_force: in_force.clone(),
        ended: tokio_util::sync::CancellationToken::new(),
    };
    let ended = reading.ended.clone();
    // Dropped with this future, which ends the thread.
    let _end = ended.clone().drop_guard();
    let mut thread = tokio::task::spawn_blocking(move || reading.run());
    let mut ask = tokio::time::interval(GENERATIONS);
    ask.tick().await;
    loop {
        tokio::select! {
            read = &mut thread => return Ok(read??),
            _ = ask.tick() => {}
        }
        // A store that is away for a moment is no reason to read anew.
        if let Ok(Ok(now)) = tokio::time::timeout(REQUEST, self::in_force(app)).await
            && now != in_force
        {
            ended.cancel();
            return Ok(thread.await??);
        }
    }
}

async fn in_force(app: &App) -> Result<InForce, Refused> {
    let client = app.pool.get().await?;
    app.own.asks_postgres(1);
    let rows = client
        .query(
            "select generation, generation_id, \
                    (select value from ops.setting where name = 'base_currency') \
             from ops.topic_generation where retired_at is null order by generation",
            &[],
        )
        .await?;
    let mut found = InForce { generations: Vec::new(), currency: String::new() };
    for row in rows {
        found.generations.push((row.try_get(0)?, row.try_get(1)?));
        found.currency = row.try_get::<_, Option<String>>(2)?.unwrap_or_default();
    }
    if found.generations.is_empty() {
        return Err("there is no topic of events yet: run `storepulse setup`".into());
    }
    Ok(found)
}

/// The thread that reads.
struct Reading {
    app: App,
    in_force: InForce,
    ended: tokio_util::sync::CancellationToken,
}

impl Reading {
    fn run(self) -> Result<(), KafkaError> {
        let endpoints = &self.app.config.endpoints;
        let reader = Reader::open(&endpoints.kafka_brokers, GATHER, 1 << 20, Room::FOLLOWING)?;
        let topics: Vec<(String, String)> = self
            .in_force
            .generations
            .iter()
            .map(|(generation, id)| (endpoints.namespace.events_topic(*generation), id.to_string()))
            .collect();
        let mut ends = begin(&reader, &topics)?;
        let mut ticker = Ticker { currency: self.in_force.currency.clone(), ..Ticker::default() };
        let mut assembly = Assembly::default();
        let (mut published, mut looked_at, mut changed, mut away) =
            (Instant::now(), Instant::now(), true, false);
        let (mut looked, mut settled) = (Instant::now(), false);
        while !self.ended.is_cancelled() && looked.elapsed() < GRACE {
            let now = Instant::now();
            match reader.poll(PUBLISH) {
                Some(Ok(message)) => {
                    away = false;
                    let cut = caught_up(&mut ends, &message);
                    match purchase(&message, &topics) {
                        Ok(Some(event)) => {
                            if let Some(order) = assembly.take(event, cut, now, Utc::now()) {
                                ticker.add(order, settled);
                                changed = true;
                            }
                        }
                        Ok(None) => {}
                        Err(_) => {
                            ticker.unreadable += 1;
                            changed = true;
                        }
                    }
                }
                // The end of a partition was reached: nothing before it is missing any more.
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    for end in &mut ends {
                        end.caught_up |= end.partition == partition;
                    }
                }
                Some(Err(error)) if nobody_answers(&error) => {
                    refused(&self.app.watch.orders, words(&error));
                    away = true;
                }
                Some(Err(error)) if passes(&error) => {}
                Some(Err(error)) => return Err(error),
                None => {}
            }
            if looked_at.elapsed() < PUBLISH {
                continue;
            }
            if self.app.watch.watched() {
                looked = Instant::now();
            }
            for order in assembly.overdue(Instant::now(), Utc::now()) {
                ticker.add(order, settled);
                changed = true;
            }
            if away && reader.metadata(topics.first().map(|(topic, _)| topic.as_str()), PUBLISH).is_ok() {
                away = false;
                changed = true;
            }
            looked_at = Instant::now();
            if !settled && ends.iter().all(|end| end.caught_up) {
                ticker.settle();
                settled = true;
            }
            if settled && !away && (changed || published.elapsed() >= ALIVE) {
                told(&self.app.watch.orders, ticker.clone());
                (published, changed) = (Instant::now(), false);
            }
        }
        Ok(())
    }
}

/// A partition and where it ended when reading began.
struct End {
    topic: Arc<str>,
    partition: i32,
    offset: i64,
    caught_up: bool,
}

/// Assigns every partition, a little before its end.
fn begin(reader: &Reader, topics: &[(String, String)]) -> Result<Vec<End>, KafkaError> {
    let mut partitions = Vec::new();
    for (topic, _) in topics {
        let metadata = reader.metadata(Some(topic), REQUEST)?;
        for found in metadata.topics() {
            partitions.extend(found.partitions().iter().map(|partition| (topic.clone(), partition.id())));
        }
    }
    let lows = reader.offsets(&partitions, rdkafka::Offset::Beginning, REQUEST)?;
    let ends = reader.offsets(&partitions, rdkafka::Offset::End, REQUEST)?;
    let bounds: Vec<_> = lows
        .into_iter()
        .zip(ends)
        .filter_map(|((topic, partition, low), (_, _, end))| Some((topic, partition, low?, end?)))
        .collect();
    let places: Vec<_> = bounds
        .iter()
        .map(|(topic, partition, low, end)| (topic.clone(), *partition, (end - BEFORE_THE_END).max(*low)))
        .collect();
    reader.assign(&places)?;
    Ok(bounds
        .into_iter()
        .map(|(topic, partition, low, offset)| End {
            topic: topic.into(),
            partition,
            offset,
            caught_up: offset <= low,
        })
        .collect())
}

/// Notes how far a partition was read; says whether its records before this one are still missing in part.
fn caught_up(ends: &mut [End], message: &BorrowedMessage<'_>) -> bool {
    let end =
        ends.iter_mut().find(|end| end.partition == message.partition() && *end.topic == *message.topic());
    end.is_some_and(|end| {
        end.caught_up |= message.offset() + 1 >= end.offset;
        message.offset() < end.offset
    })
}

/// The event, where it is a line of an order: its name is looked at before anything else is decoded.
fn purchase(message: &BorrowedMessage<'_>, topics: &[(String, String)]) -> Result<Option<Event>, ReadError> {
    let (_, body) = wire::split(message.payload().unwrap_or_default())?;
    let mut reader = Avro::new(body);
    // event_id and event_name are the first two fields.
    reader.bytes()?;
    if reader.bytes()? != EventName::Purchase.as_str().as_bytes() {
        return Ok(None);
    }
    // Spark refuses what does not name its generation: the relay did not write it.
    let generation = message.headers().and_then(|headers| {
        headers.iter().find(|header| header.key == wire::GENERATION_HEADER).and_then(|header| header.value)
    });
    let expected = topics.iter().find(|(topic, _)| topic == message.topic()).map(|(_, id)| id.as_bytes());
    if generation != expected {
        return Err(ReadError::Value {
            field: wire::GENERATION_HEADER,
            message: "is not the topic's".to_owned(),
        });
    }
    Event::read_avro(body).map(Some)
}

impl Ticker {
    fn add(&mut self, order: Order, settled: bool) {
        self.orders.push_front(order);
        // What is read first comes partition by partition: all of it is kept until it is put in order.
        if settled {
            self.orders.truncate(KEPT);
        }
    }

    /// Puts in order what lay there when reading began.
    fn settle(&mut self) {
        self.orders.make_contiguous().sort_by_key(|order| std::cmp::Reverse(order.occurred_at));
        self.orders.truncate(KEPT);
        let mut numbers: Vec<u64> = self.orders.iter().map(|order| order.number).collect();
        numbers.sort_unstable();
        for (order, number) in self.orders.iter_mut().zip(numbers.into_iter().rev()) {
            order.number = number;
        }
    }
}
