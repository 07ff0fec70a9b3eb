//! Asks each service, in its own protocol, whether it serves. A port that is merely open does not count.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::ports::Ports;
use crate::postgres;
use crate::service::Service;
use crate::state::Secrets;

/// A service that takes longer over a trivial question is not healthy.
const PATIENCE: Duration = Duration::from_secs(3);

/// What is wrong, in words.
type Problem = String;

/// Whether the service serves.
pub(crate) async fn check(service: Service, ports: &Ports, secrets: &Secrets) -> Result<(), Problem> {
    let port = ports.of(service);
    let check = async {
        match service {
            Service::Postgres => postgres::check(ports, secrets).await,
            Service::Zookeeper => zookeeper(port).await,
            Service::Kafka => kafka(port).await,
            Service::SchemaRegistry => schema_registry(port).await,
            Service::Cassandra => cassandra(port).await,
            Service::SparkMaster => spark_master(ports).await,
            Service::SparkWorker => spark_worker(ports).await,
            Service::SparkConnect => spark_connect(port, ports.spark_ui).await,
            Service::AirflowApiServer => airflow(port, "metadatabase").await,
            Service::AirflowScheduler => airflow(port, "scheduler").await,
            Service::AirflowDagProcessor => airflow(port, "dag_processor").await,
            // Whether it serves, whoever else does: it tells on its page what is away.
            Service::Console => http(port, "/healthz").await.map(drop),
        }
    };
    match timeout(PATIENCE, check).await {
        Ok(result) => result,
        Err(_) => Err(format!("no answer within {} s on port {port}", PATIENCE.as_secs())),
    }
}

async fn connect(port: u16) -> Result<TcpStream, Problem> {
    TcpStream::connect(("127.0.0.1", port)).await.map_err(|error| format!("port {port}: {error}"))
}

/// Sends a request and reads until the peer closes or `enough` bytes are there.
async fn exchange(port: u16, request: &[u8], enough: usize) -> Result<Vec<u8>, Problem> {
    let mut stream = connect(port).await?;
    let mut answer = Vec::new();
    let talk = async {
        stream.write_all(request).await?;
        while answer.len() < enough && stream.read_buf(&mut answer).await? > 0 {}
        std::io::Result::Ok(())
    };
    talk.await.map_err(|error| format!("port {port}: {error}"))?;
    Ok(answer)
}

