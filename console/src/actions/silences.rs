//! Alerts of which nobody wants to be told for a while, and the end of that.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde_json::json;

use super::Deed;
use super::deed::Intent;
use crate::access::Operator;
use crate::alerts::command::{self, AlertsError};
use crate::alerts::silence::length;
use crate::alerts::view::AlertView;
use crate::alerts::{Alerts, Matcher, Severity, Silence};
use crate::app::App;
use crate::problem::Problem;
use crate::watch::words;

/// What a form says in the place of a length, to name a time instead.
pub(crate) const UNTIL: &str = "until";
/// How long the page may wait for a silence to be in what it shows.
const SHOWN: Duration = Duration::from_secs(2);

/// Which alerts a form names.
///
/// # Errors
/// Where there can be none of them.
pub(crate) fn matcher(
    rule: Option<String>,
    subject: Option<String>,
    severity: Option<String>,
) -> Result<Matcher, Problem> {
    let some = |text: Option<String>| text.filter(|text| !text.is_empty());
    let severity = some(severity).map(|word| word.parse::<Severity>()).transpose().map_err(bad)?;
    let of = Matcher { rule: some(rule), subject: some(subject), severity };
    of.check().map_err(|error| bad(error.to_string()))?;
    Ok(of)
}

fn bad(why: impl Into<String>) -> Problem {
    Problem::bad_request("bad-choice", why)
}

/// For how long a form wants it.
///
/// # Errors
/// Where that cannot be told from it.
pub(crate) fn lasting(
    for_: &str,
    until: Option<&str>,
    zone: Option<&str>,
    now: DateTime<Utc>,
) -> Result<TimeDelta, Problem> {
    match (for_, until.map(str::trim).filter(|until| !until.is_empty())) {
        (UNTIL, Some(until)) => Ok(moment(until, zone)? - now),
        (UNTIL, None) => Err(bad("Say until when, or choose for how long.")),
        (_, Some(_)) => Err(bad("Choose “until” for the time that you gave, or leave that empty.")),
        (text, None) => length(text).map_err(bad),
    }
}

/// A time with its offset, or one of the clock in a zone.
fn moment(text: &str, zone: Option<&str>) -> Result<DateTime<Utc>, Problem> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(at.to_utc());
    }
    let zone: Tz = zone
        .unwrap_or("UTC")
        .parse()
        .map_err(|_| bad("That is no time zone: use a name such as Europe/Zurich."))?;
    let clock = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"];
    let at = clock.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    let at = at.ok_or_else(|| {
        bad("That is no time: write 2026-11-29T18:00, or RFC 3339 as 2026-11-29T18:00:00Z.")
    })?;
    // Of two clock times that are the same, the first: nothing is silent for longer than was meant.
    let at = at.and_local_timezone(zone).earliest();
    at.map(|at| at.to_utc()).ok_or_else(|| bad("The clock jumps over that time in this zone: take another."))
}

/// What fires now that a silence would be of.
pub(crate) fn hidden<'a>(alerts: &'a Alerts, of: &'a Matcher) -> impl Iterator<Item = &'a AlertView> {
    alerts.firing.iter().filter(|alert| of.matches(&alert.rule, &alert.subject, alert.severity))
}

/// Begins a silence; returns its number.
///
/// # Errors
/// Where it would last too long, or PostgreSQL does not answer.
pub(crate) async fn begin(
    app: &App,
    by: &Operator,
    why: &str,
    of: &Matcher,
    length: TimeDelta,
) -> Result<i64, Problem> {
    command::check(of, length).map_err(|error| bad(error.to_string()))?;
    let firing = app.watch.alerts.borrow().value.as_deref().map(|alerts| hidden(alerts, of).count());
    let target = of.told();
    let detail = json!({ "of": of, "for_s": length.num_seconds(), "firing": firing });
    let deed =
        Deed::intend(app, by, Intent { action: "alert-silence", target: &target, why, detail }).await?;
    match command::silence(&deed.client, of, length, why, &by.name).await {
        Ok(silence_id) => {
            deed.done(json!({ "silence": silence_id })).await;
            shown(app, |silences| silences.iter().any(|silence| silence.silence_id == silence_id)).await;
            Ok(silence_id)
        }
        Err(error) => Err(failed(deed, &error).await),
    }
}

