//! What silences alerts and ends that: what is kept back stands there before anything is sent.

use std::time::Duration;

use axum::extract::{Path, Query, State};
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use serde::Deserialize;

use super::firing::name;
use crate::access::{Operator, act_fields};
use crate::actions::silences::{UNTIL, hidden, matcher, of_number};
use crate::alerts::rules::{RULES, Severity};
use crate::alerts::silence::LONGEST;
use crate::alerts::{Alerts, Matcher, Silence, store};
use crate::app::App;
use crate::format::{self, sentence};
use crate::page::frame::Frame;
use crate::page::{Viewing, states};
use crate::problem::Problem;
use crate::watch::words;
use contracts::printable::printable_name;

/// How long PostgreSQL may take to count what has fired.
const ANSWER: Duration = Duration::from_secs(2);
/// How long a silence lasts by a choice, and what that is called.
const LENGTHS: [(&str, &str); 3] = [("1h", "1 hour"), ("4h", "4 hours"), ("24h", "24 hours")];

/// Which alerts somebody wants to silence. Nothing is chosen yet where no rule is named, not even any.
#[derive(Debug, Deserialize)]
pub(super) struct Chosen {
    rule: Option<String>,
    subject: Option<String>,
    severity: Option<String>,
}

pub(super) async fn begin(
    State(app): State<App>,
    frame: Frame,
    _by: Operator,
    Query(chosen): Query<Chosen>,
) -> Result<Markup, Problem> {
    let is_chosen = chosen.rule.is_some();
    let of = matcher(chosen.rule, chosen.subject, chosen.severity)?;
    let alerts = app.watch.snapshot().alerts.value;
    let fired = if is_chosen { fired_in_a_week(&app, &of).await } else { None };
    let now = Utc::now();
    let body = html! {
        p .crumbs { a href="/alerts" { "Alerts" } }
        h1 { "Silence alerts" }
        (choice(&of, alerts.as_deref()))
        @if is_chosen {
            section .panel {
                header { h2 { "What happens" } }
                (consequence(&of, alerts.as_deref(), fired, &frame.viewing, now))
                (form(&app, &frame, &of, now))
            }
        } @else {
            p .note { "Choose first: what is kept back is shown before anything is silenced." }
        }
    };
    Ok(frame.page(&app, "alerts.silencing", "Silence alerts", &body))
}

/// How many incidents of a week it would have been of.
async fn fired_in_a_week(app: &App, of: &Matcher) -> Option<i64> {
    let asked = async {
        let client = app.pool.get().await.map_err(|error| words(&error))?;
        store::fired_in_a_week(&**client, of).await.map_err(|error| words(&error))
    };
    tokio::time::timeout(ANSWER, asked).await.ok()?.ok()
}

/// Of which alerts: this is a link, and changes nothing.
fn choice(of: &Matcher, alerts: Option<&Alerts>) -> Markup {
    let mut subjects: Vec<&str> = alerts
        .iter()
        .flat_map(|alerts| alerts.firing.iter().chain(&alerts.pending))
        .map(|alert| alert.subject.as_str())
        .filter(|subject| !subject.is_empty())
        .collect();
    subjects.sort_unstable();
    subjects.dedup();
    html! {
        form .bar action="/alerts/silences/new" {
            label {
                "Rule"
                select name="rule" {
                    option value="" { "any rule" }
                    @for rule in RULES {
                        option value=(rule.name) selected[of.rule.as_deref() == Some(rule.name)] { (rule.name) }
                    }
                }
            }
            label {
                "Only about (a service or query)"
                input name="subject" value=[of.subject.as_deref()] list="subjects" maxlength="200" autocomplete="off" autocapitalize="none" spellcheck="false";
            }
            datalist #subjects { @for subject in subjects { option value=(subject) {} } }
            label {
                "Severity"
                select name="severity" {
                    option value="" { "any severity" }
                    @for severity in [Severity::Warning, Severity::Critical] {
                        option value=(severity.word()) selected[of.severity == Some(severity)] { (severity.word()) " alone" }
                    }
                }
            }
            button { "Show what is kept back" }
        }
    }
}

