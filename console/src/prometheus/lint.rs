//! The rules of `promtool check metrics`, on a page with every metric there is.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Stdio};

use super::names::METRICS;
use super::page::Page;
use super::{Form, Metric};

/// Units that have a base unit, and short forms of units. A name says `seconds`, `bytes` or what it counts.
const NOT_BASE: &[&str] = &[
    "ms",
    "us",
    "ns",
    "s",
    "sec",
    "m",
    "min",
    "h",
    "d",
    "b",
    "kb",
    "mb",
    "gb",
    "tb",
    "pb",
    "minutes",
    "hours",
    "days",
    "weeks",
    "milliseconds",
    "microseconds",
    "nanoseconds",
    "kilobytes",
    "megabytes",
    "gigabytes",
    "kibibytes",
    "mebibytes",
    "gibibytes",
    "bits",
    "percent",
];
const TYPES: &[&str] = &["counter", "gauge", "histogram", "summary", "untyped"];

/// A page with two series of every metric.
fn whole() -> String {
    let page = Page::default();
    let set = |metric: &Metric, value: &str| {
        let labels: Vec<_> = metric.labels.iter().map(|&label| (label, value)).collect();
        page.set(metric, &labels, 1.0);
    };
    for metric in METRICS {
        set(metric, "a");
        set(metric, "b");
    }
    page.text(Form::Text)
}

/// What a page says of one metric.
#[derive(Default)]
struct Entry<'a> {
    help: Vec<&'a str>,
    kind: Vec<&'a str>,
    series: Vec<&'a str>,
}

fn entries(page: &str) -> BTreeMap<&str, Entry<'_>> {
    let mut entries: BTreeMap<&str, Entry<'_>> = BTreeMap::new();
    for line in page.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            entries.entry(name).or_default().help.push(help);
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            entries.entry(name).or_default().kind.push(kind);
        } else {
            let (series, _) = line.rsplit_once(' ').expect("a series has a value");
            let name = series.split('{').next().unwrap_or(series);
            entries.entry(name).or_default().series.push(series);
        }
    }
    entries
}

/// What promtool finds fault with, one line each.
fn faults(page: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, entry) in entries(page) {
        let mut fault = |what: &str| faults.push(format!("{name}: {what}"));
        let kind = entry.kind.first().copied().unwrap_or("untyped");
        if entry.help.len() != 1 || entry.help[0].trim().is_empty() {
            fault("one HELP, with words");
        }
        if entry.kind.len() != 1 || !["counter", "gauge"].contains(&kind) {
            fault("one TYPE");
        }
        if entry.series.iter().collect::<BTreeSet<_>>().len() != entry.series.len() {
            fault("the same series twice");
        }
        if name.ends_with("_total") != (kind == "counter") {
            fault("_total is for counters, and for all of them");
        }
        if ["_count", "_sum", "_bucket", "_info"].iter().any(|suffix| name.ends_with(suffix)) {
            fault("a suffix of other kinds");
        }
        if entry.series.iter().any(|series| series.contains("quantile=\"") || series.contains("{le=\"")) {
            fault("a label of summaries or histograms");
        }
        if name.chars().any(|c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')) {
            fault("other than lower case, digits and _");
        }
        if name.split('_').any(|part| NOT_BASE.contains(&part) || TYPES.contains(&part)) {
            fault("no base unit, or a kind in its name");
        }
    }
    faults
}

#[test]
fn every_metric_keeps_the_rules_of_promtool() {
    let page = whole();
    assert_eq!(entries(&page).len(), METRICS.len(), "{page}");
    assert_eq!(faults(&page), Vec::<String>::new());
}

#[test]
fn each_rule_finds_its_fault() {
    let head = |name: &str, kind: &str| format!("# HELP {name} words\n# TYPE {name} {kind}\n");
    for (page, what) in [
        // As OpenMetrics has it, whose reader is told otherwise.
        ("# HELP x words\n# TYPE x counter\nx_total 1\n".to_owned(), "x_total: one HELP"),
        (format!("{}x_lag{{quantile=\"0.5\"}} 1\n", head("x_lag", "gauge")), "a label of summaries"),
        (format!("{}x 1\n", head("x", "counter")), "x: _total"),
        (format!("{}x_total 1\n", head("x_total", "gauge")), "x_total: _total"),
        (format!("{}x_ms 1\n", head("x_ms", "gauge")), "no base unit"),
        (format!("{}x_count 1\n", head("x_count", "gauge")), "a suffix"),
        (format!("{0}{0}x 1\n", head("x", "gauge")), "one HELP"),
        (format!("{}x 1\nx 2\n", head("x", "gauge")), "twice"),
        (format!("{}xLag 1\n", head("xLag", "gauge")), "lower case"),
    ] {
        assert!(faults(&page).iter().any(|fault| fault.contains(what)), "{what}: {:?}", faults(&page));
    }
}

#[test]
fn promtool_finds_nothing() {
    let Some(promtool) = promtool() else { return };
    for (page, right) in [(whole(), true), ("# TYPE x counter\nx{quantile=\"0.5\"} 1\n".to_owned(), false)] {
        let mut check = Command::new(&promtool);
        check.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut check = check.spawn().unwrap();
        // Dropped at once: the page is whole.
        check.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
        let ended = check.wait_with_output().unwrap();
        let said =
            [ended.stdout, ended.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
        assert_eq!((ended.status.success(), said.is_empty()), (right, right), "{said}\n{page}");
    }
}

/// Prometheus's own tool. Where it cannot be had, it says on the terminal that Prometheus was not asked.
pub(crate) fn promtool() -> Option<String> {
    let finder = concat!(env!("CARGO_MANIFEST_DIR"), "/../services/promtool");
    let found = Command::new(finder).output().unwrap();
    if found.status.success() {
        return Some(String::from_utf8(found.stdout).unwrap().trim().to_owned());
    }
    let why = String::from_utf8_lossy(&found.stderr);
    let skipped = format!("\nSKIPPED: Prometheus's promtool was NOT asked: {}\n", why.trim());
    // Past the test runner, which shows nothing that a passing test prints.
    std::io::stderr().write_all(skipped.as_bytes()).unwrap();
    None
}
