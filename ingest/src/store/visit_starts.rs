//! The starts of visits, where senders tell none.
//!
//! Visits are counted by `session_start` events. Many clients send no such event: their events say that they may stand for one
//! ([`VisitStart`]), and once PostgreSQL has told the visits, each visit that has no start yet gets one. Its id is made of the visit's, so
//! that it counts once whoever infers it. An event that is stored already infers none: a retry whose clock was corrected otherwise may
//! seem to belong to another visit.

use std::collections::{HashMap, HashSet};

use contracts::admission::Admission;
use contracts::ids;
use contracts::validation::{Accepted, Claim, VisitStart};
use tokio_postgres::{Client, Error};
use uuid::Uuid;

use super::admission::before_floor;
use super::connection::Store;
use super::error::StoreError;
use super::identity;
use super::rows::EncodedRows;

const OTHERS: &str = "select stored.source, stored.id
    from unnest($1::text[], $2::text[]) told (source, id)
        join raw.other_events stored on stored.source = told.source and stored.id = told.id";

/// What is stored of what infers starts.
#[derive(Debug, Default)]
struct Stored {
    /// The identities of events and pages.
    told: HashSet<Uuid>,
    /// Those of starts.
    starts: HashSet<Uuid>,
}

/// What is asked about.
struct Questions {
    claims: Vec<Claim>,
    /// Sources and ids of the pages, and the identity of each.
    pages: HashMap<(String, String), Uuid>,
    starts: Vec<Accepted>,
}

impl Questions {
    fn of(rows: &EncodedRows) -> Option<Self> {
        let inferring = || rows.waiting().filter(|accepted| accepted.visit_start != VisitStart::Told);
        inferring().next()?;
        let seen = inferring().any(|accepted| accepted.visit_start == VisitStart::Seen);
        let identity = |source: &str, id: &str| ids::identity(&ids::rekeyed(Default::default(), source, id));
        let pages = rows.others().filter(|_| seen).map(|kept| {
            let key = (kept.source.clone(), kept.event.id.clone());
            let identity = identity(&key.0, &key.1);
            (key, identity)
        });
        Some(Self {
            claims: inferring()
                .filter(|accepted| accepted.visit_start == VisitStart::Beside)
                .filter_map(|accepted| accepted.claim)
                .collect(),
            pages: pages.collect(),
            starts: inferring().map(Accepted::start_of_visit).collect(),
        })
    }

    async fn ask(&self, client: &Client, admission: &Admission) -> Result<Stored, Error> {
        let mut stored = Stored::default();
        stored.told.extend(identity::repeated(client, &self.claims).await?.keys().map(ids::identity));
        if !self.pages.is_empty() {
            let (sources, page_ids): (Vec<&str>, Vec<&str>) =
                self.pages.keys().map(|(source, id)| (source.as_str(), id.as_str())).unzip();
            for row in client.query(OTHERS, &[&sources, &page_ids]).await? {
                stored.told.extend(self.pages.get(&(row.get(0), row.get(1))));
            }
        }
        let starts: Vec<Uuid> = self.starts.iter().map(|start| start.event.event_id).collect();
        stored.starts.extend(identity::held(client, &starts).await?.iter().map(ids::identity));
        // What would be refused is not made.
        let refused = self.starts.iter().filter(|Accepted { event, .. }| {
            admission.is_erased(&event.user_id) || before_floor(admission, event.occurred_at).is_err()
        });
        stored.starts.extend(refused.map(|start| ids::identity(&start.event.event_id)));
        Ok(stored)
    }
}

impl Store {
    /// Adds the starts of visits that have none yet. Returns the ids of events that are themselves starts, each with the id that it has
    /// as one.
    pub(super) async fn add_visit_starts(
        &mut self,
        rows: &mut EncodedRows,
    ) -> Result<Vec<(Uuid, Uuid)>, StoreError> {
        let Some(questions) = Questions::of(rows) else { return Ok(Vec::new()) };
        let ask = async |client: &mut Client, admission: &Admission| questions.ask(client, admission).await;
        let stored = self.admitted("look for the starts of visits", ask).await?;
        let mut starts = Starts { stored, begun: HashSet::new(), renamed: Vec::new() };
        rows.replace_waiting(|accepted| starts.of(accepted));
        Ok(starts.renamed)
    }
}

struct Starts {
    stored: Stored,
    /// The visits that begin in this transaction.
    begun: HashSet<Uuid>,
    renamed: Vec<(Uuid, Uuid)>,
}

impl Starts {
    /// The events that stand for this one: itself, a start, both or nothing.
    fn of(&mut self, accepted: Accepted) -> Vec<Accepted> {
        let start = || accepted.start_of_visit();
        match accepted.visit_start {
            VisitStart::Told => vec![accepted],
            VisitStart::Itself => {
                let start = start();
                self.begun.insert(start.event.session_id);
                self.renamed.push((accepted.event.event_id, start.event.event_id));
                vec![start]
            }
            VisitStart::Beside | VisitStart::Seen => {
                let start = start();
                let is_new = self.is_new(&accepted) && self.begins(&start);
                let event = (accepted.visit_start == VisitStart::Beside).then_some(accepted);
                event.into_iter().chain(is_new.then_some(start)).collect()
            }
        }
    }

    /// Whether it is the first time that it is told; of several in one transaction the first.
    fn is_new(&mut self, accepted: &Accepted) -> bool {
        accepted.claim.is_none_or(|claim| self.stored.told.insert(ids::identity(&claim.event_id)))
    }

    fn begins(&mut self, start: &Accepted) -> bool {
        !self.stored.starts.contains(&ids::identity(&start.event.event_id))
            && self.begun.insert(start.event.session_id)
    }
}