/// What a silence of these alerts keeps back, and what it does not.
fn consequence(
    of: &Matcher,
    alerts: Option<&Alerts>,
    fired: Option<i64>,
    viewing: &Viewing,
    now: DateTime<Utc>,
) -> Markup {
    let firing: Option<Vec<_>> = alerts.map(|alerts| hidden(alerts, of).collect());
    let unknown = || states::unknown("alerts were not judged yet");
    html! {
        dl .facts {
            dt { "Silenced" } dd { strong { (printable_name(&of.told())) } }
            dt { "Fires now" }
            dd {
                @match &firing {
                    None => (unknown()),
                    Some(firing) => {
                        strong { (number(firing.len())) }
                        @if firing.is_empty() { ": what begins to fire meanwhile is kept back" }
                        @else {
                            ul {
                                @for alert in firing {
                                    li {
                                        (name(alert)) ": " (sentence(&alert.summary)) " "
                                        span .muted {
                                            @if alert.deliveries.is_empty() { "Not told yet: it is kept back." }
                                            @else { "Told already: only what repeats it is kept back." }
                                        }
                                    }
                                }
                            }
                        }
                    },
                }
            }
            dt { "Fired within 7 days" }
            dd {
                @match fired {
                    Some(fired) => { strong { (format::count(fired)) } @if fired == 1 { " time" } @else { " times" } },
                    None => (states::unknown("PostgreSQL did not say")),
                }
            }
            dt { "Not told meanwhile" }
            dd {
                @match alerts {
                    None => (unknown()),
                    Some(alerts) if alerts.targets.is_empty() => "nobody: no target is named anyway",
                    Some(alerts) => {
                        @for (index, target) in alerts.targets.iter().enumerate() {
                            @if index > 0 { ", " }
                            (target.name) " (" (target.kind) ")"
                        }
                    },
                }
            }
            @if let Some(until) = alerts.and_then(|alerts| silenced_until(alerts, of)) {
                dt { "Silenced already" } dd { "until " (states::moment(until, viewing, now)) }
            }
        }
        p {
            "Alerts are judged, shown and written down all the same. Whoever was told that something began is told that it ended. What "
            "still fires when the silence ends is told then."
        }
    }
}

/// Until when a silence of the very same alerts goes on.
fn silenced_until(alerts: &Alerts, of: &Matcher) -> Option<DateTime<Utc>> {
    alerts.silences.iter().filter(|silence| silence.of == *of).map(|silence| silence.until).max()
}

fn number(count: usize) -> String {
    format::count(i64::try_from(count).unwrap_or(i64::MAX))
}

fn form(app: &App, frame: &Frame, of: &Matcher, now: DateTime<Utc>) -> Markup {
    const TO: &str = "/api/v1/alerts/silences";
    let zone = frame.viewing.zone;
    let clock = |at: DateTime<Utc>| at.with_timezone(&zone).format("%Y-%m-%dT%H:%M").to_string();
    html! {
        form .form method="post" action=(TO) {
            @for (name, value) in [("rule", of.rule.as_deref()), ("subject", of.subject.as_deref()), ("severity", of.severity.map(Severity::word))] {
                @if let Some(value) = value { input type="hidden" name=(name) value=(value); }
            }
            input type="hidden" name="zone" value=(zone.name());
            fieldset .field {
                legend { "For how long" }
                @for (index, (value, told)) in LENGTHS.iter().enumerate() {
                    label .tick { input type="radio" name="for" value=(value) required checked[index == 0]; (told) }
                }
                label .tick { input type="radio" name="for" value=(UNTIL); "until the time below" }
            }
            div .field {
                label for="until" { "Until, in " (zone.name()) }
                input #until name="until" type="datetime-local" min=(clock(now)) max=(clock(now + LONGEST));
                p .hint { "Within seven days. It is read only with “until the time below”." }
            }
            (act_fields(&app.access, &frame.visitor, TO))
            div .row { button .primary { "Silence" } a .button.quiet href="/alerts" { "Do nothing" } }
        }
    }
}