async fn http(port: u16, path: &str) -> Result<String, Problem> {
    let request =
        format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\nAccept: */*\r\nConnection: close\r\n\r\n");
    let answer = exchange(port, request.as_bytes(), usize::MAX).await?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("the answer is not HTTP")?;
    let status = head.split_whitespace().nth(1).unwrap_or("no status");
    if status == "200" { Ok(body.to_owned()) } else { Err(format!("HTTP {status} from {path}")) }
}

async fn zookeeper(port: u16) -> Result<(), Problem> {
    let answer = exchange(port, b"srvr", usize::MAX).await?;
    let answer = String::from_utf8_lossy(&answer);
    if answer.contains("Mode:") { Ok(()) } else { Err(format!("srvr answers `{}`", answer.trim())) }
}

/// Metadata, version 1, for no topic: a broker that lists itself is registered and knows its cluster.
async fn kafka(port: u16) -> Result<(), Problem> {
    const CORRELATION: i32 = 7;
    let mut request = Vec::new();
    request.extend_from_slice(&3_i16.to_be_bytes());
    request.extend_from_slice(&1_i16.to_be_bytes());
    request.extend_from_slice(&CORRELATION.to_be_bytes());
    request.extend_from_slice(&6_i16.to_be_bytes());
    request.extend_from_slice(b"health");
    request.extend_from_slice(&0_i32.to_be_bytes());
    let length = i32::try_from(request.len()).unwrap_or(i32::MAX).to_be_bytes();
    let answer = exchange(port, &[&length[..], &request].concat(), 12).await?;
    let word = |at: usize| {
        let bytes = answer.get(at..at + 4)?.try_into().ok()?;
        Some(i32::from_be_bytes(bytes))
    };
    match (word(4), word(8)) {
        (Some(CORRELATION), Some(brokers)) if brokers > 0 => Ok(()),
        (Some(CORRELATION), _) => Err("the broker is not registered yet".to_owned()),
        _ => Err("the answer is not Kafka's".to_owned()),
    }
}

async fn schema_registry(port: u16) -> Result<(), Problem> {
    // Reads its storage, which a bare readiness page need not.
    http(port, "/apis/ccompat/v7/subjects").await.map(drop)
}

/// OPTIONS in protocol 4, to be answered by SUPPORTED.
async fn cassandra(port: u16) -> Result<(), Problem> {
    const OPTIONS: [u8; 9] = [0x04, 0, 0, 0, 0x05, 0, 0, 0, 0];
    let answer = exchange(port, &OPTIONS, 9).await?;
    match (answer.first(), answer.get(4)) {
        (Some(0x84), Some(0x06)) => Ok(()),
        _ => Err("the answer to OPTIONS is not SUPPORTED".to_owned()),
    }
}

async fn master_state(ports: &Ports) -> Result<serde_json::Value, Problem> {
    let body = http(ports.spark_master_ui, "/json/").await?;
    serde_json::from_str(&body).map_err(|error| format!("the master's state is no JSON: {error}"))
}

async fn spark_master(ports: &Ports) -> Result<(), Problem> {
    connect(ports.spark_master).await?;
    match master_state(ports).await?["status"].as_str() {
        Some("ALIVE") => Ok(()),
        status => Err(format!("the master is {}", status.unwrap_or("without status"))),
    }
}

/// The worker is healthy when the master says so: one that is not registered runs nothing.
async fn spark_worker(ports: &Ports) -> Result<(), Problem> {
    let state = master_state(ports).await?;
    let registered = state["workers"].as_array().is_some_and(|workers| {
        workers.iter().any(|worker| {
            worker["state"] == "ALIVE" && worker["port"].as_u64() == Some(u64::from(ports.spark_worker))
        })
    });
    if registered { Ok(()) } else { Err("the worker is not registered with the master".to_owned()) }
}

/// HTTP/2's opening, to be answered by a SETTINGS frame: gRPC listens. It does so without a Spark context too, which ends with its
/// page.
async fn spark_connect(port: u16, ui: u16) -> Result<(), Problem> {
    const EMPTY_SETTINGS: [u8; 9] = [0, 0, 0, 0x04, 0, 0, 0, 0, 0];
    let opening = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &EMPTY_SETTINGS].concat();
    let answer = exchange(port, &opening, 9).await?;
    if answer.get(3) != Some(&0x04) {
        return Err("the answer is not HTTP/2".to_owned());
    }
    let page = http(ui, "/api/v1/version").await;
    page.map(drop)
        .map_err(|problem| format!("its spark context has ended: {problem}; `stack up` starts it again"))
}

/// What Airflow's API says of a part of it: of those that listen nowhere, by the heartbeats they write.
async fn airflow(port: u16, part: &str) -> Result<(), Problem> {
    let body = http(port, "/api/v2/monitor/health").await?;
    let state: serde_json::Value =
        serde_json::from_str(&body).map_err(|error| format!("airflow's health is no JSON: {error}"))?;
    match state[part]["status"].as_str() {
        Some("healthy") => Ok(()),
        status => Err(format!("airflow calls its {part} {}", status.unwrap_or("nothing yet"))),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::state::State;

    /// Answers one connection with fixed bytes after the first request.
    async fn answering(bytes: &'static [u8]) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await.unwrap();
            stream.write_all(bytes).await.unwrap();
        });
        port
    }

    #[tokio::test]
    async fn an_open_port_that_speaks_otherwise_is_not_healthy() {
        let port = answering(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        assert_eq!(cassandra(port).await.unwrap_err(), "the answer to OPTIONS is not SUPPORTED");
        let port = answering(b"HTTP/1.1 503 Service Unavailable\r\n\r\n").await;
        assert_eq!(schema_registry(port).await.unwrap_err(), "HTTP 503 from /apis/ccompat/v7/subjects");
        let port = answering(b"\0\0\0\x08\0\0\0\x07\0\0\0\0").await;
        assert_eq!(kafka(port).await.unwrap_err(), "the broker is not registered yet");
    }

    #[tokio::test]
    async fn a_connect_server_without_a_context_is_not_healthy() {
        const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";
        let page = answering(b"HTTP/1.1 200 OK\r\n\r\n{}").await;
        spark_connect(answering(SETTINGS).await, page).await.unwrap();
        let nobody = Ports::free().unwrap().spark_ui;
        let problem = spark_connect(answering(SETTINGS).await, nobody).await.unwrap_err();
        assert!(problem.starts_with("its spark context has ended: "), "{problem}");
        assert!(spark_connect(answering(b"HTTP/1.1 400").await, page).await.is_err());
    }

    #[tokio::test]
    async fn a_closed_port_names_itself() {
        let ports = Ports::free().unwrap();
        let secrets = State::new(ports, None).secrets;
        let problem = check(Service::Zookeeper, &ports, &secrets).await.unwrap_err();
        assert!(problem.contains(&format!("port {}", ports.zookeeper)), "{problem}");
    }
}
