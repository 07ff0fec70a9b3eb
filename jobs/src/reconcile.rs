//! Reconciliation: closed windows are put right, late records included.
//!
//! What a window should hold is said by the independent SQL of [`audit`]; what is written comes from the plan
//! function in batch, at the next revision and from the same snapshot; and the tables are read again after,
//! so that the two must agree. What was changed is kept in `ops.repaired_figure`. Running it again changes
//! nothing.

use std::ops::Range;

use audit::{Closed, Difference, DifferenceKind, VerifyError};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::endpoints::Endpoints;
use contracts::family::{self, Family, Geometry};
use contracts::namespace::REPAIR_LOCK;
use provision::ProvisionError;
use scylla::client::session::Session;
use tokio_postgres::{Client, IsolationLevel};

use crate::batch::{self, BatchError};
use crate::closing::{self, Piece};
use crate::plans;
use crate::removal::{self, RemovalError};
use crate::repair::{self, Kind};

/// Events that one comparison holds the windows of: bounds memory and the time that verification waits.
const PIECE_EVENTS: i64 = 200_000;
/// Of what differed, so many are handed out; `ops.repaired_figure` has all.
pub const EXAMPLES: usize = 20;

/// What to reconcile.
#[derive(Debug, Clone)]
pub struct ReconcileConfig {
    pub endpoints: Endpoints,
    /// The first window; without it, the first that is stored.
    pub from: Option<DateTime<Utc>>,
    /// The window after the last; without it, the last closed one.
    pub to: Option<DateTime<Utc>>,
    /// The time by the ingestor's clock, which decides what is closed.
    pub now: DateTime<Utc>,
    /// Whether to compare only.
    pub dry_run: bool,
}

/// What a reconciliation came to.
#[derive(Debug, Default)]
pub struct Reconciled {
    /// The windows that were looked at, where any were.
    pub windows: Option<Range<DateTime<Utc>>>,
    /// Rows compared.
    pub rows: usize,
    /// How much differed, and is right now unless it was a dry run.
    pub differences: usize,
    /// The first of it, [`EXAMPLES`] at most.
    pub examples: Vec<Difference>,
    /// The revision that what was written carries.
    pub revision: Option<i64>,
}

/// How far it is.
#[derive(Debug, Clone)]
pub struct Progress {
    /// The family of metrics.
    pub family: &'static str,
    /// Its rows before this are done.
    pub done_to: DateTime<Utc>,
    /// Records of what is done, over all families.
    pub events: i64,
    /// Records of all that is to be done; each family counts them.
    pub all_events: i64,
}

/// Why windows could not be reconciled; those done before stay right.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// PostgreSQL failed.
    #[error("postgresql failed: check `storepulse stack status`, then run this again")]
    Postgres(#[from] tokio_postgres::Error),
    /// A service cannot be reached.
    #[error(transparent)]
    Provision(#[from] ProvisionError),
    /// Nothing could be compared.
    #[error(transparent)]
    Audit(#[from] VerifyError),
    /// Nothing could be written.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// A row could not be removed.
    #[error(transparent)]
    Removal(#[from] RemovalError),
    /// Raw records before this are gone: computing windows again would lose them.
    #[error(
        "windows before {floor} are before the retention floor: their records were removed, so these windows stay as \
         they are; start at the floor or later"
    )]
    BehindFloor { floor: DateTime<Utc> },
    /// A window that can still change.
    #[error("windows from {closed_to} on are not closed yet: records may still arrive on time; end earlier")]
    NotClosed {
        /// The first of them.
        closed_to: DateTime<Utc>,
    },
    /// A rebuild writes the same windows.
    #[error("a rebuild is under way: let `storepulse rebuild` end first")]
    RebuildOpen,
    /// Plan and SQL do not agree.
    #[error(
        "after revision {revision} was written, {count} figures still differ, the first: {first}; the plan and the \
         check disagree, which is a defect: report it, and leave the tables as they are"
    )]
    StillDiffers {
        /// The revision written.
        revision: i64,
        count: usize,
        /// One of them.
        first: String,
    },
}

