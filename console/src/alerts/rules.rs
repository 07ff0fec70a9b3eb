//! Every alert there is: on what it looks, when it fires and when it is over, and what to do then.
//!
//! `services/prometheus/alerts.yml` is rendered from this table, docs/alerts.md has a line for each, and
//! both are held to it.

use contracts::slot;

use super::signals::Signal;

/// On which side of its threshold a signal is bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Above,
    Below,
}

impl Op {
    pub(crate) const fn sign(self) -> &'static str {
        match self {
            Self::Above => ">",
            Self::Below => "<",
        }
    }
}

/// Whom an alert is for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Look by day.
    Warning,
    /// Wake somebody.
    Critical,
}

impl Severity {
    /// As it stands in tables, notices and metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl std::str::FromStr for Severity {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        [Self::Warning, Self::Critical]
            .into_iter()
            .find(|severity| severity.word() == word)
            .ok_or_else(|| format!("{word:?} is no severity: there are warning and critical"))
    }
}

/// A section of the documentation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Section {
    /// The file, from the root of the repository.
    pub(crate) document: &'static str,
    /// As the file has it, without the `#`s.
    pub(crate) heading: &'static str,
}

#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) name: &'static str,
    pub(crate) signal: Signal,
    pub(crate) op: Op,
    /// It fires beyond this …
    pub(crate) raise_at: f64,
    /// … when that has lasted for so long,
    pub(crate) for_s: u32,
    /// and is over when the signal is back at this …
    pub(crate) clear_at: f64,
    /// … for so long.
    pub(crate) clear_for_s: u32,
    pub(crate) severity: Severity,
    /// What has happened. `{subject}` is the service or query, `{value}` the signal.
    pub(crate) summary: &'static str,
    /// What to do.
    pub(crate) action: &'static str,
    /// What says more.
    pub(crate) section: Section,
    /// The same condition for Prometheus, `{raise}` being the threshold; none where `/metrics` does not tell
    /// the signal.
    pub(crate) promql: Option<&'static str>,
    /// Rules of which it is but an effect: while one of these is not well, it is listed under it and not
    /// sent.
    pub(crate) causes: &'static [&'static str],
}

impl Rule {
    /// What every rule that says nothing else has.
    const PLAIN: Self = Self {
        name: "",
        signal: Signal::LagP50,
        op: Op::Above,
        raise_at: 0.0,
        for_s: 60,
        clear_at: 0.0,
        clear_for_s: 60,
        severity: Severity::Warning,
        summary: "",
        action: "",
        section: Section { document: "docs/alerts.md", heading: "Alerts" },
        promql: None,
        causes: &[],
    };
}

/// The rule of that name.
pub(crate) fn rule(name: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.name == name)
}

const JOB: Section =
    Section { document: "docs/relay-and-job.md", heading: "The job does not start or restarts" };
const RELAY: Section = Section { document: "docs/relay-and-job.md", heading: "The relay has stopped" };
const VERIFY: Section = Section { document: "docs/figures.md", heading: "What `verify` tells" };
const LEDGER: Section = Section { document: "docs/figures.md", heading: "The ledger" };

// Half: so that Prometheus compares what is safe with what is kept.
const _: () = assert!(slot::SAFE_PERCENT == 50, "the query of SlotNearlyLost is of another share");

