//! GA4's Measurement Protocol: a request's JSON as items.
//!
//! GA4 names events as we do. An event about products is a record for each of its items; an event whose name
//! we have no word for is kept beside the figures. What cannot be translated is set aside with the name that
//! it has there.
//!
//! Whoever has denied consent is counted without being known: everything of one request has one visitor,
//! whose id is random, so that nothing joins two requests.

mod debug;
mod event;
mod node;
mod reserved;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::Reason;
use contracts::ids;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::item::{Item, Mapped};
use crate::refusal::Refusal;
use node::{Node, raw_list, raw_pairs};

pub(crate) use debug::{Message, messages};

/// The most events of a request, as Google has it.
pub(crate) const MAX_EVENTS: usize = 25;
/// How far back an event may be, as Google has it; here it is only late.
const MAX_AGE: TimeDelta = TimeDelta::hours(72);
/// A time in microseconds has more digits than this, since 2001: fewer are seconds or milliseconds by
/// mistake.
const LEAST_MICROS: i64 = 1_000_000_000_000_000;

/// What all events of a request have in common.
#[derive(Debug)]
struct Sender<'a> {
    client_id: Node<'a>,
    user_id: Node<'a>,
    /// When nothing else is told: when the request came.
    received_at: DateTime<Utc>,
    micros: Node<'a>,
    place: Place<'a>,
    device: Node<'a>,
    user_agent: Node<'a>,
    /// In whose place the visitor of a request stands who has denied consent.
    nobody: Option<Uuid>,
    /// In whose words the ids are.
    source: &'a str,
}

/// Where it came from, as the sender tells it.
#[derive(Debug)]
struct Place<'a> {
    country: Node<'a>,
    city: Node<'a>,
}

/// When an event was, and whether its sender tells that.
#[derive(Debug, Clone, Copy)]
struct At {
    at: DateTime<Utc>,
    is_told: bool,
}

/// A request that was read.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    sender: Sender<'a>,
    events: Vec<&'a RawValue>,
    /// What no events can be read of.
    fault: Option<&'static str>,
    body: &'a [u8],
}

impl<'a> Request<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// Where it has more events than a request may have. What cannot be read at all is no error: it is set
    /// aside.
    pub(crate) fn read(body: &'a [u8], source: &'a str, received_at: DateTime<Utc>) -> Result<Self, Refusal> {
        let unreadable = |fault| Self {
            sender: Sender::of(&[], source, received_at),
            events: Vec::new(),
            fault: Some(fault),
            body,
        };
        let Ok(pairs) = raw_pairs(body) else { return Ok(unreadable("is no JSON object")) };
        let sender = Sender::of(&pairs, source, received_at);
        let mut lists = pairs.iter().filter(|(name, _)| name == "events").map(|(_, list)| *list);
        let (list, more) = (lists.next(), lists.next());
        let events = list.and_then(single_or_list);
        let fault = match (&events, more) {
            (_, Some(_)) => Some("has events twice"),
            (None, None) => Some("has no list of events"),
            (Some(_), None) => None,
        };
        let events = events.filter(|_| fault.is_none()).unwrap_or_default();
        if events.len() > MAX_EVENTS {
            return Err(Refusal::TooManyEvents { limit: MAX_EVENTS });
        }
        Ok(Self { sender, events, fault, body })
    }

    /// What it tells, and of which event of the request each is.
    pub(crate) fn items(&self) -> Vec<(usize, Item)> {
        if let Some(fault) = self.fault {
            let mut record = Mapped::new(event::told_as, self.body.len());
            record.refuse(Reason::Malformed, "events", format!("the request {fault}"));
            record.set("ga4_request", String::from_utf8_lossy(self.body));
            return vec![(0, Item::Records(vec![record]))];
        }
        let items = self.events.iter().enumerate();
        items.map(|(place, raw)| (place, event::item(raw, place, &self.sender))).collect()
    }
}

/// The events of a request; some clients send a single one as it is.
fn single_or_list(events: &RawValue) -> Option<Vec<&RawValue>> {
    raw_list(events).or_else(|| events.get().starts_with('{').then(|| vec![events]))
}

/// What tells an event from others of its client, name and moment.
fn digest(raw: &RawValue) -> String {
    const BYTES: usize = 8;
    hex::encode(&Sha256::digest(raw.get())[..BYTES])
}

impl<'a> Sender<'a> {
    fn of(pairs: &[(String, &'a RawValue)], source: &'a str, received_at: DateTime<Utc>) -> Self {
        let get = |name: &str| {
            let mut told = pairs.iter().filter(|(known, _)| known == name).map(|(_, raw)| raw.get());
            match (told.next(), told.next()) {
                (Some(raw), None) => Node::read(raw.as_bytes()).unwrap_or(Node::Deep),
                (None, _) => Node::Null,
                // Which of the two is meant nobody can tell.
                (Some(_), Some(_)) => Node::Deep,
            }
        };
        let (location, consent) = (get("user_location"), get("consent"));
        let client_id = match get("client_id").unless_blank() {
            Node::Null => get("app_instance_id").unless_blank(),
            told => told,
        };
        let is_denied = ["ad_user_data", "ad_personalization"]
            .iter()
            .any(|what| consent.get(what).text().is_some_and(|told| told.eq_ignore_ascii_case("denied")))
            // What cannot be read may be a denial.
            || !matches!(consent, Node::Null | Node::Object(_));
        Self {
            client_id,
            user_id: get("user_id").unless_blank(),
            received_at,
            micros: get("timestamp_micros"),
            place: Place { country: location.get("country_id").clone(), city: location.get("city").clone() },
            device: get("device").get("category").clone(),
            user_agent: get("user_agent"),
            nobody: is_denied.then(|| uuid::Builder::from_random_bytes(rand::random()).into_uuid()),
            source,
        }
    }

    /// When an event was: as it tells itself, else as its request does, else when that came.
    fn at(&self, event: &Node<'_>) -> Result<At, String> {
        let micros = match event.get("timestamp_micros") {
            Node::Null => &self.micros,
            told => told,
        };
        if micros.is_null() {
            return Ok(At { at: self.received_at, is_told: false });
        }
        let told = micros.text().and_then(contracts::record::whole_number);
        let micros = told.ok_or("is no number of microseconds since 1970")?;
        if micros < LEAST_MICROS {
            return Err(format!("{micros} is too small: a time in microseconds has 16 digits"));
        }
        let at =
            DateTime::from_timestamp_micros(micros).filter(|_| micros <= contracts::validation::LATEST_US);
        at.map(|at| At { at, is_told: true }).ok_or_else(|| format!("{micros} is after 2200"))
    }

    /// The id of an event, or of the n-th record of one. Where its time is told, the same request again gives
    /// the same id; else nothing tells two alike events from one that was sent twice, and each is one. Other
    /// events of that moment have another digest.
    fn id(&self, at: At, (raw, place): (&RawValue, usize), name: &str, line: usize) -> String {
        if !at.is_told {
            return ids::v7(at.at, rand::random()).to_string();
        }
        let client = self.client_id.text().or_else(|| self.user_id.text()).unwrap_or_default();
        let micros = at.at.timestamp_micros();
        let id = format!("ga4/{client}/{micros}/{name}/{place}/{}#{line}", digest(raw));
        match self.nobody {
            None => id,
            // Whoever reads the ids of quarantine must not find whose they were.
            Some(_) => format!("ga4/{}", hex::encode(Sha256::digest(id))),
        }
    }
}

#[cfg(test)]
mod tests;
