//! Kafka: one broker with ZooKeeper or with metadata of its own, or one of three.

use super::{Launch, jars};
use crate::error::StackError;
use crate::service::Service;
use crate::site::{Keeper, Site};

/// The broker's configuration.
const FILE: &str = "server.properties";

impl Site {
    pub(super) fn kafka(&self) -> Result<Launch, StackError> {
        let values = self
            .values(Service::Kafka)
            .set("ADVERTISED_HOST", self.network.own())
            .set("ZOOKEEPER_CONNECT", self.network.address(Service::Zookeeper));
        let mut conf = self.render("kafka", &values)?;
        if self.network.nodes() > 1 {
            if self.keeper == Keeper::Kraft {
                return Err(StackError::KraftCluster);
            }
            // Of a setting that stands there twice the later one counts. What is acknowledged is on two
            // brokers.
            let number = self.network.number();
            conf.file(FILE).push_str(&format!(
                "broker.id={number}\n\
                 default.replication.factor=3\n\
                 min.insync.replicas=2\n\
                 offsets.topic.replication.factor=3\n\
                 transaction.state.log.replication.factor=3\n\
                 transaction.state.log.min.isr=2\n"
            ));
        }
        if self.keeper == Keeper::Kraft {
            let own = ["broker.id=", "listeners=", "zookeeper."];
            conf.without(FILE, |line| own.iter().any(|name| line.starts_with(name)));
            let kraft = conf.file("kraft.properties").clone();
            conf.file(FILE).push_str(&kraft);
        }
        let logging = format!("-Dlog4j.configuration=file:{}", conf.path("log4j.properties"));
        let file = conf.path(FILE);
        let launch = self.java(conf, &[logging], &self.kafka_jars(), &["kafka.Kafka", &file]);
        Ok(Launch { folders: vec![self.data.of("kafka")], ..launch })
    }

    /// Words of Kafka's tool for the folder of a broker that keeps its own metadata.
    pub(crate) fn kafka_storage(&self, words: &[&str]) -> Vec<String> {
        let java = self.tools.java_home.join("bin/java").display().to_string();
        let tool = ["-cp", &self.kafka_jars(), "kafka.tools.StorageTool"].map(str::to_owned);
        let words = words.iter().map(|&word| word.to_owned());
        std::iter::once(java).chain(tool).chain(words).collect()
    }

    fn kafka_jars(&self) -> String {
        jars(&self.tools.kafka.join("lib"))
    }
}
