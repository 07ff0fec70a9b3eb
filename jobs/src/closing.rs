//! Closed windows: those that no record can still reach on time, cut into pieces that one batch computes.

use std::ops::Range;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use contracts::cube::WINDOW_US;
use contracts::event::EVENT;
use contracts::lateness::MAX_LATE_US;
use tokio_postgres::Client;

/// A record may need this long from the ingestor's clock to its commit.
const COMMIT_GRACE_US: i64 = 60 * 1_000_000;

/// The first window that is not closed at a time: a record of the window before is late by now, however slow its commit.
pub(crate) fn closed_to(now: DateTime<Utc>) -> DateTime<Utc> {
    minute_of(now - TimeDelta::microseconds(MAX_LATE_US + COMMIT_GRACE_US))
}

/// The window a time falls into.
pub(crate) fn minute_of(at: DateTime<Utc>) -> DateTime<Utc> {
    // Fails only beyond the range of ns since 1970, which no record reaches.
    at.duration_trunc(TimeDelta::microseconds(WINDOW_US)).unwrap_or(at)
}

/// A piece of a range of windows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) windows: Range<DateTime<Utc>>,
    pub(crate) events: i64,
}

/// Cuts windows into pieces of about so many events; windows without any are in none.
pub(crate) async fn pieces(
    client: &Client,
    windows: &Range<DateTime<Utc>>,
    events: i64,
) -> Result<Vec<Piece>, tokio_postgres::Error> {
    let occurred_at = EVENT.occurred_at;
    let sql = format!(
        "select date_trunc('minute', {occurred_at}, 'UTC'), count(*) from raw.events \
         where {occurred_at} >= $1 and {occurred_at} < $2 group by 1 order by 1"
    );
    let rows = client.query(&sql, &[&windows.start, &windows.end]).await?;
    Ok(cut(rows.iter().map(|row| (row.get(0), row.get(1))), events))
}

fn cut(minutes: impl Iterator<Item = (DateTime<Utc>, i64)>, at_most: i64) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for (minute, events) in minutes {
        let end = minute + TimeDelta::microseconds(WINDOW_US);
        match pieces.last_mut() {
            Some(piece) if piece.events + events <= at_most => {
                piece.windows.end = end;
                piece.events += events;
            }
            _ => pieces.push(Piece { windows: minute..end, events }),
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
    let sql = format!("select min({occurred_at}) from raw.events where {occurred_at} < $1");
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
        let pieces = cut(counts.into_iter(), 11);
        let piece = |from, to, events| Piece { windows: minute(from)..minute(to), events };
        assert_eq!(pieces, [piece(0, 8, 11), piece(8, 9, 30), piece(9, 10, 1)]);
    }
}
