//! What is in Kafka, record by record.

pub(crate) mod asked;
mod browse;
pub(crate) mod condition;
pub(crate) mod cursor;
mod decode;
mod lane;
mod partition;
pub(crate) mod record;
mod run;
pub(crate) mod schema;
pub(crate) mod search;
pub(crate) mod tail;
mod value;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use contracts::endpoints::Endpoints;
use rdkafka::error::KafkaResult;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::watch::kafka::reader::{Reader, Room};
use schema::Schemas;
use tail::Tails;

/// How many read at once.
const READERS: usize = 4;
/// How many stay connected while nobody searches: each keeps its buffers.
const IDLE: usize = 1;
/// How long a broker gathers records where there is nothing to answer with.
const GATHER: Duration = Duration::from_millis(50);

/// Reads records for whoever asks.
pub(crate) struct Browser {
    pub(crate) tails: Tails,
    pub(crate) schemas: Arc<Schemas>,
    endpoints: Endpoints,
    room: Arc<Semaphore>,
    /// Readers that are connected and read nothing at the moment.
    idle: Arc<Mutex<Vec<Reader>>>,
}

/// A reader on loan: it goes back when it is [returned](Loan::done), and is closed where it is not.
struct Loan {
    reader: Reader,
    idle: Arc<Mutex<Vec<Reader>>>,
    _room: OwnedSemaphorePermit,
}

impl Browser {
    pub(crate) fn new(endpoints: &Endpoints) -> Self {
        let schemas = Arc::new(Schemas::new(&endpoints.schema_registry_url));
        Self {
            tails: Tails::new(endpoints, &schemas),
            schemas,
            endpoints: endpoints.clone(),
            room: Arc::new(Semaphore::new(READERS)),
            idle: Arc::default(),
        }
    }

    /// A reader, where fewer than [`READERS`] are out.
    fn lend(&self) -> Option<KafkaResult<Loan>> {
        let room = Arc::clone(&self.room).try_acquire_owned().ok()?;
        let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let reader = match kept {
            Some(reader) => Ok(reader),
            None => Reader::open(&self.endpoints.kafka_brokers, GATHER, 1, Room::SEARCHING),
        };
        Some(reader.map(|reader| Loan { reader, idle: Arc::clone(&self.idle), _room: room }))
    }
}

impl Loan {
    /// Gives the reader back, which nothing has gone wrong with.
    fn done(self) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE && self.reader.assign(&[]).is_ok() {
            idle.push(self.reader);
        }
    }
}
