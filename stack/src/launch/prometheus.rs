//! Prometheus, which only containers have: the console's and Spark's figures, and where alerts go.

use super::Launch;
use crate::error::StackError;
use crate::network::LOOPBACK;
use crate::service::Service;
use crate::site::Site;
use crate::template::Values;

/// Where it listens.
pub(crate) const PORT: u16 = 9_090;

impl Site {
    /// `prometheus`, which keeps figures for so long, and sends alerts to an Alertmanager (`HOST:PORT`) where
    /// there is one.
    pub(crate) fn prometheus(&self, kept: &str, alertmanager: Option<&str>) -> Result<Launch, StackError> {
        let alerting = match alertmanager {
            None => "{}".to_owned(),
            Some(address) if is_address(address) => {
                format!("{{alertmanagers: [{{static_configs: [{{targets: [\"{address}\"]}}]}}]}}")
            }
            Some(address) => {
                return Err(StackError::Setting {
                    name: "STOREPULSE_ALERTMANAGER",
                    wanted: "HOST:PORT",
                    value: address.to_owned(),
                });
            }
        };
        let page = format!("{}:{}", self.network.host(Service::SparkConnect), self.network.ports.spark_ui);
        let values = Values::default()
            .set("ALERTING", alerting)
            .set("METRICS", self.network.address(Service::Console))
            .set("SPARK_UI", page)
            .set("PROMETHEUS", format!("{LOOPBACK}:{PORT}"));
        let conf = self.render("prometheus", &values)?;
        let words = vec![
            "prometheus".to_owned(),
            format!("--config.file={}", conf.path("prometheus.yml")),
            format!("--storage.tsdb.path={}", self.data.of("prometheus").join("prometheus").display()),
            format!("--web.listen-address={}:{PORT}", self.network.listen()),
            format!("--storage.tsdb.retention.time={kept}"),
            "--log.level=warn".to_owned(),
        ];
        Ok(self.runs(words, conf))
    }
}

fn is_address(text: &str) -> bool {
    let host = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    text.split_once(':').is_some_and(|(name, port)| {
        !name.is_empty()
            && name.chars().all(host)
            && !port.is_empty()
            && port.chars().all(|c| c.is_ascii_digit())
    })
}
