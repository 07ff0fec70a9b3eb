//! A great many spoilt records at the edge: the API's parser and the validation of events say of each what
//! rules written down a second time say.
//!
//! `STOREPULSE_LONG_TESTS=1` runs a million of each; `STOREPULSE_SEED` repeats a run whose seed was printed.

mod json;
mod rules;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use contracts::Reason;
use contracts::validation::accept;
use ingest::source::draft;
use ingest::source::randomuser::{Page, PageRequest, read_record};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use json::{Spoiler, spoilt_bytes};

fn records() -> usize {
    if is_long() { 1_000_000 } else { 50_000 }
}

fn is_long() -> bool {
    std::env::var_os("STOREPULSE_LONG_TESTS").is_some_and(|value| value == "1")
}

fn rng() -> ChaCha8Rng {
    let seed: u64 = match std::env::var("STOREPULSE_SEED") {
        Ok(text) => text.parse().unwrap(),
        // What lands is tried with the same records each time; a long run looks for others.
        Err(_) if !is_long() => 1,
        Err(_) => u64::try_from(Utc::now().timestamp_millis()).unwrap(),
    };
    println!("STOREPULSE_SEED={seed}");
    ChaCha8Rng::seed_from_u64(seed)
}

fn now() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

/// Counts verdicts, so that a run in which hardly anything passes or fails is no success.
#[derive(Default)]
struct Tally(BTreeMap<Option<Reason>, usize>);

impl Tally {
    fn add(&mut self, verdict: Option<Reason>) {
        *self.0.entry(verdict).or_default() += 1;
    }

    #[track_caller]
    fn assert_all(&self, verdicts: &[Option<Reason>]) {
        println!("{:?}", self.0);
        for verdict in verdicts {
            assert!(
                self.0.get(verdict).is_some_and(|count| *count > 50),
                "hardly any {verdict:?}: {:?}",
                self.0
            );
        }
    }
}

#[test]
fn the_api_parser_keeps_or_refuses_as_the_rules_say() {
    let mut rng = rng();
    let spoiler = Spoiler::new(json::api_record(), Vec::new());
    let mut tally = Tally::default();
    for _ in 0..records() {
        let bytes = spoiler.record(&mut rng);
        let Ok(text) = std::str::from_utf8(&bytes) else { continue };
        let read = read_record(text, now());
        let found = read.as_ref().err().map(|bad| bad.reason);
        let expected = rules::user(&bytes).err();
        assert_eq!(found, expected, "{text}");
        if let Ok(record) = read {
            assert!(record.profile["login"].get("password").is_none(), "{text}");
        }
        tally.add(found);
    }
    tally.assert_all(&[
        None,
        Some(Reason::Malformed),
        Some(Reason::MissingId),
        Some(Reason::MissingField),
        Some(Reason::InvalidField),
    ]);
}

#[test]
fn a_page_is_an_error_or_all_of_its_records() {
    let mut rng = rng();
    let spoiler = Spoiler::new(json::api_record(), Vec::new());
    let request = PageRequest::new("s", 1, 3, &[]).unwrap();
    let (mut whole, mut bad) = (0, 0);
    for _ in 0..records() / 4 {
        let inner: Vec<String> =
            (0..3).map(|_| String::from_utf8_lossy(&spoiler.record(&mut rng)).into_owned()).collect();
        let info = r#""info":{"seed":"s","results":3,"page":1,"version":"1.4"}"#;
        let mut body = format!("{{\"results\":[{}],{info}}}", inner.join(",")).into_bytes();
        if rng.random_ratio(1, 2) {
            spoilt_bytes(&mut body, &mut rng);
        }
        match Page::parse(&request, &body, now()) {
            Err(_) => bad += 1,
            Ok(page) => {
                whole += 1;
                assert_eq!(page.users.len() + page.set_aside.len(), 3);
                for record in &page.set_aside {
                    assert_eq!(rules::user(&record.payload).err(), Some(record.reason));
                }
            }
        }
    }
    assert!(whole > 100 && bad > 100, "{whole} whole, {bad} bad");
}

#[test]
fn events_are_accepted_or_refused_as_the_rules_say() {
    let mut rng = rng();
    let spoiler = Spoiler::new(json::purchase(), json::telling());
    let rates = ingest::rates::built_in();
    let mut tally = Tally::default();
    for _ in 0..records() {
        let bytes = spoiler.record(&mut rng);
        let judged = draft::read(&bytes).and_then(|draft| accept(draft, "mutated", now(), &rates));
        let judged = judged.map(|accepted| accepted.event);
        let expected = rules::event(&bytes, now(), &rates);
        let shown = String::from_utf8_lossy(&bytes);
        match (&judged, &expected) {
            (Ok(event), Ok(cents)) => {
                assert_eq!(event.amount_base.map(contracts::event::Amount::unscaled), *cents, "{shown}");
                // What passes here must pass everywhere behind: the decoder is the judge of that.
                let mut body = Vec::new();
                event.write_avro(&mut body);
                assert_eq!(contracts::Event::read_avro(&body).as_ref(), Ok(event), "{shown}");
            }
            (Err(rejection), Err(reason)) => assert_eq!(rejection.reason, *reason, "{rejection} {shown}"),
            _ => panic!("{judged:?}, but the rules say {expected:?}: {shown}"),
        }
        tally.add(judged.err().map(|rejection| rejection.reason));
    }
    tally.assert_all(&[
        None,
        Some(Reason::Malformed),
        Some(Reason::MissingId),
        Some(Reason::MissingField),
        Some(Reason::InvalidField),
        Some(Reason::Inconsistent),
        Some(Reason::Future),
        Some(Reason::MissingRate),
        Some(Reason::AmountOverflow),
    ]);
}
