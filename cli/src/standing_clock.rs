//! `--at`: the time of a clock that stands still, as the ingestor's does in `simulate --start`.

use chrono::{DateTime, Utc};
use jobs::rebuild::ROWS_END_WITHIN;

/// A time that the machine's clock has passed. What is ahead would count as closed, and open windows with it.
pub(crate) fn past(text: &str) -> Result<DateTime<Utc>, String> {
    passed(text, Utc::now())
}

/// A time so long past that no row which was open then can still grow.
pub(crate) fn long_past(text: &str) -> Result<DateTime<Utc>, String> {
    long_passed(text, Utc::now())
}

fn passed(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, String> {
    let at = text.parse::<DateTime<Utc>>().map_err(|error| format!("{error}; write 2026-03-02T12:00:00Z"))?;
    if at > now {
        return Err("it is in the future; leave --at out, and the machine's clock is used".to_owned());
    }
    Ok(at)
}

fn long_passed(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, String> {
    let at = passed(text, now)?;
    if at + ROWS_END_WITHIN > now {
        return Err(format!(
            "it is less than {} days ago, so hours and visits of that time may still grow; leave --at out, and the \
             machine's clock is used",
            ROWS_END_WITHIN.num_days()
        ));
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-03-04T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn what_is_ahead_or_no_time_is_refused() {
        assert!(passed("2026-03-04T12:00:00Z", now()).is_ok());
        assert!(passed("2026-03-04T12:00:01Z", now()).unwrap_err().contains("future"));
        assert!(passed("yesterday", now()).unwrap_err().contains("write 2026-03-02T12:00:00Z"));
    }

    #[test]
    fn rows_of_a_time_long_past_do_not_grow() {
        assert!(long_passed("2026-03-02T12:00:00Z", now()).is_ok());
        assert!(long_passed("2026-03-02T12:00:01Z", now()).unwrap_err().contains("less than 2 days ago"));
        assert!(long_passed("2026-03-04T12:00:01Z", now()).unwrap_err().contains("future"));
    }
}
