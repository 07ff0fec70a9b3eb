//! What a target is told.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::board::{News, Notice};
use super::state::Held;
use crate::config::Config;
use crate::format::plain;

/// All that is known of it, with what to do and where to read more.
pub(super) fn payload(config: &Config, notice: &Notice) -> Value {
    let Some(held) = config.alerts.rules.iter().find(|held| held.rule.name == notice.key.rule) else {
        return Value::Null;
    };
    let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Millis, true);
    let page = config.public_url.clone().unwrap_or_else(|| format!("http://{}", config.listen));
    json!({
        "version": 1,
        "kind": "alert",
        "incident": notice.incident,
        "state": if notice.news == News::Resolved { "resolved" } else { "firing" },
        "repeat": if let News::Repeated(times) = notice.news { times } else { 0 },
        "rule": held.rule.name,
        "subject": notice.key.subject,
        "severity": held.severity.word(),
        "summary": summary(held, &notice.key.subject, notice.alert.value),
        "detail": notice.alert.detail,
        "value": notice.alert.value,
        "since": notice.alert.raised_at.map(time),
        "at": time(notice.at),
        "action": held.rule.action,
        "link": format!("{}/alerts/rules/{}", page.trim_end_matches('/'), held.rule.name),
        "namespace": config.endpoints.namespace.to_string(),
    })
}

/// What has happened, in words.
pub(crate) fn summary(held: &Held, subject: &str, value: f64) -> String {
    let value = plain(&held.rule.signal.unit().text(value));
    held.rule.summary.replace("{subject}", subject).replace("{value}", &value)
}
