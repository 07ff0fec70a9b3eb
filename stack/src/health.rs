//! Asks each service, in its own protocol, whether it serves. A port that is merely open does not count.

use std::fmt;
use std::time::Duration;

use futures::future::select_ok;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::network::Network;
use crate::ports::Ports;
use crate::postgres;
use crate::service::Service;
use crate::state::Secrets;
use crate::vault::{Secret, Vault};

/// A service that takes longer over a trivial question is not healthy.
const PATIENCE: Duration = Duration::from_secs(3);

/// What is wrong, in words.
pub(crate) type Problem = String;

/// Who asks, and where.
pub(crate) struct Asker<'a> {
    pub(crate) network: &'a Network,
    pub(crate) vault: &'a Vault,
    /// PostgreSQL's, which has to be there.
    pub(crate) database: &'a str,
    /// How long it waits for an answer.
    pub(crate) patience: Duration,
}

/// Whether a service of a stack serves.
pub(crate) async fn of_stack(service: Service, ports: Ports, secrets: Secrets) -> Result<(), Problem> {
    let (network, vault) = (Network::of_stack(ports), Vault::Kept(secrets));
    // The pipeline's own is made when the server runs.
    let database = postgres::MAINTENANCE;
    Asker { network: &network, vault: &vault, database, patience: PATIENCE }.service(service).await
}

impl Asker<'_> {
    /// Whether a service serves.
    pub(crate) async fn service(&self, service: Service) -> Result<(), Problem> {
        let ports = &self.network.ports;
        let peer = Peer { host: self.network.asked(service), port: ports.of(service) };
        let check = async {
            match service {
                Service::Postgres => {
                    let password = self.vault.get(Secret::Postgres).map_err(|error| error.to_string())?;
                    postgres::check(peer.port, &password, self.database).await
                }
                Service::Zookeeper => zookeeper(peer).await,
                Service::Kafka => kafka(peer).await,
                Service::SchemaRegistry => schema_registry(peer).await,
                Service::Cassandra => cassandra(peer).await,
                Service::SparkMaster => spark_master(peer, self.network).await,
                Service::SparkWorker => spark_worker(self.network).await,
                Service::SparkConnect => spark_connect(peer, Peer { port: ports.spark_ui, ..peer }).await,
                Service::AirflowApiServer => airflow(peer, "metadatabase").await,
                Service::AirflowScheduler => airflow(peer, "scheduler").await,
                Service::AirflowDagProcessor => airflow(peer, "dag_processor").await,
                // Whether it serves, whoever else does: it tells on its page what is away.
                Service::Console => http(peer, "/healthz").await.map(drop),
            }
        };
        self.within(peer, check).await
    }

    /// Whether a page is there.
    pub(crate) async fn page(&self, peer: Peer<'_>, path: &str) -> Result<(), Problem> {
        self.within(peer, async { http(peer, path).await.map(drop) }).await
    }

    async fn within(
        &self,
        peer: Peer<'_>,
        check: impl Future<Output = Result<(), Problem>>,
    ) -> Result<(), Problem> {
        match timeout(self.patience, check).await {
            Ok(result) => result,
            Err(_) => Err(format!("no answer within {} s on {peer}", self.patience.as_secs())),
        }
    }
}

/// Whom to ask.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer<'a> {
    pub(crate) host: &'a str,
    pub(crate) port: u16,
}

impl fmt::Display for Peer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "port {} of {}", self.port, self.host)
    }
}

async fn connect(peer: Peer<'_>) -> Result<TcpStream, Problem> {
    TcpStream::connect((peer.host, peer.port)).await.map_err(|error| format!("{peer}: {error}"))
}

/// Sends a request and reads until the peer closes or `enough` bytes are there.
async fn exchange(peer: Peer<'_>, request: &[u8], enough: usize) -> Result<Vec<u8>, Problem> {
    let mut stream = connect(peer).await?;
    let mut answer = Vec::new();
    let talk = async {
        stream.write_all(request).await?;
        while answer.len() < enough && stream.read_buf(&mut answer).await? > 0 {}
        std::io::Result::Ok(())
    };
    talk.await.map_err(|error| format!("{peer}: {error}"))?;
    Ok(answer)
}

