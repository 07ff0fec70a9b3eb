//! Evaluates, where this console has the lock: another one that runs beside it shows what this one has
//! written.
//!
//! What has changed is written before it is told. While PostgreSQL is away the console that had the lock goes
//! on in memory, since that is what somebody has to be told then; what it has to write waits.

mod journal;

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tokio::task::JoinSet;
use tokio_postgres::Client;

use journal::Journal;

use super::board::{Board, Notice};
use super::notice::payload;
use super::outbox::{Delivery, Label, Outbox};
use super::post::deliver;
use super::silence::Silence;
use super::store::{self, ANSWER, Event, Write};
use super::view::{Evaluator, Known, told};
use crate::access;
use crate::app::App;
use crate::watch::{Away, words};

/// The purpose of the advisory lock.
const LOCK: &str = "alerts";
/// After a cut connection PostgreSQL may keep its lock for a moment: only then somebody else has taken over.
const UNSURE: Duration = Duration::from_secs(30);
/// A console that starts while PostgreSQL is away evaluates after this long all the same: nobody else would
/// say so.
const ALONE: Duration = Duration::from_secs(60);
const PRUNED: Duration = Duration::from_secs(3_600);

/// Whether this console evaluates.
#[derive(Debug, Clone, Copy)]
enum Holds {
    /// It has not reached PostgreSQL yet.
    Never,
    Lock,
    /// It had the lock, and its connection was cut; since when PostgreSQL answers and has not given it back.
    Unsure(Option<Instant>),
    /// Another console has it.
    Not,
}

/// What there is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// Signals are looked at, and what others have written is read.
    Look,
    /// What became of a notice is noted.
    Note,
    /// What others have written is read.
    Read,
}

struct Keeper {
    app: App,
    board: Board,
    holds: Holds,
    client: Option<Client>,
    /// Why there is none.
    away: Option<String>,
    begun: Instant,
    pruned: Option<Instant>,
    journal: Journal,
    /// Not handed over before it was tried to write them.
    outgoing: Vec<Delivery>,
    silences: Vec<Silence>,
    events: Vec<Event>,
    fired: Vec<Event>,
    deliveries: Vec<Delivery>,
}

/// Evaluates until the console stops.
pub(crate) async fn run(app: App) {
    let mut deliverers = JoinSet::new();
    for target in app.config.alerts.targets.clone() {
        deliverers.spawn(deliver(app.clone(), target));
    }
    let mut tick = tokio::time::interval(app.config.alerts.every);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut keeper = Keeper::new(app.clone());
    loop {
        let turn = tokio::select! {
            () = app.stop.cancelled() => break,
            _ = tick.tick() => Turn::Look,
            () = app.post.settled() => Turn::Note,
            () = app.post.silenced() => Turn::Read,
        };
        tokio::select! {
            () = app.stop.cancelled() => break,
            () = keeper.turn(turn) => {}
        }
    }
    // What was told a moment ago is noted, if PostgreSQL is quick; else it is told again, under the same key.
    keeper.note();
    keeper.flush().await;
    while deliverers.join_next().await.is_some() {}
}

impl Keeper {
    fn new(app: App) -> Self {
        Self {
            app,
            board: Board::default(),
            holds: Holds::Never,
            client: None,
            away: None,
            begun: Instant::now(),
            pruned: None,
            journal: Journal::default(),
            outgoing: Vec::new(),
            silences: Vec::new(),
            events: Vec::new(),
            fired: Vec::new(),
            deliveries: Vec::new(),
        }
    }

    async fn turn(&mut self, turn: Turn) {
        self.connect().await;
        if turn == Turn::Look && self.evaluates() {
            self.evaluate(Utc::now());
        }
        self.note();
        self.flush().await;
        self.hand_over();
        if turn != Turn::Note {
            self.read().await;
        }
        self.publish(Utc::now());
    }

    fn evaluates(&self) -> bool {
        match self.holds {
            Holds::Lock | Holds::Unsure(_) => true,
            Holds::Never => self.client.is_none() && self.begun.elapsed() >= ALONE,
            Holds::Not => false,
        }
    }

    /// Waits for an answer; one that does not come, or is an error, costs the connection.
    fn answered<T>(
        &mut self,
        answer: Result<Result<T, tokio_postgres::Error>, tokio::time::error::Elapsed>,
    ) -> Option<T> {
        let why = match answer {
            Ok(Ok(value)) => return Some(value),
            Ok(Err(error)) => words(&error),
            Err(_) => format!("no answer within {} s", ANSWER.as_secs()),
        };
        self.lose(why);
        None
    }

