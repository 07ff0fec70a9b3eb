//! What the collector publishes about itself is what it does: OpenAPI, proto, reflection, health.

use std::collections::BTreeSet;

use collector::{openapi, proto};
use ingest::source::draft;
use prost_types::{DescriptorProto, FileDescriptorProto, FileDescriptorSet};
use serde_json::{Value, json};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

use crate::support::{Scene, event, with};

const SERVICE: &str = "storepulse.collector.v1.Collector";

fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
    names.into_iter().collect()
}

fn keys(object: &Value) -> BTreeSet<&str> {
    names(object.as_object().unwrap().keys().map(String::as_str))
}

fn message<'a>(file: &'a FileDescriptorProto, name: &str) -> &'a DescriptorProto {
    file.message_type.iter().find(|message| message.name() == name).unwrap()
}

#[test]
fn the_openapi_file_is_what_the_types_say() {
    let remedy = "run `cargo run -p collector --example render_openapi` and look at the difference";
    assert_eq!(openapi::COMMITTED, openapi::text(&openapi::render()), "{remedy}");
}

#[test]
fn the_proto_file_is_what_the_fields_say() {
    let committed = include_str!("../proto/storepulse/collector/v1/collector.proto");
    let remedy = "run `cargo run -p ingest --example render_proto` and look at the difference";
    assert_eq!(committed, draft::definition::render(committed), "{remedy}");
    let mut numbers: Vec<u32> = draft::FIELDS.iter().map(|field| field.number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), draft::FIELDS.len());
}

/// A name, a time, an id and a visitor.
#[test]
fn what_is_required_is_what_nobody_can_make_up() {
    let required = names(draft::FIELDS.iter().filter(|field| field.required).map(|field| field.name));
    assert_eq!(required, names(["event_name", "occurred_at"]));
    let event = &openapi::render()["components"]["schemas"]["Event"];
    let groups: [&[&str]; 2] =
        [&["event_id", "source_id", "shared_id", "order_id"], &["user_id", "anonymous_id"]];
    for (place, group) in groups.into_iter().enumerate() {
        let any_of = event["allOf"][place]["anyOf"].as_array().unwrap();
        let of_group = names(any_of.iter().map(|one| one["required"][0].as_str().unwrap()));
        assert_eq!(of_group, names(group.iter().copied()));
    }
}

#[test]
fn both_descriptions_have_the_fields_of_a_draft() {
    let fields = names(draft::FIELDS.iter().map(|field| field.name));
    let description = openapi::render();
    assert_eq!(keys(&description["components"]["schemas"]["Event"]["properties"]), fields);
    let set: FileDescriptorSet = prost::Message::decode(proto::DESCRIPTOR).unwrap();
    let event = message(&set.file[0], "Event");
    assert_eq!(names(event.field.iter().map(prost_types::FieldDescriptorProto::name)), fields);
    // Without presence a missing number could not be told from 0.
    assert!(event.field.iter().all(prost_types::FieldDescriptorProto::proto3_optional));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_have_the_shape_that_openapi_gives_them() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let served = scene.http.get(format!("http://{}/v1/openapi.json", collector.http)).send().await.unwrap();
    let served: Value = served.json().await.unwrap();
    assert_eq!(served, openapi::render());
    let schemas = &served["components"]["schemas"];

    let (_, answer) = scene.post(&collector, &[event(), with(event(), json!({ "age": -1 }))]).await;
    assert_eq!(keys(&answer), keys(&schemas["Answer"]["properties"]));
    let verdicts = answer["verdicts"].as_array().unwrap();
    let given: BTreeSet<&str> = verdicts.iter().flat_map(keys).collect();
    assert_eq!(given, keys(&schemas["Verdict"]["properties"]));
    for verdict in verdicts {
        let words = schemas["Verdict"]["properties"]["verdict"]["enum"].as_array().unwrap();
        assert!(words.contains(&verdict["verdict"]));
    }

    // An event with the fields that are required and a visitor, and no others, is accepted.
    let required: Vec<&str> =
        schemas["Event"]["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let mut least = event();
    least.as_object_mut().unwrap().retain(|name, _| name == "user_id" || required.contains(&name.as_str()));
    least["source_id"] = "least".into();
    let (_, answer) = scene.post(&collector, std::slice::from_ref(&least)).await;
    assert_eq!(answer["accepted"], 1, "{answer}");
    for name in required {
        let (_, answer) = scene.post(&collector, &[with(least.clone(), json!({ name: null }))]).await;
        assert_eq!(answer["verdicts"][0]["field"], name, "{answer}");
    }
    let refused = scene.http.post(format!("http://{}/v1/events", collector.http)).send().await.unwrap();
    let problem: Value = refused.json().await.unwrap();
    assert!(keys(&problem).is_subset(&keys(&schemas["Problem"]["properties"])));
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn reflection_tells_the_service_and_health_is_watched() {
    let scene = Scene::new().await;
    let collector = scene.collector().await;
    let channel = collector.channel().await;
    let mut reflection = ServerReflectionClient::new(channel.clone());
    let ask = |question| ServerReflectionRequest { host: String::new(), message_request: Some(question) };
    let questions = [
        ask(MessageRequest::ListServices(String::new())),
        ask(MessageRequest::FileContainingSymbol(SERVICE.to_owned())),
    ];
    let answers = reflection.server_reflection_info(futures::stream::iter(questions)).await.unwrap();
    let mut answers = answers.into_inner();
    let mut next = async || -> ServerReflectionResponse { answers.message().await.unwrap().unwrap() };
    let Some(MessageResponse::ListServicesResponse(list)) = next().await.message_response else { panic!() };
    let services: Vec<&str> = list.service.iter().map(|service| service.name.as_str()).collect();
    assert!(services.contains(&SERVICE) && services.contains(&"grpc.health.v1.Health"), "{services:?}");
    let Some(MessageResponse::FileDescriptorResponse(files)) = next().await.message_response else {
        panic!()
    };
    let file: FileDescriptorProto =
        prost::Message::decode(files.file_descriptor_proto[0].as_slice()).unwrap();
    let methods = names(file.service[0].method.iter().map(prost_types::MethodDescriptorProto::name));
    assert_eq!(methods, names(["Collect", "CollectStream"]));

    let mut health = HealthClient::new(channel);
    let request = || HealthCheckRequest { service: SERVICE.to_owned() };
    let checked = health.check(request()).await.unwrap().into_inner();
    assert_eq!(checked.status(), ServingStatus::Serving);
    let mut watched = health.watch(request()).await.unwrap().into_inner();
    assert_eq!(watched.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    // Whoever watches does not keep it from stopping, and is told before.
    let stopped = tokio::spawn(collector.stop());
    assert_eq!(watched.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    stopped.await.unwrap().unwrap();
}
