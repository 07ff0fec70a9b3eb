//! What lies before a rebuild's cut, computed in batch: closed rows only, piece by piece, each from one
//! snapshot and recorded with what it wrote, so that a run that died goes on behind its last piece.

use std::ops::Range;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::cube::WINDOW_US;
use contracts::family::{CUBE_FAMILY, FAMILIES_BESIDE, Family};
use contracts::namespace::REPAIR_LOCK;
use tokio_postgres::{Client, GenericClient};
use tokio_util::sync::CancellationToken;

use super::{Progress, ROWS_END_WITHIN, RebuildConfig, RebuildError};
use crate::batch;
use crate::closing::{self, Piece};
use crate::repair::{self, Kind};

/// Events of one piece: bounds what is done again after a crash, and how long verification waits.
const PIECE_EVENTS: i64 = 500_000;

/// A rebuild whose cut is chosen.
pub(super) struct Filling<'a> {
    pub(super) config: &'a RebuildConfig,
    pub(super) client: &'a mut Client,
    /// The stream owns the windows from here on.
    pub(super) cut: DateTime<Utc>,
    /// The revision of what is written.
    pub(super) revision: i64,
    pub(super) cancel: &'a CancellationToken,
    pub(super) progress: &'a (dyn Fn(Progress) + Sync),
}

impl Filling<'_> {
    /// Writes every window of the cube before the cut, once it is closed. Returns how many events they had.
    pub(super) async fn cube(&mut self) -> Result<i64, RebuildError> {
        let cut = self.cut;
        let sql = "select done_to from ops.rebuild where ended_at is null";
        let mut done_to: Option<DateTime<Utc>> = self.client.query_one(sql, &[]).await?.get(0);
        let mut events = 0;
        loop {
            // A clock that stands still is taken to have gone on until all is closed: nothing is ingested
            // meanwhile.
            let closed_to =
                if self.config.at.is_some() { cut } else { closing::closed_to(Utc::now()).min(cut) };
            let from = match done_to {
                Some(done_to) => Some(done_to),
                None => closing::stored_windows(self.client, closed_to).await?.map(|windows| windows.start),
            };
            if let Some(from) = from.filter(|from| *from < closed_to) {
                let before = events;
                events +=
                    self.pieces(&CUBE_FAMILY, from..closed_to, |done_to, written, of_events| {
                        Progress::Writing { done_to, events: before + written, of_events: before + of_events }
                    })
                    .await?;
            }
            mark_done(self.client, closed_to).await?;
            done_to = Some(closed_to);
            if closed_to == cut {
                return Ok(events);
            }
            // Closed when the clock has gone on by what it is behind.
            let now = Utc::now();
            let until = now + (closed_to + TimeDelta::microseconds(WINDOW_US) - closing::closed_to(now));
            (self.progress)(Progress::Closing { until });
            tokio::select! {
                () = self.cancel.cancelled() => return Err(RebuildError::Interrupted),
                () = tokio::time::sleep(next_minute(now)) => {}
            }
        }
    }

    /// Writes the rows of the families beside the cube from before the cut, as far as they are closed and not
    /// written yet.
    pub(super) async fn beside(&mut self) -> Result<(), RebuildError> {
        let Some(stored) = closing::stored_windows(self.client, self.cut).await? else { return Ok(()) };
        for family in FAMILIES_BESIDE.iter().filter(|family| family.repaired) {
            // A clock that stands still is taken to have gone on until all is closed.
            let still = self.config.at.is_some();
            let closed_to = if still { self.cut + ROWS_END_WITHIN } else { closing::closed_to(Utc::now()) };
            let mut rows = closing::closed_rows(self.client, family, &stored, closed_to).await?;
            // Behind the cut the stream writes.
            rows.end = rows.end.min(closing::step_after(family, self.cut));
            let done = "select max(to_minute) from ops.repair where family = $1 and revision = $2";
            let done = self.client.query_one(done, &[&family.name, &self.revision]).await?;
            rows.start = rows.start.max(done.get::<_, Option<DateTime<Utc>>>(0).unwrap_or(rows.start));
            if rows.is_empty() {
                continue;
            }
            let told = |_, events, of_events| Progress::Family { family: family.name, events, of_events };
            self.pieces(family, rows, told).await?;
        }
        Ok(())
    }

    /// Writes a range of a family's axis and tells, before each piece and at the end, to where it is written,
    /// how many records that were and how many there are. Returns that number.
    async fn pieces(
        &mut self,
        family: &'static Family,
        range: Range<DateTime<Utc>>,
        told: impl Fn(DateTime<Utc>, i64, i64) -> Progress,
    ) -> Result<i64, RebuildError> {
        let pieces = closing::pieces(self.client, family, &range, PIECE_EVENTS).await?;
        let of_events = pieces.iter().map(|piece| piece.events).sum();
        let (mut done_to, mut written) = (range.start, 0);
        for Piece { windows, events } in pieces {
            (self.progress)(told(done_to, written, of_events));
            done_to = windows.end;
            let cancel = self.cancel;
            tokio::select! {
                () = cancel.cancelled() => return Err(RebuildError::Interrupted),
                piece = self.write(family, windows) => piece?,
            }
            written += events;
        }
        (self.progress)(told(done_to, written, of_events));
        Ok(written)
    }

    /// One piece, from one snapshot.
    async fn write(
        &mut self,
        family: &'static Family,
        windows: Range<DateTime<Utc>>,
    ) -> Result<(), RebuildError> {
        let Self { config, client, revision, .. } = self;
        let key = config.endpoints.namespace.advisory_lock(REPAIR_LOCK);
        // Verification must not read between what is written and what is recorded.
        client.execute("select pg_advisory_lock($1)", &[&key]).await?;
        let snapshot = provision::cluster::snapshot(&**client, family, &windows).await?;
        let piece = batch::Piece {
            family,
            range: &windows,
            snapshot: &snapshot,
            records: batch::Records::All,
            revision: *revision,
        };
        batch::write(&config.endpoints, &piece).await?;
        let transaction = client.transaction().await?;
        repair::record(&transaction, Kind::Rebuild, &piece).await?;
        if *family == CUBE_FAMILY {
            mark_done(&transaction, windows.end).await?;
        }
        transaction.commit().await?;
        client.execute("select pg_advisory_unlock($1)", &[&key]).await?;
        Ok(())
    }
}

async fn mark_done(client: &impl GenericClient, done_to: DateTime<Utc>) -> Result<(), tokio_postgres::Error> {
    client.execute("update ops.rebuild set done_to = $1 where ended_at is null", &[&done_to]).await?;
    Ok(())
}

/// How long until the next whole minute, when the next window closes.
fn next_minute(now: DateTime<Utc>) -> Duration {
    (closing::minute_of(now) + TimeDelta::microseconds(WINDOW_US) - now)
        .to_std()
        .unwrap_or(Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn the_next_window_closes_at_a_whole_minute() {
        assert_eq!(next_minute(at("2026-01-01T10:00:30Z")), Duration::from_secs(30));
        assert_eq!(next_minute(at("2026-01-01T10:00:00Z")), Duration::from_secs(60));
    }
}
