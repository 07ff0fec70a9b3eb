//! What is no event of ours is refused with the reason that an independent reader gives, and stops nothing.

use contracts::avro::{Reader, write_long};
use contracts::lateness::{Lateness, judge};
use contracts::quarantine::Reason;
use contracts::wire;
use jobs::checked::{self, Judge};
use sha2::{Digest, Sha256};
use spark_connect_rs::row::Value;

use crate::support::{self, EXPECTED, JUDGE, Record};

const REFUSAL_SCHEMA_ID: u32 = 77;

pub(crate) fn bad_records() -> Vec<(Reason, Record)> {
    let event = &support::events(5, 1)[0];
    let good = support::wire_value(event);
    let ours = || Some(EXPECTED.generation_id.to_string());
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut value = good.clone();
        change(&mut value);
        Some(value)
    };
    // A string that claims two billion bytes would take an executor down without the Avro limits.
    let mut bomb = Vec::new();
    wire::write_header(&mut bomb, EXPECTED.event_schema_id);
    write_long(&mut bomb, 2_000_000_000);
    let mut old = event.clone();
    old.occurred_at = "1969-12-31T23:59:59Z".parse().unwrap();
    let mut ancient = event.clone();
    ancient.age = Some(131);
    let mut early = event.clone();
    early.occurred_at = early.ingested_at + chrono::TimeDelta::microseconds(60_000_001);
    vec![
        (Reason::BadMagicByte, Record { value: None, generation: ours() }),
        (Reason::BadMagicByte, Record { value: Some(vec![0, 1]), generation: ours() }),
        (Reason::BadMagicByte, Record { value: with(&|v| v[0] = 1), generation: ours() }),
        (Reason::UnknownSchemaId, Record { value: with(&|v| v[4] ^= 0xff), generation: ours() }),
        (Reason::ForeignGeneration, Record { value: with(&|_| ()), generation: None }),
        (Reason::ForeignGeneration, Record { value: with(&|_| ()), generation: Some("g0".into()) }),
        (Reason::UndecodableAvro, Record { value: with(&|v| v.truncate(60)), generation: ours() }),
        (Reason::UndecodableAvro, Record { value: Some(bomb), generation: ours() }),
        (Reason::OutOfRange, Record { value: Some(support::wire_value(&old)), generation: ours() }),
        (Reason::OutOfRange, Record { value: Some(support::wire_value(&ancient)), generation: ours() }),
        (Reason::Future, Record { value: Some(support::wire_value(&early)), generation: ours() }),
    ]
}

#[tokio::test]
async fn each_bad_record_is_refused_for_its_reason_and_the_good_ones_pass() {
    let (reasons, mut records): (Vec<Reason>, Vec<Record>) = bad_records().into_iter().unzip();
    let values: Vec<Option<Vec<u8>>> = records.iter().map(|record| record.value.clone()).collect();
    let mut good = support::events(6, 500);
    good.retain(|event| judge(event.occurred_at, event.ingested_at) != Lateness::Future);
    records.extend(good.iter().map(Record::of));
    let good_count = i64::try_from(good.len()).unwrap();
    let (passed, refused) = support::on_spark(move |session| {
        let stream = support::kafka_records(&session, &records);
        let passed = checked::events(&stream, &EXPECTED, JUDGE).count().unwrap();
        (passed, checked::refusals(&stream, &EXPECTED, JUDGE, REFUSAL_SCHEMA_ID).collect().unwrap())
    })
    .await;

    assert_eq!(passed, good_count);
    assert_eq!(refused.len(), reasons.len());
    for row in &refused {
        let Some(Value::Binary(value)) = row.get_by_name("value") else { panic!("{row:?}") };
        let (schema_id, body) = wire::split(value).unwrap();
        assert_eq!(schema_id, REFUSAL_SCHEMA_ID);
        let mut reader = Reader::new(body);
        assert_eq!(reader.str().unwrap(), "t.events.g1");
        let (partition, offset) = reader.str().unwrap().split_once('/').unwrap();
        assert_eq!(partition, "3");
        let index: usize = offset.parse().unwrap();
        assert_eq!(reader.str().unwrap(), reasons[index].as_str(), "record {index}");
        let bytes = values[index].clone().unwrap_or_default();
        assert_eq!(reader.long().unwrap(), i64::try_from(bytes.len()).unwrap());
        assert_eq!(reader.str().unwrap(), hex::encode(Sha256::digest(&bytes)));
        reader.long().unwrap();
        reader.finish().unwrap();
    }
}

#[tokio::test]
async fn a_server_with_the_jar_of_this_checkout_judges_by_its_function() {
    let judge = support::on_spark(|session| Judge::of(&session).unwrap()).await;
    assert_eq!(judge, JUDGE);
}
