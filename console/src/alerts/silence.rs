//! What nobody wants to be told for a while.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::printable::is_hidden;
use serde::Serialize;

use super::rules::{Severity, rule};

/// It lasts this long at least, and ends by itself after this long at most.
pub(super) const SHORTEST: TimeDelta = TimeDelta::minutes(1);
pub(crate) const LONGEST: TimeDelta = TimeDelta::days(7);
/// Of a subject's name, in characters.
const LONGEST_SUBJECT: usize = 200;

/// A number and a unit of time, as 30m, 2h or 3d.
///
/// # Errors
/// What to write instead.
pub fn length(text: &str) -> Result<TimeDelta, &'static str> {
    const USE: &str = "use a number and m, h or d, as 2h";
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).unwrap_or((text, ""));
    let number: u32 = number.parse().map_err(|_| USE)?;
    match unit {
        "m" => Ok(TimeDelta::minutes(number.into())),
        "h" => Ok(TimeDelta::hours(number.into())),
        "d" => Ok(TimeDelta::days(number.into())),
        _ => Err(USE),
    }
}

/// Which alerts a silence is of: all those of which everything that it names is true.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Matcher {
    /// Any rule where there is none.
    pub rule: Option<String>,
    /// The service or query; any where there is none.
    pub subject: Option<String>,
    /// Any severity where there is none.
    pub severity: Option<Severity>,
}

/// Why nothing can be silenced with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MatcherError {
    /// There is no such rule.
    #[error("there is no rule {0:?}: `storepulse alerts rules` lists them")]
    Rule(String),
    /// No service and no query has such a name.
    #[error("the subject of an alert has 1 to 200 characters on one line, for example kafka")]
    Subject,
}

impl Matcher {
    /// Whether there can be such alerts.
    ///
    /// # Errors
    /// [`MatcherError`].
    pub fn check(&self) -> Result<(), MatcherError> {
        if let Some(name) = self.rule.as_deref().filter(|name| rule(name).is_none()) {
            return Err(MatcherError::Rule(name.to_owned()));
        }
        let is_name = |name: &String| {
            (1..=LONGEST_SUBJECT).contains(&name.chars().count())
                && !name.chars().any(|letter| letter.is_control() || is_hidden(letter))
        };
        if self.subject.as_ref().is_some_and(|subject| !is_name(subject)) {
            return Err(MatcherError::Subject);
        }
        Ok(())
    }

    pub(crate) fn matches(&self, rule: &str, subject: &str, severity: Severity) -> bool {
        self.rule.as_deref().is_none_or(|only| only == rule)
            && self.subject.as_deref().is_none_or(|only| only == subject)
            && self.severity.is_none_or(|only| only == severity)
    }

    /// For people and the log of actions.
    #[must_use]
    pub fn told(&self) -> String {
        let mut told = self.rule.clone().unwrap_or_else(|| "every rule".to_owned());
        if let Some(severity) = self.severity {
            told += &format!(", {} alone", severity.word());
        }
        if let Some(subject) = &self.subject {
            told += &format!(", about {subject} alone");
        }
        told
    }
}

/// A silence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Silence {
    /// What it is ended by.
    pub silence_id: i64,
    /// Which alerts it is of.
    #[serde(flatten)]
    pub of: Matcher,
    /// From when on.
    pub begun_at: DateTime<Utc>,
    /// Until when.
    pub until: DateTime<Utc>,
    /// The reason that was given.
    pub reason: String,
    /// Who began it.
    pub by_whom: String,
    /// Of how many incidents nobody was told.
    pub suppressed: i64,
}

impl Silence {
    /// Whether it keeps back what an alert has to tell.
    pub(crate) fn keeps(&self, rule: &str, subject: &str, severity: Severity, now: DateTime<Utc>) -> bool {
        now < self.until && self.begun_at <= now && self.of.matches(rule, subject, severity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rule: Option<&str>, subject: Option<&str>, severity: Option<Severity>) -> Matcher {
        Matcher { rule: rule.map(str::to_owned), subject: subject.map(str::to_owned), severity }
    }

    #[test]
    fn all_that_it_names_has_to_be_so() {
        let matches = |of: &Matcher| of.matches("ServiceDown", "kafka", Severity::Warning);
        for yes in [
            of(None, None, None),
            of(Some("ServiceDown"), None, None),
            of(Some("ServiceDown"), Some("kafka"), Some(Severity::Warning)),
            of(None, Some("kafka"), None),
        ] {
            assert!(matches(&yes), "{yes:?}");
        }
        for no in [
            of(Some("FiguresLate"), None, None),
            of(Some("ServiceDown"), Some("cassandra"), None),
            of(None, Some("kafka"), Some(Severity::Critical)),
        ] {
            assert!(!matches(&no), "{no:?}");
        }
    }

    #[test]
    fn what_can_be_of_no_alert_is_refused() {
        assert_eq!(of(Some("FiguresLate"), Some("cube"), None).check(), Ok(()));
        assert_eq!(of(Some("None"), None, None).check(), Err(MatcherError::Rule("None".into())));
        let long = "k".repeat(LONGEST_SUBJECT + 1);
        for subject in ["", "a\nb", "a\0b", "\u{202e}x", &long] {
            assert_eq!(of(None, Some(subject), None).check(), Err(MatcherError::Subject), "{subject:?}");
        }
    }

    #[test]
    fn a_length_is_a_number_and_a_unit() {
        assert_eq!(length("90m"), Ok(TimeDelta::minutes(90)));
        assert_eq!(length("7d"), Ok(TimeDelta::days(7)));
        for wrong in ["", "h", "2", "2w", "-1h", "2 h", "é"] {
            assert!(length(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn it_is_told_in_words() {
        assert_eq!(of(None, None, None).told(), "every rule");
        let kafka = of(Some("ServiceDown"), Some("kafka"), Some(Severity::Warning));
        assert_eq!(kafka.told(), "ServiceDown, warning alone, about kafka alone");
    }
}
