//! From rows to records: which table goes to which topic, with which headers.

use contracts::wire::{GENERATION_HEADER, OPERATION_HEADER};
use contracts::{Event, User, event, user};
use rdkafka::message::{Header, OwnedHeaders};

use crate::config::RelayConfig;
use crate::error::{Fault, Interrupted, RelayError};
use crate::generations::{Generation, Generations};
use crate::kafka::Producer;
use crate::pgoutput::{Message, Relation, Tuple};
use crate::transcode::{Instant, RowError, Transcoder};

/// A published table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    Events,
    Users,
}

struct Route {
    oid: u32,
    name: String,
    table: Table,
    transcoder: Transcoder,
    /// Of events: the minute of the ledger that a row belongs to.
    ingested_at: Option<Instant>,
}

impl Route {
    fn ingested_at_us(&self, row: &Tuple<'_>) -> Option<i64> {
        self.ingested_at?.read(row)
    }
}

/// What became of a row.
pub(crate) enum Written {
    /// It is in the transaction.
    Out {
        table: Table,
        /// Bytes of keys and values.
        bytes: u64,
        /// When an event was accepted, in µs since 1970.
        ingested_at_us: Option<i64>,
    },
    /// It cannot be represented.
    Refused {
        table: Table,
        /// When an event was accepted, where that can be read.
        ingested_at_us: Option<i64>,
        error: RowError,
    },
}

impl Written {
    fn refused(route: &Route, row: &Tuple<'_>, error: RowError) -> Self {
        Self::Refused { table: route.table, ingested_at_us: route.ingested_at_us(row), error }
    }
}

/// The topics, and the buffers in which records are made.
pub(crate) struct Output {
    /// The topic of each generation, with its headers.
    events: Vec<(String, OwnedHeaders)>,
    users_topic: String,
    event_schema_id: u32,
    user_schema_id: u32,
    plain: OwnedHeaders,
    inserted: OwnedHeaders,
    updated: OwnedHeaders,
    routes: Vec<Route>,
    /// Tables that were announced and have no route; none of their rows may come.
    others: Vec<(u32, String)>,
    key: Vec<u8>,
    old_key: Vec<u8>,
    value: Vec<u8>,
}

impl Output {
    pub(crate) fn new(config: &RelayConfig, generations: &Generations) -> Self {
        let of = |generation: &Generation| {
            let id = generation.id.hyphenated().to_string();
            OwnedHeaders::new().insert(Header { key: GENERATION_HEADER, value: Some(&id) })
        };
        let plain = of(&generations.newest());
        let operation =
            |letter: &str| plain.clone().insert(Header { key: OPERATION_HEADER, value: Some(letter) });
        Self {
            events: generations
                .all()
                .iter()
                .map(|generation| (config.namespace.events_topic(generation.number), of(generation)))
                .collect(),
            users_topic: config.namespace.users_topic(),
            event_schema_id: config.assigned.event_schema_id,
            user_schema_id: config.assigned.user_schema_id,
            inserted: operation("i"),
            updated: operation("u"),
            plain,
            routes: Vec::new(),
            others: Vec::new(),
            key: Vec::new(),
            old_key: Vec::new(),
            value: Vec::new(),
        }
    }

    /// Takes a table's shape, before its first row and after each change.
    pub(crate) fn relation(&mut self, relation: &Relation) -> Result<(), RelayError> {
        let name = format!("{}.{}", relation.schema, relation.name);
        let (table, transcoder) = match name.as_str() {
            "raw.events" => (
                Table::Events,
                Transcoder::new(relation, Event::FIELDS, event::EVENT.user_id.name(), self.event_schema_id),
            ),
            "raw.users" => (
                Table::Users,
                Transcoder::new(relation, User::FIELDS, user::USER.user_id.name(), self.user_schema_id),
            ),
            // PostgreSQL announces a partition's own shape too, though its rows come under the root's.
            _ => {
                self.others.retain(|(oid, _)| *oid != relation.oid);
                self.others.push((relation.oid, name));
                return Ok(());
            }
        };
        let transcoder = transcoder.map_err(|source| RelayError::Shape { table: name.clone(), source })?;
        self.routes.retain(|route| route.oid != relation.oid && route.table != table);
        let ingested_at = match table {
            Table::Events => Instant::of(relation, event::EVENT.ingested_at.name()),
            Table::Users => None,
        };
        self.routes.push(Route { oid: relation.oid, name, table, transcoder, ingested_at });
        Ok(())
    }

