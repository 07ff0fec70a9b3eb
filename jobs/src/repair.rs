//! What the batch side has written, in `ops.repair`: verification excuses no row that a repair has covered,
//! and a rebuild goes on behind its last piece.

use tokio_postgres::Transaction;

use crate::batch::Piece;

/// What wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `storepulse reconcile`.
    Reconcile,
    /// `storepulse rebuild`.
    Rebuild,
}

impl Kind {
    /// As the table names it.
    fn as_str(self) -> &'static str {
        match self {
            Self::Reconcile => "reconcile",
            Self::Rebuild => "rebuild",
        }
    }
}

/// Records a piece that is written. Returns the repair's id.
pub(crate) async fn record(
    transaction: &Transaction<'_>,
    kind: Kind,
    piece: &Piece<'_>,
) -> Result<i64, tokio_postgres::Error> {
    let row = transaction
        .query_one(
            "insert into ops.repair (kind, revision, from_minute, to_minute, snapshot, family) \
             values ($1, $2, $3, $4, $5::text::pg_snapshot, $6) returning repair_id",
            &[
                &kind.as_str(),
                &piece.revision,
                &piece.range.start,
                &piece.range.end,
                &piece.snapshot,
                &piece.family.name,
            ],
        )
        .await?;
    Ok(row.get(0))
}
