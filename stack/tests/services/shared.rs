//! The whole stack, warm. It is used by others too, so nothing here stops or breaks it.

use std::sync::Arc;
use std::time::Duration;

use stack::{Health, Service, Silent};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_stack_is_healthy_and_fits() {
    // Two at once, as test binaries do: one starts it, the other waits.
    let (one, other) = tokio::join!(stack::shared(Arc::new(Silent)), stack::shared(Arc::new(Silent)));
    let (stack, other) = (one.unwrap(), other.unwrap());
    assert_eq!(stack.env().unwrap(), other.env().unwrap());
    assert_eq!(stack.services().count(), Service::ALL.len());

    let status = stack.status().await.unwrap();
    assert!(status.iter().all(|service| service.health == Health::Healthy), "{status:#?}");
    let resident = status.iter().map(|service| service.memory_bytes).sum::<u64>();
    assert!(resident < 6 * 1024 * 1024 * 1024, "{resident} bytes: {status:#?}");

    for variable in [
        "PG_URL",
        "KAFKA_BROKERS",
        "ZOOKEEPER_CONNECT",
        "SCHEMA_REGISTRY_URL",
        "CASSANDRA_CONTACT_POINTS",
        "SPARK_REMOTE",
        "SPARK_MASTER_URL",
        "STOREPULSE_CHECKPOINT_ROOT",
    ] {
        assert!(stack.variable(variable).unwrap().is_some(), "{variable}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_registry_keeps_its_schemas_in_postgres() {
    let stack = stack::shared(Arc::new(Silent)).await.unwrap();
    let subject = format!("stack-test-{}-value", std::process::id());
    let path = format!("/apis/ccompat/v7/subjects/{subject}/versions");
    let registered =
        http(stack.ports().schema_registry, "POST", &path, r#"{"schema":"{\"type\":\"long\"}"}"#).await;
    assert!(registered.contains("\"id\""), "{registered}");

    let url = stack.variable("PG_URL").unwrap().unwrap().replace("/shop", "/registry");
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let row =
        client.query_one("select count(*) from artifacts where artifactid = $1", &[&subject]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 1);

    let path = format!("/apis/ccompat/v7/subjects/{subject}");
    http(stack.ports().schema_registry, "DELETE", &path, "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_driver_has_an_executor() {
    let stack = stack::shared(Arc::new(Silent)).await.unwrap();
    let has_one = async || (!stack.executors().unwrap().is_empty()).then_some(()).ok_or("none");
    stack::until("an executor", Duration::from_secs(60), has_one).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_jvm_of_spark_maps_the_archive_of_classes() {
    let stack = stack::shared(Arc::new(Silent)).await.unwrap();
    for service in [Service::SparkMaster, Service::SparkWorker, Service::SparkConnect] {
        let pid = stack.process(service).unwrap().pid;
        let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
        // A JVM for which the archive does not fit starts without it, and says nothing.
        assert!(maps.contains("/spark.jsa"), "{service}: {maps}");
    }
}

async fn http(port: u16, method: &str, path: &str, body: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
