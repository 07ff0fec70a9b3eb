use proptest::prelude::*;

use super::*;

const START: Place = Place { lsn: 10, partial_lsn: 0, partial_rows: 0 };

/// What a session does at one step of the log.
#[derive(Debug, Clone, Copy)]
enum Step {
    Nothing,
    /// Commits what was taken, together with the position.
    Commit,
    /// Dies: what was not committed is delivered again.
    Die,
    /// Commits, then dies.
    CommitAndDie,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => Just(Step::Nothing),
        2 => Just(Step::Commit),
        1 => Just(Step::Die),
        1 => Just(Step::CommitAndDie),
    ];
    prop::collection::vec(step, 1..200)
}

/// A log: for each transaction its commit record, its end, its rows. PostgreSQL sends those whose commit
/// record is not before where it was asked to start.
fn log(rows: &[u64]) -> Vec<(u64, u64, u64)> {
    (0u64..).zip(rows).map(|(index, rows)| (100 + index * 10, 105 + index * 10, *rows)).collect()
}

enum Message {
    Begin(u64),
    Row(u64, u64),
    Commit(u64, u64),
    Idle(u64),
}

fn delivered(log: &[(u64, u64, u64)], from: u64) -> Vec<Message> {
    let mut messages = Vec::new();
    for &(lsn, end, rows) in log.iter().filter(|(lsn, ..)| *lsn >= from) {
        messages.push(Message::Begin(lsn));
        messages.extend((1..=rows).map(|row| Message::Row(lsn, row)));
        messages.push(Message::Commit(lsn, end));
        messages.push(Message::Idle(end + 2));
    }
    messages
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn however_often_it_dies_every_row_goes_out_once(
        rows in prop::collection::vec(0u64..9, 1..8),
        steps in steps(),
    ) {
        let log = log(&rows);
        let expected: Vec<_> =
            log.iter().flat_map(|(lsn, _, rows)| (1..=*rows).map(|row| (*lsn, row))).collect();
        let mut out = Vec::new();
        let mut position = START;
        let mut steps = steps.into_iter();
        'session: loop {
            let mut tracker = Tracker::new(position);
            let mut taken = Vec::new();
            for message in delivered(&log, position.lsn) {
                match message {
                    Message::Begin(lsn) => tracker.begin(lsn).unwrap(),
                    Message::Row(lsn, row) => {
                        if tracker.row().unwrap() {
                            taken.push((lsn, row));
                        }
                    }
                    Message::Commit(lsn, end) => {
                        tracker.commit(lsn, end).unwrap();
                    }
                    Message::Idle(end) => tracker.idle(end).unwrap(),
                }
                let step = steps.next().unwrap_or(Step::Nothing);
                if matches!(step, Step::Commit | Step::CommitAndDie) {
                    out.append(&mut taken);
                    prop_assert!(tracker.place().lsn >= position.lsn);
                    position = tracker.place();
                }
                if matches!(step, Step::Die | Step::CommitAndDie) {
                    continue 'session;
                }
            }
            out.append(&mut taken);
            break;
        }
        prop_assert_eq!(out, expected);
    }
}

#[test]
fn a_position_inside_a_transaction_confirms_only_what_came_before() {
    let mut tracker = Tracker::new(START);
    tracker.begin(100).unwrap();
    assert_eq!(tracker.place(), START);
    tracker.row().unwrap();
    tracker.row().unwrap();
    tracker.idle(400).unwrap();
    assert_eq!(tracker.place(), Place { lsn: 10, partial_lsn: 100, partial_rows: 2 });
    assert_eq!(tracker.commit(100, 105).unwrap(), 2);
    assert_eq!(tracker.place(), Place { lsn: 105, partial_lsn: 0, partial_rows: 0 });
}

#[test]
fn an_unfinished_transaction_must_come_again_as_it_was() {
    let place = Place { lsn: 10, partial_lsn: 100, partial_rows: 2 };
    let changed = |result: Result<(), RelayError>| matches!(result, Err(RelayError::PartialChanged { .. }));

    let mut tracker = Tracker::new(place);
    assert!(changed(tracker.begin(110)), "passed over");
    let mut tracker = Tracker::new(place);
    assert!(tracker.idle(100).is_ok(), "the server has not read its commit record yet");
    assert!(changed(tracker.idle(101)), "passed over without rows");
    let mut tracker = Tracker::new(place);
    tracker.begin(90).unwrap();
    assert!(changed(tracker.row().map(drop)), "rows before it");
    let mut tracker = Tracker::new(place);
    tracker.begin(100).unwrap();
    assert!(!tracker.row().unwrap());
    assert_eq!(tracker.place(), place, "while rows are passed over the position stays");
    assert!(changed(tracker.commit(100, 105).map(drop)), "fewer rows");
}

#[test]
fn what_is_out_of_order_is_refused() {
    let order = |result: Result<(), RelayError>| matches!(result, Err(RelayError::Order { .. }));
    let mut tracker = Tracker::new(START);
    assert!(order(tracker.row().map(drop)));
    assert!(order(tracker.commit(100, 105).map(drop)));
    tracker.begin(100).unwrap();
    assert!(order(tracker.begin(110)));
    assert!(order(tracker.commit(110, 115).map(drop)));
}
