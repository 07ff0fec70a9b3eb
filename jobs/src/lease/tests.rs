//! Supervisors with clocks and pauses of their own against one row: no two of them ever believe in it at
//! once.

use proptest::prelude::*;

use super::*;

/// A supervisor, as far as the lease goes.
#[derive(Default)]
struct Supervisor {
    /// What it read and when it asked, between reading and writing.
    read: Option<(Lease, DateTime<Utc>, Instant)>,
    held: Option<(i64, Tenure)>,
}

/// What happens next.
#[derive(Debug, Clone)]
enum Step {
    /// Time passes, in ms: a pause of everybody, in which leases may expire.
    Wait(u64),
    /// One asks for the row.
    Read(usize),
    /// One writes what follows from what it read, however long ago that was.
    Write(usize),
    /// One gives its lease back: what it then writes frees it.
    Release(usize),
}

const SUPERVISORS: usize = 3;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = 0..SUPERVISORS;
    let step = prop_oneof![
        2 => (0u64..4_000).prop_map(Step::Wait),
        1 => (8_000u64..12_000).prop_map(Step::Wait),
        4 => who.clone().prop_map(Step::Read),
        5 => who.clone().prop_map(Step::Write),
        1 => who.prop_map(Step::Release),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn one_valid_holder_at_most_and_numbers_that_grow(steps in steps()) {
        let began = Instant::now();
        let epoch = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let mut passed = Duration::ZERO;
        let mut row = Lease { holder: String::new(), fencing: 0, renewed_at: epoch, expires_at: epoch };
        let mut supervisors: [Supervisor; SUPERVISORS] = Default::default();
        let mut holders = Vec::new();
        for step in steps {
            let now = epoch + passed;
            match step {
                Step::Wait(ms) => passed += Duration::from_millis(ms),
                Step::Read(who) => supervisors[who].read = Some((row.clone(), now, began + passed)),
                Step::Write(who) => {
                    let Some((read, at, asked_at)) = supervisors[who].read.take() else { continue };
                    let held = supervisors[who].held;
                    let new = match held {
                        Some((fencing, _)) => read.renewed(fencing, at),
                        None => read.taken(&who.to_string(), at),
                    };
                    match new {
                        // Nothing was written since it was read.
                        Some(new) if row == read => {
                            if held.is_none() {
                                holders.push(new.fencing);
                            }
                            supervisors[who].held = Some((new.fencing, Tenure::since(asked_at)));
                            row = new;
                        }
                        Some(_) => {}
                        None => supervisors[who].held = None,
                    }
                }
                Step::Release(who) => {
                    let Some((fencing, _)) = supervisors[who].held.take() else { continue };
                    supervisors[who].read = None;
                    if let Some(released) = row.released(fencing, now) {
                        row = released;
                    }
                }
            }
            let valid = supervisors
                .iter()
                .filter(|supervisor| {
                    supervisor.held.is_some_and(|(_, tenure)| tenure.is_valid(began + passed))
                })
                .count();
            prop_assert!(valid <= 1, "{} valid holders", valid);
        }
        prop_assert!(holders.is_sorted_by(|a, b| a < b), "{:?}", holders);
    }
}

#[test]
fn a_lease_is_free_exactly_when_it_expires() {
    let now = Utc::now();
    let free = Lease { holder: String::new(), fencing: 6, renewed_at: now, expires_at: now };
    let taken = free.taken("a", now).unwrap();
    assert_eq!((taken.fencing, taken.expires_at), (7, now + TERM));
    assert!(taken.taken("b", now + TERM - TimeDelta::microseconds(1)).is_none());
    assert_eq!(taken.taken("b", now + TERM).unwrap().fencing, 8);
    assert!(taken.renewed(6, now).is_none() && taken.released(6, now).is_none());
}
