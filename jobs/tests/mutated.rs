//! A great many spoilt records: the plan, with either judge, and the contract's own decoder say of each what
//! an oracle written apart says.
//!
//! `STOREPULSE_LONG_TESTS=1` runs a million; `STOREPULSE_SEED` repeats a run whose seed was printed.

mod mutator;
mod oracle;

use std::collections::{BTreeMap, HashSet};

use chrono::Utc;
use contracts::avro::Reader;
use contracts::money::Places;
use contracts::quarantine::Reason;
use contracts::validation::readmit;
use contracts::{Event, wire};
use jobs::checked::{self, Judge};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use spark_connect_rs::functions::expr;
use spark_connect_rs::row::Value;

use crate::support::{self, EXPECTED, Record, in_file, is_long, seed};
use mutator::Mutator;
use oracle::{Judged, Oracle};

/// What one batch on Spark holds; a run is as many of them as it takes.
const BATCH: usize = 50_000;
const REFUSAL_SCHEMA_ID: u32 = 77;

fn batches() -> usize {
    if is_long() { 20 } else { 1 }
}

/// The decoder for one record: it never panics, and takes exactly what the oracle takes.
#[test]
fn the_decoder_takes_what_the_oracle_takes() {
    let oracle = Oracle::new();
    let mut mutator = Mutator::new(ChaCha8Rng::seed_from_u64(seed()), EXPECTED);
    let mut taken = 0;
    for _ in 0..batches() * BATCH {
        let Some(value) = mutator.record().value else { continue };
        let Ok((_, body)) = wire::split(&value) else { continue };
        let decoded = Event::read_avro(body);
        match (oracle.typed(body), decoded) {
            (true, Ok(event)) => {
                taken += 1;
                // Judging never panics, whatever the fields hold.
                let _ = readmit(event, Utc::now(), Places::CENTS);
            }
            (false, Err(_)) => {}
            (typed, decoded) => {
                panic!("the oracle says {typed}, the decoder {decoded:?} of {}", hex::encode(body))
            }
        }
    }
    assert!(taken > BATCH / 20, "too few records are whole to mean anything: {taken}");
}

/// What Spark makes of a batch: the reason of each refused record, and of the others what stands in the
/// metrics.
#[derive(Debug, Default, PartialEq)]
struct Verdict {
    refused: BTreeMap<usize, Reason>,
    passed: Vec<String>,
    on_time: i64,
    /// Every field of what passed; the oracle leaves it empty.
    whole: Vec<String>,
}

#[tokio::test]
async fn spark_counts_or_refuses_as_the_oracle_says() {
    let mut mutator = Mutator::new(ChaCha8Rng::seed_from_u64(seed()), EXPECTED);
    let mut reasons: BTreeMap<Reason, usize> = BTreeMap::new();
    for batch in 0..batches() {
        let records: Vec<Record> = (0..BATCH).map(|_| mutator.record()).collect();
        let expected = by_oracle(&records);
        expected.refused.values().for_each(|reason| *reasons.entry(*reason).or_default() += 1);
        let values: Vec<_> = records.iter().map(|record| record.value.clone()).collect();
        let (found, by_sql) = support::on_spark(move |session| {
            (by_spark(&session, &records, Judge::Function), by_spark(&session, &records, Judge::Sql))
        })
        .await;
        assert!(found == by_sql, "batch {batch}: {}", first_difference(&found, &by_sql));
        let mut lenient = 0;
        for (index, value) in values.iter().enumerate() {
            let (told, said) = (found.refused.get(&index), expected.refused.get(&index));
            // Java's decoder passes over what follows a record and takes numbers that are longer than they
            // have to be: such bytes may decode in Spark, and are judged by what they decode to.
            if said == Some(&Reason::UndecodableAvro) && told != said {
                lenient += usize::from(told.is_none());
                continue;
            }
            assert_eq!(
                told,
                said,
                "batch {batch}, record {index}: spark, then the oracle, of {}",
                hex::encode(value.clone().unwrap_or_default())
            );
        }
        assert_eq!(found.passed.len(), expected.passed.len() + lenient, "batch {batch}");
        if lenient == 0 {
            assert_eq!(
                (found.passed, found.on_time),
                (expected.passed.clone(), expected.on_time),
                "batch {batch}"
            );
        } else {
            let found: HashSet<&String> = found.passed.iter().collect();
            assert!(expected.passed.iter().all(|line| found.contains(line)), "batch {batch}");
        }
        assert!(expected.passed.len() > BATCH / 20, "too few records pass to mean anything");
    }
    println!("{reasons:?}");
    for reason in [
        Reason::BadMagicByte,
        Reason::UnknownSchemaId,
        Reason::ForeignGeneration,
        Reason::UndecodableAvro,
        Reason::OutOfRange,
        Reason::Future,
    ] {
        assert!(reasons.get(&reason).is_some_and(|count| *count > 20), "hardly any {reason}: {reasons:?}");
    }
}

fn by_oracle(records: &[Record]) -> Verdict {
    let oracle = Oracle::new();
    let mut verdict = Verdict::default();
    for (index, record) in records.iter().enumerate() {
        match oracle.judge(record.value.as_deref(), record.generation.as_deref(), &EXPECTED) {
            Judged::Refused(reason) => {
                verdict.refused.insert(index, reason);
            }
            Judged::Passed { line, on_time } => {
                verdict.passed.push(line);
                verdict.on_time += i64::from(on_time);
            }
        }
    }
    verdict.passed.sort_unstable();
    verdict
}

/// Where the function and SQL part: the whole of both would fill a screen for each record.
fn first_difference(function: &Verdict, sql: &Verdict) -> String {
    let refused = function.refused.iter().find(|(at, reason)| sql.refused.get(at) != Some(*reason));
    let whole = function.whole.iter().zip(&sql.whole).find(|(one, other)| one != other);
    format!(
        "refused {} and {}, first {refused:?}; passed {} and {}, first {whole:?}",
        function.refused.len(),
        sql.refused.len(),
        function.whole.len(),
        sql.whole.len()
    )
}

fn by_spark(session: &spark_connect_rs::SparkSession, records: &[Record], judge: Judge) -> Verdict {
    let folder = tempfile::tempdir().unwrap();
    let stream = in_file::kafka_records(session, records, &folder.path().join("records.avro"));
    let refusals = checked::refusals(&stream, &EXPECTED, judge, REFUSAL_SCHEMA_ID).collect().unwrap();
    let refused = refusals.iter().map(|row| {
        let Some(Value::Binary(value)) = row.get_by_name("value") else { panic!("{row:?}") };
        let (_, body) = wire::split(value).unwrap();
        let mut reader = Reader::new(body);
        let (_, coordinates, reason) = (reader.str().unwrap(), reader.str().unwrap(), reader.str().unwrap());
        let (_, offset) = coordinates.split_once('/').unwrap();
        (offset.parse().unwrap(), reason.parse().unwrap())
    });
    let refused = refused.collect();
    let events = checked::events(&stream, &EXPECTED, judge);
    let on_time = checked::on_time(&events).count().unwrap();
    let rows = events
        .select([expr(oracle::LINE_SQL).alias("line"), expr("to_json(struct(*))").alias("whole")])
        .collect()
        .unwrap();
    let mut passed: Vec<String> = rows.iter().map(|row| support::string(row, "line")).collect();
    passed.sort_unstable();
    let mut whole: Vec<String> = rows.iter().map(|row| support::string(row, "whole")).collect();
    whole.sort_unstable();
    Verdict { refused, passed, on_time, whole }
}