/// Ends a silence.
///
/// # Errors
/// Where none of that number goes on, or PostgreSQL does not answer.
pub(crate) async fn end(app: &App, by: &Operator, why: &str, silence_id: i64) -> Result<(), Problem> {
    let kept_back = of_number(app, silence_id).map(|silence| silence.suppressed);
    let target = format!("silence {silence_id}");
    let detail = json!({ "kept_back": kept_back });
    let deed =
        Deed::intend(app, by, Intent { action: "alert-unsilence", target: &target, why, detail }).await?;
    match command::end_silence(&deed.client, silence_id).await {
        Ok(()) => {
            deed.done(json!({ "silence": silence_id })).await;
            shown(app, |silences| silences.iter().all(|silence| silence.silence_id != silence_id)).await;
            Ok(())
        }
        Err(error) => Err(failed(deed, &error).await),
    }
}

async fn failed(deed: Deed, error: &AlertsError) -> Problem {
    let why = words(error);
    deed.failed(&why).await;
    match error {
        AlertsError::Silence(_) => {
            Problem::not_found("No silence of that number goes on: /alerts shows those that do.")
        }
        AlertsError::Matcher(_) | AlertsError::Length | AlertsError::Reason => bad(why),
        _ => Problem::store_away("postgresql", why),
    }
}

/// A silence that goes on, as the page shows it.
pub(crate) fn of_number(app: &App, silence_id: i64) -> Option<Silence> {
    let alerts = app.watch.alerts.borrow().value.clone()?;
    alerts.silences.iter().find(|silence| silence.silence_id == silence_id).cloned()
}

/// Has silences read again, and waits a moment for the page to show them as they are.
async fn shown(app: &App, are_so: impl Fn(&[Silence]) -> bool) {
    let mut alerts = app.watch.alerts.subscribe();
    app.post.has_silenced();
    let so = alerts.wait_for(|seen| seen.value.as_deref().is_some_and(|alerts| are_so(&alerts.silences)));
    // Where PostgreSQL is slow the page follows by itself.
    let _ = tokio::time::timeout(SHOWN, so).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn minutes(for_: &str, until: Option<&str>, zone: Option<&str>) -> Result<i64, String> {
        let lasting = lasting(for_, until, zone, at("2026-11-29T10:00:00Z"));
        lasting.map(|lasting| lasting.num_minutes()).map_err(|problem| problem.told().to_owned())
    }

    #[test]
    fn it_lasts_for_a_length_or_until_a_time_of_the_viewers_zone() {
        assert_eq!(minutes("4h", Some(" "), None), Ok(240));
        assert_eq!(minutes("until", Some("2026-11-29T12:30"), Some("Europe/Zurich")), Ok(90));
        assert_eq!(minutes("until", Some("2026-11-29T12:30:00"), None), Ok(150));
        assert_eq!(minutes("until", Some("2026-11-29T12:30:00+02:00"), Some("Asia/Tokyo")), Ok(30));
        for (for_, until, zone, why) in [
            ("until", None, None, "until when"),
            ("1h", Some("2026-11-29T12:30"), None, "Choose"),
            ("1w", None, None, "as 2h"),
            ("until", Some("tomorrow"), None, "no time"),
            ("until", Some("2026-11-29T12:30"), Some("Mars"), "no time zone"),
            ("until", Some("2027-03-28T02:30"), Some("Europe/Zurich"), "jumps over"),
        ] {
            let told = minutes(for_, until, zone).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
        // Twice half past two: the first.
        let autumn =
            lasting("until", Some("2026-10-25T02:30"), Some("Europe/Zurich"), at("2026-10-25T00:00:00Z"));
        assert_eq!(autumn.unwrap().num_minutes(), 30);
    }

    #[test]
    fn an_empty_choice_is_none() {
        let none = || Some(String::new());
        assert_eq!(matcher(none(), none(), none()).unwrap(), Matcher::default());
        assert!(matcher(Some("None".into()), None, None).is_err());
        assert!(matcher(None, None, Some("grave".into())).is_err());
    }
}