    fn lose(&mut self, why: String) {
        tracing::debug!(why, "alerts cannot be read or written");
        self.away = Some(why);
        self.client = None;
        if matches!(self.holds, Holds::Lock) {
            self.holds = Holds::Unsure(None);
        }
    }

    /// Makes sure of a connection, and of the lock where it can be had.
    async fn connect(&mut self) {
        if self.client.as_ref().is_some_and(Client::is_closed) {
            self.lose("the connection was cut".to_owned());
        }
        if self.client.is_none() {
            match tokio::time::timeout(ANSWER, access::connect(&self.app.config.endpoints.pg_url)).await {
                Ok(Ok(client)) => (self.client, self.away) = (Some(client), None),
                Ok(Err(error)) => return self.lose(words(&*error)),
                Err(_) => return self.lose(format!("no answer within {} s", ANSWER.as_secs())),
            }
        }
        if matches!(self.holds, Holds::Lock) {
            return;
        }
        let key = self.app.config.endpoints.namespace.advisory_lock(LOCK);
        let Some(client) = &self.client else { return };
        let ask = async { client.query_one("select pg_try_advisory_lock($1)", &[&key]).await };
        let asked = tokio::time::timeout(ANSWER, ask).await;
        let Some(row) = self.answered(asked) else { return };
        match (row.get::<_, bool>(0), self.holds) {
            (true, Holds::Unsure(_)) => self.holds = Holds::Lock,
            (true, _) => self.take_over().await,
            (false, Holds::Unsure(None)) => self.holds = Holds::Unsure(Some(Instant::now())),
            (false, Holds::Unsure(Some(since))) if since.elapsed() < UNSURE => {}
            (false, _) => self.stand_by(),
        }
    }

    /// Goes on where the last one left off.
    async fn take_over(&mut self) {
        let Some(client) = &self.client else { return };
        let ask = async {
            tokio::try_join!(store::states(client), store::open_deliveries(client), store::silences(client))
        };
        let asked = tokio::time::timeout(ANSWER, ask).await;
        let Some((states, deliveries, silences)) = self.answered(asked) else { return };
        let now = Utc::now();
        self.silences = silences;
        if matches!(self.holds, Holds::Not) {
            // What another console had written when this one last looked.
            self.board.alerts.clear();
        }
        for (key, alert) in states {
            self.journal.knows(key.clone(), alert.clone(), now);
            // What this console has seen alone meanwhile is newer, where it is no other incident.
            if alert.incident.is_some() || !self.board.alerts.contains_key(&key) {
                self.board.alerts.insert(key, alert);
            }
        }
        self.take_in(deliveries);
        self.holds = Holds::Lock;
        tracing::info!("this console evaluates alerts");
    }

    fn stand_by(&mut self) {
        if matches!(self.holds, Holds::Unsure(_)) {
            tracing::warn!("another console has taken over the evaluation of alerts");
        }
        self.holds = Holds::Not;
        self.board = Board::default();
        *self.app.post.outbox() = Outbox::default();
        self.journal = Journal::default();
        self.outgoing.clear();
    }

    fn evaluate(&mut self, now: DateTime<Utc>) {
        let rules = &self.app.config.alerts.rules;
        let snapshot = self.app.watch.snapshot();
        let changes = self.board.evaluate(rules, &snapshot, now);
        let deliver = !self.app.config.alerts.targets.is_empty();
        let (notices, kept_back) = self.board.news(rules, &changes, &self.silences, deliver, now);
        for change in &changes {
            tracing::info!(
                rule = change.key.rule,
                subject = change.key.subject,
                from = change.from.word(),
                to = change.alert.state.word(),
                value = change.alert.value,
                "an alert has changed"
            );
        }
        let mut writes: Vec<Write> =
            changes.into_iter().map(|change| Write::Event(Box::new(change))).collect();
        writes.extend(kept_back.into_iter().map(Write::Suppressed));
        for notice in &notices {
            writes.extend(self.outgoing_of(notice).map(|delivery| Write::Delivery(Box::new(delivery))));
        }
        writes.into_iter().for_each(|write| self.journal.enter(write));
        self.journal.enter_changed(&self.board.alerts, now);
    }