    /// The names of tables, for messages.
    pub(crate) fn names(&self, oids: &[u32]) -> String {
        let name = |oid: &u32| {
            let known = self.routes.iter().find(|route| route.oid == *oid);
            known.map_or_else(|| format!("table {oid}"), |route| route.name.clone())
        };
        oids.iter().map(name).collect::<Vec<_>>().join(", ")
    }

    /// Hands a row's records to the producer.
    pub(crate) fn write(&mut self, producer: &mut Producer, row: &Message<'_>) -> Result<Written, Fault> {
        match row {
            Message::Insert { relation, new } => self.put(producer, *relation, new, None, true),
            Message::Update { relation, old, new } => self.put(producer, *relation, new, old.as_ref(), false),
            Message::Delete { relation, old } => self.delete(producer, *relation, old),
            _ => Ok(Written::Refused {
                table: Table::Events,
                ingested_at_us: None,
                error: RowError::Columns { actual: 0, expected: 0 },
            }),
        }
    }

    fn put(
        &mut self,
        producer: &mut Producer,
        oid: u32,
        new: &Tuple<'_>,
        old: Option<&Tuple<'_>>,
        inserted: bool,
    ) -> Result<Written, Fault> {
        let route = find(&self.routes, &self.others, oid)?;
        if let Err(error) = route.transcoder.transcode(new, &mut self.key, &mut self.value) {
            return Ok(Written::refused(route, new, error));
        }
        let bytes = (self.key.len() + self.value.len()) as u64;
        if route.table == Table::Events {
            for (topic, headers) in &self.events {
                producer.send(topic, &self.key, Some(&self.value), headers)?;
            }
            return Ok(Written::Out {
                table: Table::Events,
                bytes: bytes * self.events.len() as u64,
                ingested_at_us: route.ingested_at_us(new),
            });
        }
        // The row before is in the log when its key changed: under the old key there is nothing any more.
        if let Some(old) = old {
            if let Err(error) = route.transcoder.key(old, &mut self.old_key) {
                return Ok(Written::refused(route, new, error));
            }
            if self.old_key != self.key {
                producer.send(&self.users_topic, &self.old_key, None, &self.plain)?;
            }
        }
        let headers = if inserted { &self.inserted } else { &self.updated };
        producer.send(&self.users_topic, &self.key, Some(&self.value), headers)?;
        Ok(Written::Out { table: Table::Users, bytes, ingested_at_us: None })
    }

    fn delete(&mut self, producer: &mut Producer, oid: u32, old: &Tuple<'_>) -> Result<Written, Fault> {
        let route = find(&self.routes, &self.others, oid)?;
        if let Err(error) = route.transcoder.key(old, &mut self.key) {
            return Ok(Written::refused(route, old, error));
        }
        match route.table {
            // Only inserts of events are published.
            Table::Events => {
                let error = RowError::Columns { actual: 0, expected: 0 };
                return Ok(Written::refused(route, old, error));
            }
            Table::Users => producer.send(&self.users_topic, &self.key, None, &self.plain)?,
        }
        Ok(Written::Out { table: route.table, bytes: self.key.len() as u64, ingested_at_us: None })
    }
}

fn find<'a>(routes: &'a [Route], others: &[(u32, String)], oid: u32) -> Result<&'a Route, Fault> {
    if let Some(route) = routes.iter().find(|route| route.oid == oid) {
        return Ok(route);
    }
    Err(match others.iter().find(|(other, _)| *other == oid) {
        Some((_, table)) => RelayError::UnknownTable { table: table.clone() }.into(),
        None => Interrupted::UnannouncedTable { oid }.into(),
    })
}
