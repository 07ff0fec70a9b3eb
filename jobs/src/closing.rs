//! Closed windows: those that no record can still reach on time, cut into pieces that one batch computes.

use std::ops::Range;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use contracts::admission::SINCE_FLOOR;
use contracts::cube::WINDOW_US;
use contracts::event::EVENT;
use contracts::family::{Family, Geometry, SESSION_GAP_US};
use contracts::lateness::CLOSED_AFTER_US;
use tokio_postgres::Client;

/// The first window that is not closed at a time: a record of the window before is late by now, however slow
/// its commit.
pub(crate) fn closed_to(now: DateTime<Utc>) -> DateTime<Utc> {
    minute_of(now - TimeDelta::microseconds(CLOSED_AFTER_US))
}

/// The window a time falls into.
pub(crate) fn minute_of(at: DateTime<Utc>) -> DateTime<Utc> {
    // Fails only beyond the range of ns since 1970, which no record reaches.
    at.duration_trunc(TimeDelta::microseconds(WINDOW_US)).unwrap_or(at)
}

/// A whole step of a family's axis, at or before an instant.
pub(crate) fn step_of(family: &Family, at: DateTime<Utc>) -> DateTime<Utc> {
    let (step_us, _) = family.stretch_us();
    at.duration_trunc(TimeDelta::microseconds(step_us)).unwrap_or(at)
}

/// The first whole step at or after an instant.
pub(crate) fn step_after(family: &Family, at: DateTime<Utc>) -> DateTime<Utc> {
    let (step_us, _) = family.stretch_us();
    step_of(family, at + TimeDelta::microseconds(step_us - 1))
}

/// The range of a family's axis whose rows hold records of some whole minutes and are closed, when all
/// minutes before `closed_to` are. Sessions are closed as far back as there is none that may still grow.
pub(crate) async fn closed_rows(
    client: &Client,
    family: &Family,
    minutes: &Range<DateTime<Utc>>,
    closed_to: DateTime<Utc>,
) -> Result<Range<DateTime<Utc>>, tokio_postgres::Error> {
    let (step_us, length_us) = family.stretch_us();
    let us = TimeDelta::microseconds;
    let from = step_of(family, minutes.start - us(length_us - step_us));
    let last = step_of(family, minutes.end - us(1)) + us(step_us);
    let to = match family.geometry {
        Geometry::Sessions => {
            let (at, begun) = (EVENT.occurred_at, EVENT.session_started_at);
            let sql = format!("select min({begun}) from raw.events where {at} > $1");
            let open_from = closed_to - us(SESSION_GAP_US);
            let first_open: Option<DateTime<Utc>> = client.query_one(&sql, &[&open_from]).await?.get(0);
            last.min(closed_to).min(first_open.map_or(closed_to, minute_of))
        }
        Geometry::Windows { .. } | Geometry::Records => {
            last.min(step_of(family, closed_to - us(length_us)) + us(step_us))
        }
    };
    // What begins before the retention floor cannot be computed any more.
    let floor = provision::retention::floor(client).await?;
    let from = floor.map_or(from, |floor| from.max(step_after(family, floor)));
    Ok(from..to.max(from))
}

/// A piece of a range of a family's axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) windows: Range<DateTime<Utc>>,
    pub(crate) events: i64,
}

/// Cuts a range into pieces of about so many records; steps without any are in none.
pub(crate) async fn pieces(
    client: &Client,
    family: &Family,
    range: &Range<DateTime<Utc>>,
    events: i64,
) -> Result<Vec<Piece>, tokio_postgres::Error> {
    let (table, axis) = family.records();
    let (step_us, length_us) = family.stretch_us();
    // A window begins before its records; a visit does not begin before its declared start.
    let overlap_us = if family.geometry == Geometry::Sessions { 0 } else { length_us - step_us };
    let overlap = TimeDelta::microseconds(overlap_us);
    let step_us = step_us.max(WINDOW_US);
    let sql = format!(
        "select date_bin({step_us} * interval '1 microsecond', {axis}, timestamptz 'epoch'), count(*) from {table} \
         where {axis} >= $1 and {axis} < $2 group by 1 order by 1"
    );
    let rows = client.query(&sql, &[&range.start, &(range.end + overlap)]).await?;
    let mut pieces = cut(rows.iter().map(|row| (row.get(0), row.get(1))), events, step_us);
    let mut start = range.start;
    for piece in &mut pieces {
        piece.windows.end = piece.windows.end.min(range.end);
        piece.windows.start = (piece.windows.start - overlap).max(start);
        start = piece.windows.end;
    }
    pieces.retain(|piece| piece.windows.start < piece.windows.end);
    Ok(pieces)
}

fn cut(steps: impl Iterator<Item = (DateTime<Utc>, i64)>, at_most: i64, step_us: i64) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for (step, events) in steps {
        let end = step + TimeDelta::microseconds(step_us);
        match pieces.last_mut() {
            Some(piece) if piece.events + events <= at_most => {
                piece.windows.end = end;
                piece.events += events;
            }
            _ => pieces.push(Piece { windows: step..end, events }),
        }
    }
    pieces
}

/// The windows of all that is stored up to a window, or nothing where there is none.
pub(crate) async fn stored_windows(
    client: &Client,
    to: DateTime<Utc>,
) -> Result<Option<Range<DateTime<Utc>>>, tokio_postgres::Error> {
    let occurred_at = EVENT.occurred_at;
    let sql = format!("select min({occurred_at}) from raw.events where {occurred_at} < $1 and {SINCE_FLOOR}");
    let first: Option<DateTime<Utc>> = client.query_one(&sql, &[&to]).await?.get(0);
    Ok(first.map(|first| minute_of(first)..to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_window_is_closed_when_its_last_record_would_be_late() {
        // 10:00:59.999999 may arrive on time until 10:10:59.999999, and be committed until 10:11:59.999999.
        assert_eq!(closed_to(at("2026-01-01T10:11:59.999999Z")), at("2026-01-01T10:00:00Z"));
        assert_eq!(closed_to(at("2026-01-01T10:12:00Z")), at("2026-01-01T10:01:00Z"));
    }

    #[test]
    fn pieces_are_filled_and_leave_no_window_out() {
        let minute = |index: i64| at("2026-01-01T00:00:00Z") + TimeDelta::minutes(index);
        let counts = [(minute(0), 5), (minute(1), 5), (minute(7), 1), (minute(8), 30), (minute(9), 1)];
        let pieces = cut(counts.into_iter(), 11, WINDOW_US);
        let piece = |from, to, events| Piece { windows: minute(from)..minute(to), events };
        assert_eq!(pieces, [piece(0, 8, 11), piece(8, 9, 30), piece(9, 10, 1)]);
    }
}