    /// A notice for each target.
    fn outgoing_of(&mut self, notice: &Notice) -> impl Iterator<Item = Delivery> + use<> {
        let payload = payload(&self.app.config, notice);
        let delivery = |target: &super::targets::Target| {
            let label =
                Label { incident: notice.incident, news: notice.news.word(), target: target.name.clone() };
            Delivery::new(label, &notice.key.rule, &notice.key.subject, payload.clone(), notice.at)
        };
        let deliveries: Vec<Delivery> = self.app.config.alerts.targets.iter().map(delivery).collect();
        self.outgoing.extend(deliveries.iter().cloned());
        deliveries.into_iter()
    }

    /// Notes what became of what was told.
    fn note(&mut self) {
        let changes = self.app.post.outbox().changes();
        for delivery in changes {
            self.journal.enter(Write::Delivery(Box::new(delivery)));
        }
    }

    async fn flush(&mut self) {
        if self.journal.is_empty() || !matches!(self.holds, Holds::Lock) {
            return;
        }
        let Some(client) = &mut self.client else { return };
        self.app.own.asks_postgres(self.journal.waiting().len() as u64);
        let written = tokio::time::timeout(ANSWER, store::write(client, self.journal.waiting())).await;
        if self.answered(written).is_some() {
            self.journal.is_written();
        }
    }

    /// Lets be told what was written, or could not be written now.
    fn hand_over(&mut self) {
        if self.outgoing.is_empty() {
            return;
        }
        {
            let mut outbox = self.app.post.outbox();
            self.outgoing.drain(..).for_each(|delivery| outbox.add(delivery));
        }
        self.app.post.look();
    }

    /// Reads what pages show and others may have written: silences come from the command line, too.
    async fn read(&mut self) {
        let standing_by = matches!(self.holds, Holds::Not);
        let holds_lock = matches!(self.holds, Holds::Lock);
        let prune = holds_lock && self.pruned.is_none_or(|at| at.elapsed() >= PRUNED);
        let Some(client) = &self.client else { return };
        self.app.own.asks_postgres(5);
        let ask = async {
            if prune {
                store::prune(client).await?;
            }
            tokio::try_join!(
                store::silences(client),
                store::events(client, None, store::NEWEST),
                store::fired_lately(client),
                store::newest_deliveries(client),
                store::open_deliveries(client),
                async { if standing_by { store::states(client).await } else { Ok(Vec::new()) } },
            )
        };
        let asked = tokio::time::timeout(ANSWER, ask).await;
        let Some((silences, events, fired, deliveries, open, states)) = self.answered(asked) else { return };
        (self.silences, self.events, self.fired, self.deliveries) = (silences, events, fired, deliveries);
        if prune {
            self.pruned = Some(Instant::now());
        }
        if standing_by {
            self.board.alerts = states.into_iter().collect();
        }
        if holds_lock {
            // Of Airflow, whose own attempt has failed.
            self.take_in(open);
        }
    }

    /// What others have left to be told to targets that this console has.
    fn take_in(&self, deliveries: Vec<Delivery>) {
        let now = Utc::now();
        let ours = |delivery: &Delivery| {
            self.app.config.alerts.target(&delivery.label.target).is_some() && !delivery.is_elsewhere(now)
        };
        {
            let mut outbox = self.app.post.outbox();
            deliveries.into_iter().filter(ours).for_each(|delivery| outbox.take_over(delivery));
        }
        self.app.post.look();
    }

    fn publish(&self, now: DateTime<Utc>) {
        let evaluator = match self.holds {
            Holds::Not => Evaluator::Another,
            _ if self.evaluates() => Evaluator::Here,
            _ => Evaluator::Nobody,
        };
        let alerts = told(&Known {
            now,
            evaluator,
            settings: &self.app.config.alerts,
            board: &self.board,
            silences: &self.silences,
            events: &self.events,
            fired: &self.fired,
            deliveries: &self.deliveries,
            waiting: self.app.post.outbox().waiting(),
        });
        self.app.watch.alerts.send_modify(|seen| {
            let since = seen.away.as_ref().map_or(now, |away| away.since);
            seen.away = self.away.clone().map(|why| Away { since, why });
            (seen.value, seen.read_at) = (Some(Arc::new(alerts)), Some(now));
        });
    }
}