/// One silence: what it has kept back, and the end of it.
pub(super) async fn one(
    State(app): State<App>,
    frame: Frame,
    Path(silence_id): Path<i64>,
) -> Result<Markup, Problem> {
    let silence = of_number(&app, silence_id).ok_or_else(|| {
        Problem::not_found("No silence of that number goes on: /alerts shows those that do.")
    })?;
    let alerts = app.watch.snapshot().alerts.value;
    let now = Utc::now();
    let title = format!("Silence {silence_id}");
    let body = html! {
        p .crumbs { a href="/alerts" { "Alerts" } }
        h1 { (title) }
        section .panel {
            header { h2 { "What it keeps back" } }
            (kept_back(&silence, alerts.as_deref(), &frame.viewing, now))
            @if frame.may_act() { (end(&app, &frame, &silence)) }
            @else { p .note { "It ends by itself. Operators may end it before." } }
        }
    };
    Ok(frame.page(&app, "alerts.silencing", &title, &body))
}

fn kept_back(silence: &Silence, alerts: Option<&Alerts>, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    let told_then = alerts.map(|alerts| {
        let waits = |alert: &&_| {
            let alert: &crate::alerts::view::AlertView = alert;
            alert.deliveries.is_empty() && alert.under.is_none()
        };
        hidden(alerts, &silence.of).filter(waits).count()
    });
    html! {
        dl .facts {
            dt { "Silenced" } dd { strong { (printable_name(&silence.of.told())) } }
            dt { "Until" } dd { (states::moment(silence.until, viewing, now)) }
            dt { "Why" } dd { bdi { (printable_name(&silence.reason)) } }
            dt { "By" }
            dd { bdi { (printable_name(&silence.by_whom)) } ", " (states::age(silence.begun_at, now)) }
            dt { "Kept back so far" }
            dd { strong { (format::count(silence.suppressed)) } @if silence.suppressed == 1 { " incident" } @else { " incidents" } }
            dt { "Told when it ends" }
            dd {
                @match told_then {
                    None => (states::unknown("alerts were not judged yet")),
                    Some(waiting) => { strong { (number(waiting)) } ", which fire now and were not told" },
                }
            }
        }
    }
}

fn end(app: &App, frame: &Frame, silence: &Silence) -> Markup {
    let to = format!("/api/v1/alerts/silences/{}/end", silence.silence_id);
    html! {
        form .form method="post" action=(to) {
            (act_fields(&app.access, &frame.visitor, &to))
            div .row { button .primary { "End it now" } a .button.quiet href="/alerts" { "Do nothing" } }
        }
    }
}

/// The address of the form for one rule, or for what one alert of it is about.
pub(super) fn address(rule: &str, subject: &str) -> String {
    use crate::page::address::encoded;
    let about = if subject.is_empty() { String::new() } else { format!("&subject={}", encoded(subject)) };
    format!("/alerts/silences/new?rule={}{about}", encoded(rule))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::view::tests_support::{alert, alerts};
    use crate::page::Against;

    const VIEWING: Viewing = Viewing { zone: chrono_tz::UTC, against: Against::Yesterday };

    fn of(rule: &str, subject: Option<&str>) -> Matcher {
        Matcher { rule: Some(rule.into()), subject: subject.map(str::to_owned), severity: None }
    }

    #[test]
    fn what_fires_and_is_kept_back_is_named_before() {
        let mut shown = alerts();
        shown.firing =
            vec![alert("ServiceDown", "kafka"), alert("ServiceDown", "cassandra"), alert("JobHeld", "")];
        let drawn = |of: &Matcher| consequence(of, Some(&shown), Some(12), &VIEWING, shown.at).into_string();
        let one = drawn(&of("ServiceDown", Some("kafka")));
        assert!(one.contains("about kafka alone") && one.contains("Kafka does not answer"), "{one}");
        assert!(
            !one.contains("Cassandra does not answer") && one.contains("<strong>12</strong> times"),
            "{one}"
        );
        assert!(one.contains("no target is named"), "{one}");
        let both = drawn(&of("ServiceDown", None));
        assert!(both.contains("Cassandra does not answer") && !both.contains("JobHeld"), "{both}");
    }

    #[test]
    fn what_is_not_known_is_not_zero() {
        let drawn = consequence(&Matcher::default(), None, None, &VIEWING, Utc::now()).into_string();
        assert_eq!(drawn.matches("not known").count(), 3, "{drawn}");
        assert!(!drawn.contains("<strong>0</strong>"), "{drawn}");
    }

    #[test]
    fn an_address_holds_any_name() {
        assert_eq!(address("Blind", ""), "/alerts/silences/new?rule=Blind");
        assert_eq!(address("Blind", "a b&c"), "/alerts/silences/new?rule=Blind&subject=a%20b%26c");
    }
}
