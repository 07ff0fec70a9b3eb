//! Every metric there is: dashboard, alerts and docs/metrics.md name no other, which tests hold them to.

/// How a metric changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Up and down.
    Gauge,
    /// Only up, until the process that counts starts again; shown with `_total` behind its name.
    Counter,
}

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name, with its unit, without `_total`.
    pub name: &'static str,
    /// What it says.
    pub help: &'static str,
    /// How it changes.
    pub kind: Kind,
    /// What tells its series apart. None is called `job` or `instance`, which are Prometheus's own.
    pub labels: &'static [&'static str],
}

impl Metric {
    /// The name that queries use.
    #[must_use]
    pub fn shown(&self) -> String {
        match self.kind {
            Kind::Gauge => self.name.to_owned(),
            Kind::Counter => format!("{}_total", self.name),
        }
    }
}

const SERVICE: &str = "service";
const STAGE: &str = "stage";
const BECAME: &str = "became";
const REASON: &str = "reason";
const TOPIC: &str = "topic";
const PARTITION: &str = "partition";
const QUERY: &str = "query";
const PERCENTILE: &str = "percentile";
const KIND: &str = "kind";
const CAUSE: &str = "cause";
const KEY: &str = "key";
const RULE: &str = "rule";
const SEVERITY: &str = "severity";

macro_rules! metrics {
    ($( $const:ident: $kind:ident $name:literal [$($label:ident),*] $help:literal; )+) => {
        $( pub(super) const $const: Metric = Metric {
            name: concat!("storepulse_", $name),
            help: $help,
            kind: Kind::$kind,
            labels: &[$($label),*],
        }; )+
        /// All of them.
        pub const METRICS: &[Metric] = &[$( $const ),+];
    };
}

metrics! {
    UP: Gauge "up" [SERVICE] "1 if the service answered in this scrape";

    INGESTED: Gauge "ingested_records" [STAGE, BECAME] "records received since the retention floor, by result; retention lowers it";
    QUARANTINE_OPEN: Gauge "quarantine_open_records" [REASON] "quarantined records that no replay has stored yet";

    COLLECTOR_REFUSED: Counter "collector_refused_requests" [CAUSE, KEY] "requests that collectors refused because of the key; it never restarts at 0";

    RELAY_STREAMING: Gauge "relay_streaming" [] "1 if the last report of the relay says that it is streaming";
    RELAY_REPORT_AGE: Gauge "relay_report_age_seconds" [] "time since the last report of the relay, which is due every second";
    RELAY_RECORDS: Counter "relay_records" [TOPIC] "records that the running relay has committed to a topic";
    RELAY_RESTARTS: Counter "relay_restarts" [] "number of times that the running relay has restarted after a failure";
    RELAY_UNACKNOWLEDGED: Gauge "relay_unacknowledged_seconds" [] "time for which kafka has acknowledged no record of the open transaction";
    RELAY_BEHIND: Gauge "relay_behind_bytes" [] "postgresql's log, of all databases, after the position committed in kafka; absent before the first position";
    SLOT_RETAINED: Gauge "slot_retained_bytes" [] "log that postgresql keeps for the slot; absent if the slot is lost";
    SLOT_SAFE: Gauge "slot_safe_bytes" [] "log that may still be written before the slot is lost; absent without a limit, or if the slot is lost";
    SLOT_ACTIVE: Gauge "slot_active" [] "1 if a client reads the slot";

    JOB_RUNNING: Gauge "job_running" [QUERY] "1 if the last report of the supervisor says that the query is running";
    JOB_REPORT_AGE: Gauge "job_report_age_seconds" [QUERY] "time since the last report of the supervisor, which is due every second";
    JOB_RESTARTS: Counter "job_restarts" [QUERY] "number of times that the running supervisor has submitted the plan again";
    JOB_RECORDS: Counter "job_input_records" [QUERY] "records that the cube's query has read";
    JOB_BATCHES: Counter "job_batches" [QUERY] "micro-batches of the cube's query that had records";
    JOB_BATCH: Gauge "job_batch_seconds" [QUERY] "duration of the last micro-batch of the cube's query that had records";
    JOB_LAG: Gauge "job_lag_seconds" [QUERY, PERCENTILE] "lag of rows behind their newest event when the last micro-batch was written";
    JOB_BEHIND: Gauge "job_behind_offsets" [QUERY] "offsets that the slowest partition is behind, as of the last trigger, transaction markers included; it does not change while a query hangs";
    JOB_STATE_ROWS: Gauge "job_state_rows" [QUERY] "rows in the state of the cube's query";
    JOB_DROPPED: Counter "job_dropped_rows" [QUERY] "rows that spark dropped as too late, in any query of the job; any value other than 0 is a fault";
    JOB_WATERMARK: Gauge "job_watermark_timestamp_seconds" [QUERY] "the watermark of the cube's query";

    REBUILD_OPEN: Gauge "rebuild_open" [] "1 while a rebuild is not finished";
    REPAIRED: Gauge "repaired_timestamp_seconds" [KIND] "when windows were last written in batch, by kind";

    TOPIC_END: Gauge "kafka_topic_end_offset" [TOPIC, PARTITION] "the end of the committed records, by topic and partition";
    UNDER_REPLICATED: Gauge "kafka_under_replicated_partitions" [] "partitions with fewer in-sync replicas than replicas";

    ALERT_FIRING: Gauge "alert_firing" [RULE, SEVERITY] "alerts of a rule that fire in this console, effects of other alerts included; absent until the first evaluation";

    CONSOLE_VIEWERS: Gauge "console_viewers" [] "event streams that browsers hold open";
    CONSOLE_QUERIES: Counter "console_queries" [SERVICE] "statements and requests that the console itself sends to a service";
    CONSOLE_DRAWINGS: Counter "console_drawings" [] "number of times that the console has rendered the live parts of its pages";
    CONSOLE_DRAWING: Counter "console_drawing_seconds" [] "time that this rendering took";

    NEWEST_WINDOW: Gauge "cassandra_newest_window_timestamp_seconds" [] "the newest minute of activity_by_minute, of today or yesterday";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// Our metrics' names in a file of this checkout.
    fn named_in(path: &str) -> BTreeSet<String> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        words
            .filter(|word| word.starts_with("storepulse_") && word.len() > "storepulse_".len())
            .map(str::to_owned)
            .collect()
    }

    fn shown() -> BTreeSet<String> {
        METRICS.iter().map(Metric::shown).collect()
    }

    #[test]
    fn no_two_have_one_name() {
        assert_eq!(shown().len(), METRICS.len());
    }

    #[test]
    fn dashboard_and_alerts_name_what_is_there() {
        for path in ["services/grafana/dashboards/storepulse.json", "services/prometheus/alerts.yml"] {
            let unknown: Vec<String> = named_in(path).difference(&shown()).cloned().collect();
            assert!(unknown.is_empty(), "{path}: {unknown:?}");
            assert!(named_in(path).len() > 5, "{path} names hardly anything");
        }
    }

    #[test]
    fn each_is_documented() {
        assert_eq!(named_in("docs/metrics.md"), shown());
    }
}