/// Reconciles the windows asked for.
///
/// # Errors
/// [`ReconcileError`].
pub async fn run(
    config: &ReconcileConfig,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Reconciled, ReconcileError> {
    let endpoints = &config.endpoints;
    let mut client = provision::connect(&endpoints.pg_url).await?;
    let Some(windows) = windows(&client, config).await? else { return Ok(Reconciled::default()) };
    let session = provision::connect_cassandra(&endpoints.cassandra_contact_points).await?;
    let closed_to = closing::closed_to(config.now);
    let mut all = Vec::new();
    for family in family::families().filter(|family| family.repaired) {
        let rows = closing::closed_rows(&client, family, &windows, closed_to).await?;
        if rows.is_empty() {
            continue;
        }
        let pieces = closing::pieces(&client, family, &rows, PIECE_EVENTS).await?;
        all.extend(gapless(pieces, &rows).into_iter().map(|piece| (family, piece)));
    }
    let all_events = all.iter().map(|(_, piece)| piece.events).sum();
    let mut reconciled = Reconciled { windows: Some(windows.clone()), ..Reconciled::default() };
    let mut events = 0;
    for (family, Piece { windows: piece, events: of_piece }) in all {
        let done_to = piece.end;
        piece_of(config, &mut client, &session, family, piece, &mut reconciled).await?;
        events += of_piece;
        progress(Progress { family: family.name, done_to, events, all_events });
    }
    Ok(reconciled)
}

/// Pieces that meet each other, so that rows of windows without records are found too.
fn gapless(mut pieces: Vec<Piece>, windows: &Range<DateTime<Utc>>) -> Vec<Piece> {
    if pieces.is_empty() {
        return vec![Piece { windows: windows.clone(), events: 0 }];
    }
    let mut start = windows.start;
    for piece in &mut pieces {
        piece.windows.start = start;
        start = piece.windows.end;
    }
    if let Some(last) = pieces.last_mut() {
        last.windows.end = windows.end;
    }
    pieces
}

async fn windows(
    client: &Client,
    config: &ReconcileConfig,
) -> Result<Option<Range<DateTime<Utc>>>, ReconcileError> {
    let open = client.query_opt("select from ops.rebuild where ended_at is null", &[]).await?;
    if open.is_some() {
        return Err(ReconcileError::RebuildOpen);
    }
    let closed_to = closing::closed_to(config.now);
    let to = config.to.map_or(closed_to, closing::minute_of);
    if to > closed_to {
        return Err(ReconcileError::NotClosed { closed_to });
    }
    let floor = provision::retention::floor(client).await?;
    let from = match (config.from, floor) {
        (Some(from), Some(floor)) if from < floor => {
            return Err(ReconcileError::BehindFloor { floor });
        }
        (Some(from), _) => Some(closing::minute_of(from)),
        (None, _) => closing::stored_windows(client, to)
            .await?
            .map(|windows| windows.start.max(floor.unwrap_or(windows.start))),
    };
    Ok(from.filter(|from| *from < to).map(|from| from..to))
}

async fn piece_of(
    config: &ReconcileConfig,
    client: &mut Client,
    session: &Session,
    family: &'static Family,
    range: Range<DateTime<Utc>>,
    reconciled: &mut Reconciled,
) -> Result<(), ReconcileError> {
    let namespace = &config.endpoints.namespace;
    let key = namespace.advisory_lock(REPAIR_LOCK);
    // Verification must not read between what is written and what is recorded.
    client.execute("select pg_advisory_lock($1)", &[&key]).await?;
    let closed = {
        let transaction = client
            .build_transaction()
            .isolation_level(IsolationLevel::RepeatableRead)
            .read_only(true)
            .start()
            .await?;
        Closed::compute(&transaction, family, range).await?
    };
    let differences = closed.differences(session, namespace).await?;
    reconciled.rows += closed.rows();
    if !differences.is_empty() && !config.dry_run {
        let revision = match reconciled.revision {
            Some(revision) => revision,
            None => plans::next_revision(client).await?,
        };
        reconciled.revision = Some(revision);
        repair(config, client, session, family, &closed, &differences, revision).await?;
    }
    reconciled.differences += differences.len();
    let wanted = EXAMPLES.saturating_sub(reconciled.examples.len());
    reconciled.examples.extend(differences.into_iter().take(wanted));
    client.execute("select pg_advisory_unlock($1)", &[&key]).await?;
    Ok(())
}

async fn repair(
    config: &ReconcileConfig,
    client: &mut Client,
    session: &Session,
    family: &'static Family,
    closed: &Closed,
    differences: &[Difference],
    revision: i64,
) -> Result<(), ReconcileError> {
    let endpoints = &config.endpoints;
    let Some(range) = differing(family, closed, differences) else { return Ok(()) };
    let piece = batch::Piece {
        family,
        range: &range,
        snapshot: closed.snapshot(),
        records: batch::Records::All,
        revision,
    };
    batch::write(endpoints, &piece).await?;
    for difference in differences {
        if difference.kind == DifferenceKind::TooMany
            && let Some((_, grouping)) = family::table(difference.table)
        {
            removal::remove(session, &endpoints.namespace, grouping, &difference.key, revision).await?;
        }
    }
    let left = closed.differences(session, &endpoints.namespace).await?;
    if let Some(first) = left.first() {
        return Err(ReconcileError::StillDiffers { revision, count: left.len(), first: first.to_string() });
    }
    record(client, &piece, differences).await?;
    Ok(())
}

/// The stretch of the axis that differs; of sessions, whose keys do not tell it, all that was compared.
fn differing(family: &Family, closed: &Closed, differences: &[Difference]) -> Option<Range<DateTime<Utc>>> {
    if family.geometry == Geometry::Sessions {
        return (!differences.is_empty()).then(|| closed.range().clone());
    }
    let axis = differences.iter().map(|difference| {
        closing::step_of(family, difference.key.at - TimeDelta::microseconds(family.at_us()))
    });
    let (first, last) = (axis.clone().min()?, axis.max()?);
    Some(first..last + TimeDelta::microseconds(family.stretch_us().0))
}

async fn record(
    client: &mut Client,
    piece: &batch::Piece<'_>,
    differences: &[Difference],
) -> Result<(), tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    let repair_id = repair::record(&transaction, Kind::Reconcile, piece).await?;
    let tables: Vec<&str> = differences.iter().map(|difference| difference.table).collect();
    let keys: Vec<String> = differences.iter().map(|difference| difference.key.to_string()).collect();
    let (mut measures, mut found, mut expected) = (Vec::new(), Vec::new(), Vec::new());
    for difference in differences {
        let (measure, was, is) = match &difference.kind {
            DifferenceKind::Missing => (None, None, Some("a row".to_owned())),
            DifferenceKind::TooMany => (None, Some("a row".to_owned()), None),
            DifferenceKind::Figure { measure, expected, found } => {
                (Some(*measure), Some(found.to_string()), Some(expected.to_string()))
            }
        };
        measures.push(measure);
        found.push(was);
        expected.push(is);
    }
    transaction
        .execute(
            "insert into ops.repaired_figure (repair_id, table_name, row_key, measure, found, expected) \
             select $1, * from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[])",
            &[&repair_id, &tables, &keys, &measures, &found, &expected],
        )
        .await?;
    transaction.commit().await
}
