//! The starts of visits, where senders tell none.
//!
//! Visits are counted by `session_start` events. Many clients send no such event: their events say that they
//! may stand for one ([`VisitStart`]), and once PostgreSQL has told the visits, each visit that has no start
//! yet gets one. Its id is made of the visit's, so that it counts once whoever infers it.
//!
//! The times of such clients are corrected by the time of receipt, so that a retry has another time. It must
//! not begin a visit of its own: what is stored already takes no part in telling visits.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
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

/// Visits without an id of their sender's that began shortly before another one of the same visitor:
/// corrected times are not exact, so that the second event of a visit may seem to be the first.
const SHORTLY_BEFORE: &str =
    "select start from unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) told (start, visitor, at)
    where exists (
        select from raw.visit later
        where later.visitor_id = told.visitor and later.told_id = '00000000-0000-0000-0000-000000000000'
            and later.started_at > told.at and later.started_at <= told.at + interval '10 seconds'
    )";

/// Events and pages that may be stored already.
struct Candidates {
    claims: Vec<Claim>,
    /// Sources and ids of the pages, and the identity of each.
    pages: HashMap<(String, String), Uuid>,
}

impl Candidates {
    fn of(rows: &EncodedRows) -> Option<Self> {
        let of = |kind: VisitStart| rows.waiting().filter(move |accepted| accepted.visit_start == kind);
        let claims: Vec<Claim> = of(VisitStart::Beside).filter_map(|accepted| accepted.claim).collect();
        let mut pages = HashMap::new();
        if of(VisitStart::Seen).next().is_some() {
            for kept in rows.others() {
                let (source, id) = (&kept.source, &kept.event.id);
                let identity = ids::identity(&ids::rekeyed(Default::default(), source, id));
                pages.insert((source.clone(), id.clone()), identity);
            }
        }
        (!claims.is_empty() || !pages.is_empty()).then_some(Self { claims, pages })
    }

    /// The identities of those that are stored, at whatever time: times that differ by less than a
    /// millisecond make one id.
    async fn stored(&self, client: &Client) -> Result<HashSet<Uuid>, Error> {
        let mut stored: HashSet<Uuid> =
            identity::told_before(client, &self.claims).await?.keys().map(ids::identity).collect();
        let claimed: Vec<Uuid> = self.claims.iter().map(|claim| claim.event_id).collect();
        stored.extend(identity::held(client, &claimed).await?.iter().map(|(id, _)| ids::identity(id)));
        if !self.pages.is_empty() {
            let (sources, page_ids): (Vec<&str>, Vec<&str>) =
                self.pages.keys().map(|(source, id)| (source.as_str(), id.as_str())).unzip();
            for row in client.query(OTHERS, &[&sources, &page_ids]).await? {
                stored.extend(self.pages.get(&(row.get(0), row.get(1))));
            }
        }
        Ok(stored)
    }
}

impl Store {
    /// Keeps what is stored already out of telling visits; of several in one transaction all but the first.
    pub(super) async fn leave_out_repeats(&mut self, rows: &mut EncodedRows) -> Result<(), StoreError> {
        let Some(candidates) = Candidates::of(rows) else { return Ok(()) };
        let ask = async |client: &mut Client| candidates.stored(client).await;
        let mut known = self.repeatable("look for what is told again", ask).await?;
        rows.replace_waiting(|mut accepted| {
            let infers = matches!(accepted.visit_start, VisitStart::Beside | VisitStart::Seen);
            let identity = accepted.claim.filter(|_| infers).map(|claim| ids::identity(&claim.event_id));
            if identity.is_none_or(|identity| known.insert(identity)) {
                return vec![accepted];
            }
            let is_page = accepted.visit_start == VisitStart::Seen;
            (accepted.open, accepted.visit_start) = (None, VisitStart::Told);
            if is_page { Vec::new() } else { vec![accepted] }
        });
        Ok(())
    }

    /// Adds the starts of visits that have none yet. Returns the ids of events that are themselves starts,
    /// each with the id that it has as one.
    pub(super) async fn add_visit_starts(
        &mut self,
        rows: &mut EncodedRows,
    ) -> Result<Vec<(Uuid, Vec<Uuid>)>, StoreError> {
        let inferring = rows.waiting().filter(|accepted| accepted.visit_start != VisitStart::Told);
        let starts: Vec<Accepted> = inferring.map(Accepted::start_of_visit).collect();
        if starts.is_empty() {
            return Ok(Vec::new());
        }
        let ask = async |client: &mut Client, admission: &Admission| {
            not_to_be_made(client, admission, &starts).await
        };
        let begun = self.admitted("look for the starts of visits", ask).await?;
        let mut visits = Visits { begun, renamed: Vec::new() };
        rows.replace_waiting(|accepted| visits.of(accepted));
        Ok(visits.renamed)
    }
}

/// The identities of those starts that are stored, of those whose visit is another one's beginning, and of
/// those that would be refused.
async fn not_to_be_made(
    client: &Client,
    admission: &Admission,
    starts: &[Accepted],
) -> Result<HashSet<Uuid>, Error> {
    let start_ids: Vec<Uuid> = starts.iter().map(|start| start.event.event_id).collect();
    let mut identities: HashSet<Uuid> =
        identity::held(client, &start_ids).await?.iter().map(|(id, _)| ids::identity(id)).collect();
    let visitors: Vec<Uuid> = starts.iter().map(|start| start.event.user_id).collect();
    let times: Vec<DateTime<Utc>> = starts.iter().map(|start| start.event.occurred_at).collect();
    let before = client.query(SHORTLY_BEFORE, &[&start_ids, &visitors, &times]).await?;
    identities.extend(before.iter().map(|row| ids::identity(&row.get(0))));
    let refused = starts.iter().filter(|Accepted { event, .. }| {
        admission.is_erased(&event.user_id) || before_floor(admission, event.occurred_at).is_err()
    });
    identities.extend(refused.map(|start| ids::identity(&start.event.event_id)));
    Ok(identities)
}

struct Visits {
    /// The identities of the starts that are not to be made any more.
    begun: HashSet<Uuid>,
    renamed: Vec<(Uuid, Vec<Uuid>)>,
}

impl Visits {
    /// What stands for an event: itself, a start, both or nothing.
    fn of(&mut self, accepted: Accepted) -> Vec<Accepted> {
        if accepted.visit_start == VisitStart::Told {
            return vec![accepted];
        }
        let start = accepted.start_of_visit();
        let begins = self.begun.insert(ids::identity(&start.event.event_id));
        match accepted.visit_start {
            VisitStart::Itself => {
                self.renamed.push((accepted.event.event_id, vec![start.event.event_id]));
                vec![start]
            }
            VisitStart::Beside if begins => vec![accepted, start],
            VisitStart::Seen if begins => vec![start],
            VisitStart::Seen => Vec::new(),
            VisitStart::Beside | VisitStart::Told => vec![accepted],
        }
    }
}
