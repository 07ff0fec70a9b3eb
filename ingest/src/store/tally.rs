//! What a writer counts for the ledger, by minute of `ingested_at`, and how it stands in `ops.ledger`.

use chrono::DateTime;
use uuid::Uuid;

/// The stage that a store counts for.
const STAGE: &str = "ingest";

/// The counts of one minute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Records handed in.
    pub(super) records_in: i64,
    /// Committed to `raw.events`.
    pub(super) records_out: i64,
    /// Not committed, since their id was there.
    pub(super) repeated: i64,
    /// Set aside.
    pub(super) quarantined: i64,
    /// Kept in `raw.other_events`.
    pub(super) other: i64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.records_in += other.records_in;
        self.records_out += other.records_out;
        self.repeated += other.repeated;
        self.quarantined += other.quarantined;
        self.other += other.other;
    }
}

/// Counts by minute, in µs since 1970. A batch has a minute or two, so they are looked through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tally(Vec<(i64, Counts)>);

impl Tally {
    #[inline]
    pub(super) fn add(&mut self, minute: i64, counts: Counts) {
        match self.0.iter_mut().rfind(|(known, _)| *known == minute) {
            Some((_, sum)) => *sum += counts,
            None => self.0.push((minute, counts)),
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for &(minute, counts) in &other.0 {
            self.add(minute, counts);
        }
    }

    /// What the rows came to when all of them were taken.
    pub(super) fn all_committed(&self) -> Self {
        let committed =
            |&(minute, counts): &(i64, Counts)| (minute, Counts { records_out: counts.records_in, ..counts });
        Self(self.0.iter().map(committed).collect())
    }

    /// The sum over all minutes.
    pub(super) fn total(&self) -> Counts {
        let mut total = Counts::default();
        for &(_, counts) in &self.0 {
            total += counts;
        }
        total
    }

    /// The statement, with its semicolon, that adds the counts to the writer's own; nothing where nothing was
    /// counted. Numbers and a UUID leave nothing to quote, and without parameters it can share its way to the
    /// server with the commit that follows.
    pub(super) fn statement(&self, writer: Uuid) -> String {
        if self.0.is_empty() {
            return String::new();
        }
        let mut minutes: Vec<&(i64, Counts)> = self.0.iter().collect();
        // One order for all writers: even rows of the same writer are never locked crosswise.
        minutes.sort_by_key(|(minute, _)| *minute);
        let values: Vec<String> = minutes
            .into_iter()
            .map(|(minute, counts)| {
                let at = DateTime::from_timestamp_micros(*minute).unwrap_or_default().to_rfc3339();
                let Counts { records_in, records_out, repeated, quarantined, other } = counts;
                format!(
                    "('{STAGE}', '{writer}', '{at}', {records_in}, {records_out}, {repeated}, {quarantined}, {other})"
                )
            })
            .collect();
        insert(&format!("values {}", values.join(", "))) + ";"
    }
}

/// Adds rows of counts to those that stand there.
fn insert(rows: &str) -> String {
    format!(
        "insert into ops.ledger as sum (stage, writer, minute, records_in, records_out, repeated, quarantined, other) {rows} \
         on conflict (minute, stage, writer) do update set \
         records_in = sum.records_in + excluded.records_in, records_out = sum.records_out + excluded.records_out, \
         repeated = sum.repeated + excluded.repeated, quarantined = sum.quarantined + excluded.quarantined, other = sum.other + excluded.other"
    )
}

/// The statement that counts what another one, named `fresh`, set aside at `quarantined_at`, for the writer
/// `$1`.
pub(super) fn count_set_aside() -> String {
    insert(&format!(
        "select '{STAGE}', $1::uuid, date_trunc('minute', quarantined_at, 'UTC'), count(*), 0, 0, count(*), 0 \
         from fresh group by 3 order by 3"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up_by_minute() {
        let row = |records_in| Counts { records_in, ..Counts::default() };
        let (mut one, mut two) = (Tally::default(), Tally::default());
        one.add(60, row(1));
        one.add(0, row(2));
        one.add(60, row(3));
        two.add(120, row(5));
        two.add(0, row(7));
        one.merge(&two);
        assert_eq!(one.0, [(60, row(4)), (0, row(9)), (120, row(5))]);
        let committed = one.all_committed().total();
        assert_eq!(committed, Counts { records_in: 18, records_out: 18, ..Counts::default() });
    }
}
