//! The site of a stack: everything on this machine, in the stack's folder.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};

use super::{AirflowSite, Data, Keeper, Site, Templates};
use crate::install::Tools;
use crate::layout::{Checkout, Home, MARKER};
use crate::network::Network;
use crate::ports::Ports;
use crate::state::Secrets;
use crate::vault::Vault;

/// Debian's own: a shell's PATH would make each terminal a different stack.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Who may call Spark Connect; read by the class `PeerInterceptor` in Spark.
const CONNECT_PEERS: &str = "STOREPULSE_CONNECT_PEERS";
/// The command that Airflow's tasks run, where it is not the checkout's own.
const COMMAND: &str = "STOREPULSE_BIN";
/// What whoever starts Airflow may hand on to its tasks. Everything else in a shell stays there.
const HANDED_ON: [&str; 8] = [
    "STOREPULSE_ALERT_COMMAND",
    "STOREPULSE_ALERTS_FILE",
    "AIRFLOW_VAR_USERS_SOURCE",
    "AIRFLOW_VAR_RETENTION_DAYS",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "STOREPULSE_NAMESPACE",
];

/// What a stack consists of.
pub(crate) struct Parts<'a> {
    pub(crate) checkout: &'a Checkout,
    pub(crate) home: &'a Home,
    pub(crate) tools: &'a Tools,
    pub(crate) ports: &'a Ports,
    pub(crate) secrets: &'a Secrets,
    /// What serves the Control Center.
    pub(crate) command: Option<&'a Path>,
    /// Whether the stack belongs to a test, which may arm the sink's failpoints.
    pub(crate) for_a_test: bool,
}

impl Parts<'_> {
    /// The site of the stack's services.
    pub(crate) fn site(&self) -> Site {
        let Self { checkout, home, .. } = self;
        let fixed = [
            (MARKER, home.root().display().to_string()),
            ("PATH", PATH.to_owned()),
            ("LANG", "C.UTF-8".to_owned()),
            ("TZ", "UTC".to_owned()),
            ("TMPDIR", home.tmp().display().to_string()),
        ];
        let handed_on = HANDED_ON.iter().filter_map(|&name| Some((name.to_owned(), env::var(name).ok()?)));
        let command = env::var_os(COMMAND)
            .map_or_else(|| checkout.root().join("target/debug/storepulse"), PathBuf::from);
        Site {
            tools: self.tools.clone(),
            checkout: checkout.root().to_owned(),
            templates: Templates { services: checkout.services(""), spark: checkout.spark().join("conf") },
            conf: home.conf(""),
            data: Data::Shared(home.data("")),
            tmp: home.tmp(),
            checkpoints: home.data("checkpoints"),
            network: Network::of_stack(*self.ports),
            vault: Vault::Kept(self.secrets.clone()),
            environment: BTreeMap::from(fixed.map(|(name, value)| (name.to_owned(), value))),
            path: PATH.to_owned(),
            keeper: Keeper::Zookeeper,
            connect_peers: env::var(CONNECT_PEERS).ok(),
            failpoint: self.for_a_test.then(|| home.failpoint()),
            command: self.command.map(Path::to_owned),
            airflow: AirflowSite {
                dags: checkout.root().join("airflow/dags"),
                keep_running: checkout.services("airflow").join("keep-running"),
                passwords_file: home.passwords_file(),
                command,
                handed_on: handed_on.collect(),
            },
        }
    }
}
