//! What a benchmark prints: a line a figure as it is known, and all of them as one line of JSON at the end.

use serde::Serialize;

/// The figures of one benchmark.
#[derive(Serialize)]
pub(crate) struct Report {
    bench: &'static str,
    version: &'static str,
    /// Of the build: figures of different profiles are not comparable.
    profile: &'static str,
    cores: usize,
    processor: String,
    figures: Vec<Figure>,
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
    pub(crate) fn new(bench: &'static str) -> Self {
        let described = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = described.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Self {
            bench,
            version: env!("CARGO_PKG_VERSION"),
            profile: if cfg!(debug_assertions) { "dev" } else { "release" },
            cores: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
            processor: model.map(|(_, model)| model.to_owned()).unwrap_or_default(),
            figures: Vec::new(),
        }
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
        let (what, limit) = (what.to_owned(), limit.to_owned());
        self.figures.push(Figure { what, unit, median, low, high, limit });
        median
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
        let (what, limit) = (what.to_owned(), limit.to_owned());
        self.figures.push(Figure { what, unit, median: value, low: value, high: value, limit });
    }

    /// Prints all of it as one line.
    pub(crate) fn end(self) -> anyhow::Result<()> {
        println!("{}", serde_json::to_string(&self)?);
        Ok(())
    }
}
