//! Cassandra: one node, or one of three.

use super::{Launch, jars};
use crate::error::StackError;
use crate::network::{Hosts, LOOPBACK};
use crate::service::Service;
use crate::site::Site;

const HEAP: &str = "768m";

impl Site {
    pub(super) fn cassandra(&self) -> Result<Launch, StackError> {
        let network = &self.network;
        // Clients are told the container's own address.
        let address = match &network.hosts {
            Hosts::Loopback => None,
            Hosts::Containers(containers) => {
                let address = containers.address.map(|address| address.to_string());
                Some(address.ok_or_else(|| StackError::NoAddress { host: containers.own.clone() })?)
            }
        };
        let several = network.nodes() > 1;
        // One node: the port between nodes stays inside.
        let (listen, seed) = match &address {
            Some(address) if several => (address.as_str(), network.host(Service::Cassandra)),
            _ => (LOOPBACK, LOOPBACK),
        };
        let ports = &network.ports;
        let told = address.as_ref().map(|address| format!("broadcast_rpc_address: {address}"));
        let values = self
            .values(Service::Cassandra)
            .set("LISTEN_ADDRESS", listen)
            .set("SEEDS", format!("{seed}:{}", ports.cassandra_storage))
            .set("BROADCAST_RPC_ADDRESS", told.unwrap_or_default())
            .set("STORAGE_PORT", ports.cassandra_storage)
            .set("SSL_STORAGE_PORT", ports.cassandra_ssl_storage)
            .set("HEAP", HEAP);
        let mut conf = self.render("cassandra", &values)?;
        if several {
            // What one node spares itself.
            let spared = ["auto_bootstrap:", "hinted_handoff_enabled:"];
            conf.without("cassandra.yaml", |line| spared.iter().any(|name| line.starts_with(name)));
            let spared = ["skip_wait_for_gossip_to_settle", "ring_delay_ms", "skip_default_role_setup"];
            conf.without("jvm.options", |line| spared.iter().any(|name| line.contains(name)));
        }
        let data = self.data.of("cassandra");
        let properties = [
            format!("-Dcassandra.config=file://{}", conf.path("cassandra.yaml")),
            format!("-Dlogback.configurationFile={}", conf.path("logback.xml")),
            format!("-Dcassandra.storagedir={}", data.display()),
            format!("-Djna.tmpdir={}", self.tmp.display()),
            "-Dcassandra-foreground=yes".to_owned(),
        ];
        let class_path = jars(&self.tools.cassandra.join("lib"));
        let main = "org.apache.cassandra.service.CassandraDaemon";
        let launch = self.java(conf, &properties, &class_path, &[main]);
        Ok(Launch { folders: vec![data], ..launch })
    }
}
