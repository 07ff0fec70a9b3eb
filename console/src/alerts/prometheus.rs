//! The same rules for Prometheus: `services/prometheus/alerts.yml`, rendered from the table.
//!
//! Prometheus knows no second threshold and no causes: an alert may end there while it goes on here, and
//! effects are told too.

use std::fmt::Write as _;

use super::Settings;
use super::signals::Unit;
use super::state::Held;

/// The file as it is published.
pub const COMMITTED: &str = include_str!("../../../services/prometheus/alerts.yml");

const HEAD: &str = "\
# Rendered by `cargo run -p console --example render_alerts` from console/src/alerts/rules.rs: change it there.
# Each alert needs somebody to act; docs/alerts.md says what to do. Symptoms come first: they wake somebody, causes explain.
# The console evaluates the same rules with a second threshold for their end, and further rules that /metrics does not cover.
# Send alerts from only one of the two: start `storepulse console --no-deliver` if Alertmanager sends them.
groups:
  - name: storepulse
    rules:
      - alert: MetricsMissing
        expr: up{job=\"storepulse\"} == 0
        for: 2m
        labels: {severity: critical}
        annotations:
          summary: Prometheus cannot scrape the metrics, so no other alert can be trusted
          action: start the console (`storepulse console`, or `storepulse metrics`) again
";

/// All rules that Prometheus can judge, as these settings hold them.
#[must_use]
pub fn render(settings: &Settings) -> String {
    let mut text = HEAD.to_owned();
    for held in settings.rules.iter().filter(|held| held.enabled) {
        if let Some(promql) = held.rule.promql {
            rule(&mut text, held, promql);
        }
    }
    text
}

fn rule(text: &mut String, held: &Held, promql: &str) {
    let rule = held.rule;
    let value = match rule.signal.unit() {
        Unit::Seconds => "{{ $value | humanizeDuration }}",
        Unit::Bytes => "{{ $value | humanize1024 }}B",
        Unit::Count | Unit::YesNo => "{{ $value | humanize }}",
    };
    let subject = format!("{{{{ $labels.{} }}}}", rule.signal.label());
    let summary = rule.summary.replace("{value}", value).replace("{subject}", &subject);
    let mut line = |words: std::fmt::Arguments<'_>| {
        // Writing into a string does not fail.
        let _ = writeln!(text, "{words}");
    };
    line(format_args!("      - alert: {}", rule.name));
    line(format_args!("        expr: >-\n          {}", promql.replace("{raise}", &number(held.raise_at))));
    if held.for_s > 0 {
        line(format_args!("        for: {}", duration(held.for_s)));
    }
    if held.clear_for_s > 0 {
        line(format_args!("        keep_firing_for: {}", duration(held.clear_for_s)));
    }
    line(format_args!("        labels: {{severity: {}}}", held.severity.word()));
    line(format_args!("        annotations:"));
    line(format_args!("          summary: {}", quoted(&summary)));
    line(format_args!("          action: {}", quoted(rule.action)));
}

/// In YAML, as JSON has it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn number(value: f64) -> String {
    format!("{value}")
}

fn duration(seconds: u32) -> String {
    if seconds.is_multiple_of(60) { format!("{}m", seconds / 60) } else { format!("{seconds}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_what_the_table_says() {
        let remedy = "run `cargo run -p console --example render_alerts` and look at the difference";
        assert_eq!(COMMITTED, render(&Settings::default()), "{remedy}");
    }

    #[test]
    fn durations_are_read_by_prometheus() {
        assert_eq!([30, 60, 90, 300].map(duration), ["30s", "1m", "90s", "5m"]);
    }
}