async fn http(peer: Peer<'_>, path: &str) -> Result<String, Problem> {
    let host = peer.host;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {host}\r\nAccept: */*\r\nConnection: close\r\n\r\n");
    let answer = exchange(peer, request.as_bytes(), usize::MAX).await?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("the answer is not HTTP")?;
    let status = head.split_whitespace().nth(1).unwrap_or("no status");
    if status == "200" { Ok(body.to_owned()) } else { Err(format!("HTTP {status} from {path}")) }
}

async fn zookeeper(peer: Peer<'_>) -> Result<(), Problem> {
    let answer = exchange(peer, b"srvr", usize::MAX).await?;
    let answer = String::from_utf8_lossy(&answer);
    if answer.contains("Mode:") { Ok(()) } else { Err(format!("srvr answers `{}`", answer.trim())) }
}

/// Metadata, version 1, for no topic: a broker that lists itself is registered and knows its cluster.
async fn kafka(peer: Peer<'_>) -> Result<(), Problem> {
    const CORRELATION: i32 = 7;
    let mut request = Vec::new();
    request.extend_from_slice(&3_i16.to_be_bytes());
    request.extend_from_slice(&1_i16.to_be_bytes());
    request.extend_from_slice(&CORRELATION.to_be_bytes());
    request.extend_from_slice(&6_i16.to_be_bytes());
    request.extend_from_slice(b"health");
    request.extend_from_slice(&0_i32.to_be_bytes());
    let length = i32::try_from(request.len()).unwrap_or(i32::MAX).to_be_bytes();
    let answer = exchange(peer, &[&length[..], &request].concat(), 12).await?;
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

async fn schema_registry(peer: Peer<'_>) -> Result<(), Problem> {
    // Reads its storage, which a bare readiness page need not.
    http(peer, "/apis/ccompat/v7/subjects").await.map(drop)
}

/// OPTIONS in protocol 4, to be answered by SUPPORTED.
async fn cassandra(peer: Peer<'_>) -> Result<(), Problem> {
    const OPTIONS: [u8; 9] = [0x04, 0, 0, 0, 0x05, 0, 0, 0, 0];
    let answer = exchange(peer, &OPTIONS, 9).await?;
    match (answer.first(), answer.get(4)) {
        (Some(0x84), Some(0x06)) => Ok(()),
        _ => Err("the answer to OPTIONS is not SUPPORTED".to_owned()),
    }
}

async fn master_state(page: Peer<'_>) -> Result<serde_json::Value, Problem> {
    let body = http(page, "/json/").await?;
    serde_json::from_str(&body).map_err(|error| format!("the master's state is no JSON: {error}"))
}

/// One of several may also stand by.
async fn spark_master(peer: Peer<'_>, network: &Network) -> Result<(), Problem> {
    connect(peer).await?;
    let alone = network.hosts(Service::SparkMaster).len() == 1;
    match master_state(Peer { port: network.ports.spark_master_ui, ..peer }).await?["status"].as_str() {
        Some("ALIVE") => Ok(()),
        Some("STANDBY") if !alone => Ok(()),
        status => Err(format!("the master is {}", status.unwrap_or("without status"))),
    }
}

/// The worker is healthy when the master that leads says so: one that is not registered runs nothing. All are
/// asked at once, since one that is away may leave the question hanging.
async fn spark_worker(network: &Network) -> Result<(), Problem> {
    let (host, port) = (network.own(), u64::from(network.ports.spark_worker));
    let ours = |worker: &serde_json::Value| {
        worker["state"] == "ALIVE" && worker["host"] == host && worker["port"].as_u64() == Some(port)
    };
    let masters = network.hosts(Service::SparkMaster);
    let answers = masters.iter().map(|master| {
        Box::pin(async move {
            let state = master_state(Peer { host: master, port: network.ports.spark_master_ui }).await?;
            if state["workers"].as_array().is_some_and(|workers| workers.iter().any(ours)) {
                return Ok(());
            }
            Err("the worker is not registered with the master".to_owned())
        })
    });
    select_ok(answers).await.map(|((), _)| ())
}

/// HTTP/2's opening, to be answered by a SETTINGS frame: gRPC listens. It does so without a Spark context
/// too, which ends with its page.
async fn spark_connect(peer: Peer<'_>, page: Peer<'_>) -> Result<(), Problem> {
    const EMPTY_SETTINGS: [u8; 9] = [0, 0, 0, 0x04, 0, 0, 0, 0, 0];
    let opening = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &EMPTY_SETTINGS].concat();
    let answer = exchange(peer, &opening, 9).await?;
    if answer.get(3) != Some(&0x04) {
        return Err("the answer is not HTTP/2".to_owned());
    }
    let answer = http(page, "/api/v1/version").await;
    answer.map(drop).map_err(|problem| format!("its spark context has ended: {problem}; start it again"))
}

/// What Airflow's API says of a part of it: of those that listen nowhere, by the heartbeats they write.
async fn airflow(peer: Peer<'_>, part: &str) -> Result<(), Problem> {
    let body = http(peer, "/api/v2/monitor/health").await?;
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
    use crate::network::{Containers, Hosts, LOOPBACK};
    use crate::state::State;

    fn local(port: u16) -> Peer<'static> {
        Peer { host: LOOPBACK, port }
    }

    /// Answers one connection with fixed bytes after the first request.
    async fn answering(bytes: &'static [u8]) -> Peer<'static> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await.unwrap();
            stream.write_all(bytes).await.unwrap();
        });
        local(port)
    }

    #[tokio::test]
    async fn an_open_port_that_speaks_otherwise_is_not_healthy() {
        let peer = answering(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        assert_eq!(cassandra(peer).await.unwrap_err(), "the answer to OPTIONS is not SUPPORTED");
        let peer = answering(b"HTTP/1.1 503 Service Unavailable\r\n\r\n").await;
        assert_eq!(schema_registry(peer).await.unwrap_err(), "HTTP 503 from /apis/ccompat/v7/subjects");
        let peer = answering(b"\0\0\0\x08\0\0\0\x07\0\0\0\0").await;
        assert_eq!(kafka(peer).await.unwrap_err(), "the broker is not registered yet");
    }

    #[tokio::test]
    async fn a_connect_server_without_a_context_is_not_healthy() {
        const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";
        let page = answering(b"HTTP/1.1 200 OK\r\n\r\n{}").await;
        spark_connect(answering(SETTINGS).await, page).await.unwrap();
        let nobody = local(Ports::free().unwrap().spark_ui);
        let problem = spark_connect(answering(SETTINGS).await, nobody).await.unwrap_err();
        assert!(problem.starts_with("its spark context has ended: "), "{problem}");
        assert!(spark_connect(answering(b"HTTP/1.1 400").await, page).await.is_err());
    }

    #[tokio::test]
    async fn a_closed_port_names_itself() {
        let ports = Ports::free().unwrap();
        let secrets = State::new(ports, None).secrets;
        let problem = of_stack(Service::Zookeeper, ports, secrets).await.unwrap_err();
        assert!(problem.contains(&format!("port {}", ports.zookeeper)), "{problem}");
    }
    /// A cluster, one of whose masters has its page there.
    fn cluster(page: u16) -> Network {
        let containers = Containers { own: "spark-master".to_owned(), address: None, nodes: 3 };
        let ports = Ports { spark_master_ui: page, ..Ports::CONTAINERS };
        Network { ports, hosts: Hosts::Containers(containers) }
    }

    #[tokio::test]
    async fn only_one_of_several_masters_may_stand_by() {
        let standby = b"HTTP/1.1 200 OK\r\n\r\n{\"status\" : \"STANDBY\"}";
        let page = answering(standby).await;
        let listening = answering(b"").await;
        spark_master(listening, &cluster(page.port)).await.unwrap();

        let page = answering(standby).await;
        let network = Network::of_stack(Ports { spark_master_ui: page.port, ..Ports::CONTAINERS });
        let problem = spark_master(answering(b"").await, &network).await.unwrap_err();
        assert_eq!(problem, "the master is STANDBY");
    }

    #[tokio::test]
    async fn a_worker_is_known_by_its_host_and_port() {
        let registered = |host: &str| {
            format!(
                "HTTP/1.1 200 OK\r\n\r\n{{\"workers\": [{{\"host\": \"{host}\", \"port\": 7078, \"state\": \"ALIVE\"}}]}}"
            )
        };
        for (host, healthy) in [(LOOPBACK, true), ("spark-worker-2", false)] {
            let page = answering(registered(host).leak().as_bytes()).await;
            let ports = Ports { spark_master_ui: page.port, ..Ports::CONTAINERS };
            assert_eq!(spark_worker(&Network::of_stack(ports)).await.is_ok(), healthy, "{host}");
        }
    }
}
