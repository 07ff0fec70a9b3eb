//! The page of one scrape, filled from several sides at once.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};

use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::{Form, Kind, Metric};

type Labels = Vec<(&'static str, String)>;

enum Series {
    Gauge(Family<Labels, Gauge<f64, AtomicU64>>),
    Counter(Family<Labels, Counter<f64, AtomicU64>>),
}

#[derive(Default)]
pub(super) struct Page(Mutex<BTreeMap<&'static str, (Metric, Series)>>);

impl Page {
    /// Adds one figure; of the same metric and labels the last one counts for a gauge.
    pub(super) fn set(&self, metric: &Metric, labels: &[(&'static str, &str)], value: f64) {
        debug_assert!(labels.iter().map(|(name, _)| name).eq(metric.labels), "{}: {labels:?}", metric.name);
        let labels: Labels = labels.iter().map(|&(name, value)| (name, value.to_owned())).collect();
        let mut page = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, series) = page.entry(metric.name).or_insert_with(|| {
            let series = match metric.kind {
                Kind::Gauge => Series::Gauge(Family::default()),
                Kind::Counter => Series::Counter(Family::default()),
            };
            (*metric, series)
        });
        match series {
            Series::Gauge(family) => {
                family.get_or_create(&labels).set(value);
            }
            Series::Counter(family) => {
                family.get_or_create(&labels).inc_by(value);
            }
        }
    }

    /// As [`set`](Self::set), where there is a figure.
    pub(super) fn set_some(&self, metric: &Metric, labels: &[(&'static str, &str)], value: Option<f64>) {
        if let Some(value) = value {
            self.set(metric, labels, value);
        }
    }

    pub(super) fn text(self, form: Form) -> String {
        let mut registry = Registry::default();
        for (metric, series) in self.0.into_inner().unwrap_or_else(PoisonError::into_inner).into_values() {
            match series {
                Series::Gauge(family) => registry.register(metric.name, metric.help, family),
                Series::Counter(family) => registry.register(metric.name, metric.help, family),
            }
        }
        let mut page = String::new();
        // Writing to a String cannot fail.
        let _ = match form {
            Form::Text => prometheus_text::encode(&mut page, &registry),
            Form::OpenMetrics => text::encode(&mut page, &registry),
        };
        page
    }
}

#[cfg(test)]
mod tests {
    use super::super::names::{JOB_LAG, METRICS, RELAY_RECORDS, UP};
    use super::*;

    fn page(form: Form) -> String {
        let page = Page::default();
        page.set(&UP, &[("service", "kafka")], 1.0);
        page.set(&RELAY_RECORDS, &[("topic", "a\"b\\c\nd")], 7.0);
        page.set_some(&JOB_LAG, &[("query", "cube"), ("percentile", "50")], None);
        page.text(form)
    }

    #[track_caller]
    fn assert_lines(text: &str, lines: &[&str]) {
        for line in lines {
            assert!(text.lines().any(|found| found == *line), "{line}: {text}");
        }
        assert!(!text.contains("job_lag"), "{text}");
    }

    const IN_BOTH: [&str; 3] = [
        "# TYPE storepulse_up gauge",
        "storepulse_up{service=\"kafka\"} 1.0",
        "storepulse_relay_records_total{topic=\"a\\\"b\\\\c\\nd\"} 7.0",
    ];

    #[test]
    fn the_page_is_openmetrics_for_who_asks() {
        let text = page(Form::OpenMetrics);
        assert_lines(&text, &IN_BOTH);
        assert_lines(&text, &["# TYPE storepulse_relay_records counter"]);
        assert!(text.ends_with("\n# EOF\n"), "{text}");
    }

    #[test]
    fn the_page_is_text_that_every_reader_knows() {
        let text = page(Form::Text);
        assert_lines(&text, &IN_BOTH);
        assert_lines(&text, &["# TYPE storepulse_relay_records_total counter"]);
        assert!(text.starts_with("# HELP storepulse_relay_records_total "), "{text}");
        assert!(!text.contains("# EOF"), "{text}");
    }

    #[test]
    fn no_label_is_one_of_prometheus() {
        let labels = METRICS.iter().flat_map(|metric| metric.labels);
        assert!(labels.into_iter().all(|label| !["job", "instance"].contains(label)));
    }
}
