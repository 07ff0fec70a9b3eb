//! What a benchmark prints: a line a figure as it is known, and all of them as one line of JSON at the end.

use std::collections::BTreeMap;

use serde::Serialize;
use stack::{Checkout, Service, Versions};

use crate::accounting::Taken;

/// The figures of one benchmark.
#[derive(Serialize)]
pub(crate) struct Report {
    bench: &'static str,
    version: &'static str,
    /// Of the build: figures of different profiles are not comparable.
    profile: &'static str,
    cores: usize,
    processor: String,
    /// The versions of the services that took part, as this checkout installs them.
    services: BTreeMap<&'static str, String>,
    figures: Vec<Figure>,
    /// What the parts that were measured took of the machine.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<Part>,
}

#[derive(Serialize)]
struct Part {
    /// Of which runs.
    when: String,
    #[serde(flatten)]
    taken: Taken,
}

#[derive(Serialize)]
struct Figure {
    what: String,
    unit: &'static str,
    median: f64,
    low: f64,
    high: f64,
    #[serde(skip_serializing_if = "String::is_empty")]
    limit: String,
}

impl Report {
    /// Begins one of a benchmark that these services take part in.
    pub(crate) fn new(
        bench: &'static str,
        services: impl IntoIterator<Item = Service>,
    ) -> anyhow::Result<Self> {
        let described = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = described.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let installed = Versions::read(&Checkout::find()?.root().join("services/versions.toml"))?;
        Ok(Self {
            bench,
            version: env!("CARGO_PKG_VERSION"),
            profile: if cfg!(debug_assertions) { "dev" } else { "release" },
            cores: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
            processor: model.map(|(_, model)| model.to_owned()).unwrap_or_default(),
            services: services.into_iter().flat_map(|service| versions(service, &installed)).collect(),
            figures: Vec::new(),
            parts: Vec::new(),
        })
    }

    /// One figure of several runs; returns their median.
    pub(crate) fn runs(&mut self, what: &str, unit: &'static str, values: &mut [f64]) -> f64 {
        self.runs_within(what, unit, values, "")
    }

    /// The same, and what it should be.
    pub(crate) fn runs_within(
        &mut self,
        what: &str,
        unit: &'static str,
        values: &mut [f64],
        limit: &str,
    ) -> f64 {
        let (low, median, high) = crate::spread(values);
        let line = format!("{what:<44} {median:>10.0} {unit}   ({low:.0} to {high:.0})   {limit}");
        println!("{}", line.trim_end());
        self.keep(what, unit, (low, median, high), limit);
        median
    }

    /// One figure of several runs, and what its median should be.
    pub(crate) fn median(&mut self, what: &str, unit: &'static str, values: &mut [f64], limit: &str) {
        let (low, median, high) = crate::spread(values);
        println!("{what:<58} {median:>10.2} {unit:<12} {limit}   ({low:.2} to {high:.2})");
        self.keep(what, unit, (low, median, high), limit);
    }

    /// What the parts took, in a line each, and of which runs.
    pub(crate) fn parts(&mut self, when: &str, all: Vec<Taken>) {
        println!("{when:<30} {:>25} {:>12}", "processor s/million", "memory MiB");
        for taken in all {
            let Taken { part, processor_s_per_million, memory_mib } = &taken;
            println!("  {part:<28} {processor_s_per_million:>25.2} {memory_mib:>12.0}");
            self.parts.push(Part { when: when.to_owned(), taken });
        }
    }

    /// Two percentiles of what was measured often, in ms, and what each should be.
    pub(crate) fn percentiles(&mut self, what: &str, values_ms: &mut [f64], limits: [&str; 2]) {
        for (percent, limit) in [50, 99].into_iter().zip(limits) {
            let value_ms = crate::percentile(values_ms, percent);
            self.once(&format!("{what}, p{percent}"), value_ms, "ms", limit);
        }
    }

    /// One figure, measured once, and what it should be.
    pub(crate) fn once(&mut self, what: &str, value: f64, unit: &'static str, limit: &str) {
        println!("{what:<58} {value:>10.2} {unit:<12} {limit}");
        self.keep(what, unit, (value, value, value), limit);
    }

    fn keep(&mut self, what: &str, unit: &'static str, (low, median, high): (f64, f64, f64), limit: &str) {
        let (what, limit) = (what.to_owned(), limit.to_owned());
        self.figures.push(Figure { what, unit, median, low, high, limit });
    }

    /// Prints all of it as one line.
    pub(crate) fn end(self) -> anyhow::Result<()> {
        println!("{}", serde_json::to_string(&self)?);
        Ok(())
    }
}

/// The versions that decide what a service is.
fn versions(service: Service, installed: &Versions) -> Vec<(&'static str, String)> {
    let java = ("java", installed.java.major.to_string());
    match service {
        Service::Postgres => vec![("postgresql", installed.postgresql.major.to_string())],
        Service::Kafka | Service::Zookeeper => vec![("kafka", installed.kafka.version.clone()), java],
        Service::SchemaRegistry => {
            vec![("schema-registry", installed.schema_registry.version.clone()), java]
        }
        Service::Cassandra => vec![("cassandra", installed.cassandra.version.clone()), java],
        Service::SparkMaster | Service::SparkWorker | Service::SparkConnect => {
            vec![("spark", installed.spark.version.clone()), java]
        }
        Service::AirflowApiServer | Service::AirflowScheduler | Service::AirflowDagProcessor => {
            vec![("airflow", installed.airflow.version.clone())]
        }
        // The command itself, whose version the report has.
        Service::Console => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_names_the_services_that_took_part_and_no_others() {
        let report = Report::new("trial", [Service::Postgres, Service::SparkWorker]).unwrap();
        assert_eq!(report.services.keys().copied().collect::<Vec<_>>(), ["java", "postgresql", "spark"]);
        assert!(report.services["spark"].starts_with("3."), "{:?}", report.services);
    }

    #[test]
    fn a_report_is_one_object_with_figures_and_parts() {
        let mut report = Report::new("trial", []).unwrap();
        report.median("time", "s", &mut [3.0, 1.0, 2.0], "<= 15");
        let taken = Taken { part: "relay".to_owned(), processor_s_per_million: 4.0, memory_mib: 5.0 };
        report.parts("of all runs", vec![taken]);
        let json = serde_json::to_value(&report).unwrap();
        let figure = serde_json::json!(
            {"what": "time", "unit": "s", "median": 2.0, "low": 1.0, "high": 3.0, "limit": "<= 15"}
        );
        assert_eq!(json["figures"], serde_json::json!([figure]));
        let part = serde_json::json!(
            {"when": "of all runs", "part": "relay", "processor_s_per_million": 4.0, "memory_mib": 5.0}
        );
        assert_eq!(json["parts"], serde_json::json!([part]));
    }
}