/// All of them, symptoms first: late figures wake, causes explain.
pub(crate) const RULES: &[Rule] = &[
    Rule {
        name: "FiguresLate",
        signal: Signal::LagP50,
        raise_at: 10.0,
        for_s: 300,
        clear_at: 5.0,
        clear_for_s: 120,
        severity: Severity::Critical,
        summary: "rows in Cassandra are {value} behind their events (median)",
        action: "run `storepulse job status` to see how long micro-batches take; read docs/performance.md, \"Settings that decide\"",
        promql: Some(
            "storepulse_job_lag_seconds{percentile=\"50\"} > {raise} \
             and on (query) rate(storepulse_job_input_records_total[2m]) > 0",
        ),
        causes: &["JobNotRunning", "JobHeld", "RelayNotStreaming", "FlowStopped"],
        ..Rule::PLAIN
    },
    Rule {
        name: "FlowStopped",
        signal: Signal::FlowStopped,
        for_s: 120,
        severity: Severity::Critical,
        summary: "the relay sends events, but Spark reads none",
        action: "read docs/relay-and-job.md, \"The job does not start or restarts\"",
        section: JOB,
        promql: Some(
            "sum(rate(storepulse_relay_records_total{topic=\"events\"}[3m])) > {raise} \
             unless sum(rate(storepulse_job_input_records_total[3m])) > 0",
        ),
        causes: &["JobNotRunning", "JobHeld"],
        ..Rule::PLAIN
    },
    Rule {
        name: "JobNotRunning",
        signal: Signal::JobSilent,
        for_s: 120,
        severity: Severity::Critical,
        summary: "the Spark job does not run: no supervisor has a running query",
        action: "read docs/relay-and-job.md, \"The job does not start or restarts\"",
        section: JOB,
        promql: Some("storepulse_job_running == 0 or storepulse_job_report_age_seconds > 30"),
        ..Rule::PLAIN
    },
    Rule {
        name: "RelayNotStreaming",
        signal: Signal::RelaySilent,
        clear_for_s: 30,
        severity: Severity::Critical,
        summary: "the relay carries nothing from PostgreSQL to Kafka",
        action: "read docs/relay-and-job.md, \"The relay has stopped\"",
        section: RELAY,
        promql: Some("storepulse_relay_streaming == 0 or storepulse_relay_report_age_seconds > 15"),
        causes: &["SlotLost"],
        ..Rule::PLAIN
    },
    Rule {
        name: "SlotNearlyLost",
        signal: Signal::SlotMargin,
        op: Op::Below,
        severity: Severity::Critical,
        summary: "more than half of the log that PostgreSQL may keep for the replication slot is used; at the limit the slot is lost, and a rebuild is needed",
        action: "start the relay, end open transactions or raise `max_slot_wal_keep_size`; read docs/relay-and-job.md, \"The relay has stopped\"",
        section: RELAY,
        promql: Some("storepulse_slot_safe_bytes - storepulse_slot_retained_bytes < {raise}"),
        causes: &["SlotLost"],
        ..Rule::PLAIN
    },
    Rule {
        name: "RowsDropped",
        signal: Signal::DroppedRows,
        for_s: 0,
        clear_for_s: 0,
        severity: Severity::Critical,
        summary: "Spark dropped {value} rows as too late, which must not happen",
        action: "run `storepulse verify`; read docs/figures.md, \"What `verify` tells\"",
        section: VERIFY,
        promql: Some("increase(storepulse_job_dropped_rows_total[10m]) > {raise}"),
        ..Rule::PLAIN
    },
    Rule {
        name: "NothingTakenIn",
        signal: Signal::IntakeDown,
        clear_for_s: 30,
        severity: Severity::Critical,
        summary: "{subject} does not answer, so events are refused; without PostgreSQL, the alerts about relay, slot and job are blind",
        action: "start the service again; senders must repeat the events that were not acknowledged",
        promql: Some("storepulse_up{service=~\"postgres|collector\"} == 0"),
        ..Rule::PLAIN
    },
    Rule {
        name: "SlotLost",
        signal: Signal::SlotLost,
        for_s: 120,
        severity: Severity::Critical,
        summary: "the replication slot is lost or was never created",
        action: "run `storepulse setup` on a new system; otherwise read docs/rebuild.md",
        section: Section { document: "docs/rebuild.md", heading: "Rebuild" },
        promql: Some(
            "storepulse_slot_active unless storepulse_slot_retained_bytes \
             or (absent(storepulse_slot_active) and on () storepulse_up{service=\"postgres\"} == 1)",
        ),
        ..Rule::PLAIN
    },
    Rule {
        name: "ServiceDown",
        signal: Signal::ServiceDown,
        clear_for_s: 30,
        summary: "{subject} does not answer",
        action: "run `storepulse doctor` to find the cause; nothing is lost meanwhile",
        promql: Some("storepulse_up{service!~\"postgres|collector\"} == 0"),
        ..Rule::PLAIN
    },
    Rule {
        name: "JobRestarts",
        signal: Signal::Restarts,
        raise_at: 3.0,
        for_s: 0,
        clear_at: 3.0,
        clear_for_s: 0,
        summary: "the Spark job was submitted again {value} times within 15 minutes",
        action: "read docs/relay-and-job.md, \"The job does not start or restarts\"",
        section: JOB,
        // An increase is extrapolated to the whole window, so that three would be more than three.
        promql: Some("round(increase(storepulse_job_restarts_total[15m])) > {raise}"),
        ..Rule::PLAIN
    },
    Rule {
        name: "QuarantineGrows",
        signal: Signal::QuarantineGrowth,
        raise_at: 100.0,
        for_s: 300,
        clear_at: 50.0,
        summary: "{value} records were quarantined within 15 minutes",
        action: "read docs/quarantine.md",
        section: Section { document: "docs/quarantine.md", heading: "Quarantine" },
        // What was there before, also where a reason is new.
        promql: Some(
            "sum(storepulse_quarantine_open_records) - (sum(storepulse_quarantine_open_records offset 15m) \
             or 0 * sum(storepulse_up{service=\"postgres\"} offset 15m == 1)) > {raise}",
        ),
        ..Rule::PLAIN
    },
    Rule {
        name: "CopiesMissing",
        signal: Signal::UnderReplicated,
        for_s: 300,
        summary: "{value} Kafka partitions have fewer in-sync replicas than they should",
        action: "a broker is down or behind: start it again before another broker fails",
        promql: Some("storepulse_kafka_under_replicated_partitions > {raise}"),
        ..Rule::PLAIN
    },
    Rule {
        name: "QueryFailed",
        signal: Signal::QueryFailed,
        for_s: 120,
        clear_for_s: 30,
        summary: "the query {subject} has ended and was not started again",
        action: "read docs/relay-and-job.md, \"The job does not start or restarts\"; the page Jobs shows the whole exception",
        section: JOB,
        causes: &["JobNotRunning"],
        ..Rule::PLAIN
    },
    Rule {
        name: "QueryStalled",
        signal: Signal::Freshness,
        raise_at: 120.0,
        for_s: 120,
        clear_at: 60.0,
        clear_for_s: 30,
        summary: "records wait for the query {subject}, but it has finished no micro-batch for {value}",
        action: "read docs/relay-and-job.md, \"The job does not start or restarts\"; the page Jobs shows how long its micro-batches take",
        section: JOB,
        causes: &["JobNotRunning", "FlowStopped"],
        ..Rule::PLAIN
    },
    Rule {
        name: "JobHeld",
        signal: Signal::JobHeld,
        for_s: 1_800,
        clear_for_s: 0,
        summary: "somebody put the job on hold, and nobody has resumed it",
        action: "start the job on the page Jobs, or run `storepulse job resume`, once the reason for the hold is gone",
        section: JOB,
        ..Rule::PLAIN
    },
    Rule {
        name: "VerificationFailed",
        signal: Signal::VerificationFailed,
        for_s: 0,
        clear_for_s: 0,
        summary: "the last verification found {value} rows that differ from the recomputed ones",
        action: "read docs/figures.md, \"What `verify` tells\"; `storepulse reconcile` corrects closed windows",
        section: VERIFY,
        ..Rule::PLAIN
    },
    Rule {
        name: "VerificationOld",
        signal: Signal::VerificationAge,
        raise_at: 50.0 * 3_600.0,
        for_s: 300,
        clear_at: 50.0 * 3_600.0,
        clear_for_s: 0,
        summary: "the figures were last verified {value} ago",
        action: "run `storepulse verify`; find out why the DAG `reconcile_daily` does not run",
        section: VERIFY,
        ..Rule::PLAIN
    },
    Rule {
        name: "LedgerUnbalanced",
        signal: Signal::LedgerImbalance,
        for_s: 0,
        clear_for_s: 0,
        summary: "{value} minutes of the ledger do not balance",
        action: "read docs/figures.md, \"The ledger\"",
        section: LEDGER,
        ..Rule::PLAIN
    },
    Rule {
        name: "LedgerOld",
        signal: Signal::LedgerAge,
        raise_at: 50.0 * 3_600.0,
        for_s: 300,
        clear_at: 50.0 * 3_600.0,
        clear_for_s: 0,
        summary: "the ledger was last checked {value} ago",
        action: "run `storepulse ledger`; find out why the DAG `reconcile_daily` does not run",
        section: LEDGER,
        ..Rule::PLAIN
    },
    Rule {
        name: "Blind",
        signal: Signal::Blind,
        raise_at: 60.0,
        for_s: 0,
        clear_at: 0.0,
        clear_for_s: 10,
        summary: "{subject} has not answered for {value}: alerts that depend on it neither fire nor end",
        action: "find out why it does not answer: see the page Flow, `storepulse stack status` and `storepulse doctor`",
        causes: &["NothingTakenIn", "ServiceDown"],
        ..Rule::PLAIN
    },
];

#[cfg(test)]
mod tests;
