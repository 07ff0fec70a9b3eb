//! What librdkafka does not ask for, or only as a client that could also write: sizes on disk and settings,
//! over a connection of our own that sends these two requests and no other.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::{
    ApiKey, DescribeConfigsRequest, DescribeConfigsResponse, DescribeLogDirsRequest, DescribeLogDirsResponse,
    RequestHeader, ResponseHeader,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, StrBytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::look::Seen;
use super::{Refused, Setting};
use crate::watch::words;

/// How often sizes are asked for: a broker walks its directories for them.
const SIZES: Duration = Duration::from_secs(30);
/// How often settings are asked for.
const SETTINGS: Duration = Duration::from_secs(60);
/// How long both may take with one broker.
const ANSWER: Duration = Duration::from_secs(2);
/// The largest answer that is taken.
const ANSWER_BYTES: usize = 16 << 20;
/// The lowest version of both requests that Kafka 4 still answers, which Kafka 2 answers too.
const VERSION: i16 = 1;
/// Kafka's number of a topic among resources, and of a setting of its own among sources.
const TOPIC: i8 = 2;
const OWN: i8 = 1;

/// Sizes and settings, as last told.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// Of a partition the largest copy.
    sizes: HashMap<(String, i32), i64>,
    sizes_why_not: Option<String>,
    settings: HashMap<String, Vec<Setting>>,
    sizes_at: Option<Instant>,
    settings_at: Option<Instant>,
}

impl Asked {
    pub(super) fn bytes(&self, topic: &str, partition: i32) -> Option<i64> {
        self.sizes.get(&(topic.to_owned(), partition)).copied()
    }

    pub(super) fn bytes_why_not(&self) -> Option<&str> {
        self.sizes_why_not.as_deref()
    }

    pub(super) fn settings(&self, topic: &str) -> Vec<Setting> {
        self.settings.get(topic).cloned().unwrap_or_default()
    }

    /// Asks again what is due. What fails leaves nothing behind: a size is known or it is not.
    pub(super) async fn ask(&mut self, seen: &Seen) {
        let due = |at: Option<Instant>, every| at.is_none_or(|at: Instant| at.elapsed() >= every);
        if due(self.sizes_at, SIZES) {
            self.sizes_at = Some(Instant::now());
            (self.sizes, self.sizes_why_not) = match sizes(seen).await {
                Ok(sizes) => (sizes, None),
                Err(error) => (HashMap::new(), Some(words(&*error))),
            };
        }
        if due(self.settings_at, SETTINGS) {
            self.settings_at = Some(Instant::now());
            self.settings = match settings(seen).await {
                Ok(settings) => settings,
                Err(error) => {
                    tracing::debug!(error = words(&*error), "settings of topics are not known");
                    HashMap::new()
                }
            };
        }
    }
}

/// Each broker tells of the copies that it holds.
async fn sizes(seen: &Seen) -> Result<HashMap<(String, i32), i64>, Refused> {
    let mut sizes = HashMap::new();
    for broker in &seen.brokers {
        let request = DescribeLogDirsRequest::default().with_topics(None);
        let told: DescribeLogDirsResponse = ask(broker, ApiKey::DescribeLogDirs, &request).await?;
        for directory in told.results {
            if directory.error_code != 0 {
                return Err(
                    format!("broker {}:{}: error {}", broker.0, broker.1, directory.error_code).into()
                );
            }
            for topic in directory.topics {
                for partition in topic.partitions {
                    let of = (topic.name.0.to_string(), partition.partition_index);
                    let size = sizes.entry(of).or_insert(0_i64);
                    *size = partition.partition_size.max(*size);
                }
            }
        }
    }
    Ok(sizes)
}

/// Any broker tells the settings of all topics.
async fn settings(seen: &Seen) -> Result<HashMap<String, Vec<Setting>>, Refused> {
    let resources = seen.topics.keys().map(|topic| {
        DescribeConfigsResource::default()
            .with_resource_type(TOPIC)
            .with_resource_name(StrBytes::from_string(topic.clone()))
            .with_configuration_keys(None)
    });
    let request = DescribeConfigsRequest::default().with_resources(resources.collect());
    let mut refused: Refused = "there is no broker".into();
    for broker in &seen.brokers {
        match ask::<_, DescribeConfigsResponse>(broker, ApiKey::DescribeConfigs, &request).await {
            Ok(told) => {
                let topics = told.results.into_iter().filter(|topic| topic.error_code == 0);
                return Ok(topics
                    .map(|topic| {
                        let settings = topic.configs.into_iter().map(|setting| Setting {
                            name: setting.name.to_string(),
                            value: setting
                                .value
                                .filter(|_| !setting.is_sensitive)
                                .map(|text| text.to_string()),
                            own: setting.config_source == OWN,
                        });
                        (topic.resource_name.to_string(), settings.collect())
                    })
                    .collect());
            }
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

/// One request over a connection of its own.
async fn ask<Q: Encodable + HeaderVersion, A: Decodable + HeaderVersion>(
    (host, port): &(String, i32),
    key: ApiKey,
    request: &Q,
) -> Result<A, Refused> {
    let answered = tokio::time::timeout(ANSWER, async {
        let port = u16::try_from(*port)?;
        let mut connection = TcpStream::connect((host.as_str(), port)).await?;
        let mut out = vec![0; 4];
        RequestHeader::default()
            .with_request_api_key(key as i16)
            .with_request_api_version(VERSION)
            .with_correlation_id(1)
            .with_client_id(Some(StrBytes::from_static_str("storepulse-console")))
            .encode(&mut out, Q::header_version(VERSION))?;
        request.encode(&mut out, VERSION)?;
        let length = u32::try_from(out.len() - 4)?;
        out[..4].copy_from_slice(&length.to_be_bytes());
        connection.write_all(&out).await?;
        let length = usize::try_from(connection.read_u32().await?)?;
        if length > ANSWER_BYTES {
            return Err(format!("an answer of {length} bytes is too long").into());
        }
        let mut answer = vec![0; length];
        connection.read_exact(&mut answer).await?;
        let mut answer = Bytes::from(answer);
        ResponseHeader::decode(&mut answer, A::header_version(VERSION))?;
        Ok::<A, Refused>(A::decode(&mut answer, VERSION)?)
    });
    answered.await.unwrap_or_else(|_| Err(format!("{host}:{port} does not answer within 2 s").into()))
}
