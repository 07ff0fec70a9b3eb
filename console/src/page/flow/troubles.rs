//! What is wrong: a sentence for each hop that does not run, with the whole error and what to do.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use crate::format::sentence;
use crate::line::advice::advice;
use crate::line::hops::{Hop, HopName, HopState, SinceIs, hops};
use crate::page::{Viewing, states, with_code};
use crate::watch::Snapshot;
use crate::watch::ops::Fault;

pub(super) fn panel(snapshot: &Snapshot, viewing: &Viewing) -> Markup {
    draw(snapshot, viewing, Utc::now())
}

fn draw(snapshot: &Snapshot, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    let hops = hops(snapshot, now);
    // What only reports through a store that is away has nothing to say of its own.
    let mute = |hop: &Hop| hop.state == HopState::Unknown && hop.why.is_none();
    let troubled =
        hops.iter().filter(|hop| !matches!(hop.state, HopState::Runs | HopState::Waits) && !mute(hop));
    let ops = snapshot.ops.value.as_deref();
    // The newest fault belongs to this halt where it is not of another day.
    let fault =
        ops.and_then(|ops| ops.standing.faults.first()).filter(|fault| now - fault.occurred_at < FRESH);
    html! {
        div id="flow.troubles" .notices {
            @for hop in troubled { (trouble(hop, fault, viewing, now)) }
            @if let Some(missing) = never_asked(snapshot) { (states::empty(missing, None)) }
        }
    }
}

const FRESH: chrono::TimeDelta = chrono::TimeDelta::minutes(15);

fn never_asked(snapshot: &Snapshot) -> Option<&'static str> {
    let nothing = snapshot.ops.value.is_none() && snapshot.ops.away.is_none();
    nothing.then_some("The line is being looked at for the first time.")
}

fn trouble(hop: &Hop, fault: Option<&Fault>, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    let class = match hop.state {
        HopState::Stopped => "bad",
        HopState::Late => "warn",
        _ => "",
    };
    let fault = fault.filter(|_| hop.hop == HopName::Spark);
    html! {
        section class={ "notice " (class) } data-key=(hop.hop.word()) {
            p {
                strong { (states::mark(hop.state.mark())) " " (hop.hop.label()) " " (verb(hop)) }
                @if let Some(since) = hop.since {
                    " since " (states::moment(since, viewing, now)) ", " (states::age(since, now))
                    @if hop.since_is == Some(SinceIs::Seen) { span .muted { " (seen here then)" } }
                }
                "."
                @if let Some(seen) = &hop.seen { " " (sentence(seen)) }
            }
            @if let Some(why) = &hop.why { p { code { (why.lines().next().unwrap_or_default()) } } }
            @if hop.why.as_ref().is_some_and(|why| why.lines().nth(1).is_some()) || fault.is_some() {
                details .more {
                    summary { "Whole error" span .sr { " of " (hop.hop.label()) } }
                    pre .code.wrap tabindex="0" { (fault.map_or(hop.why.as_deref().unwrap_or_default(), |fault| &fault.exception)) }
                }
            }
            @if let Some(advice) = advice(hop) { p { "What to do: " (with_code(advice)) "." } }
            @if hop.hop == HopName::Spark { p { a href="/jobs" { "Look at the job" } } }
        }
    }
}

fn verb(hop: &Hop) -> &'static str {
    match (hop.hop, hop.state) {
        (HopName::Postgresql | HopName::Kafka | HopName::Cassandra, HopState::Stopped) => "does not answer",
        (_, HopState::Stopped) => "stands still",
        (_, HopState::Late) => "is late",
        _ => "is not known",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::hops::tests_support::{ago, now, snapshot, well};
    use crate::page::Against;
    use crate::watch::ops::{Ops, Standing};

    const VIEWING: Viewing = Viewing { zone: chrono_tz::UTC, against: Against::Yesterday };

    #[test]
    fn a_job_that_failed_shows_its_whole_exception() {
        let fault = Fault {
            summary: "Lost task 0.0".into(),
            exception: "java.lang.RuntimeException: <boom>\n\tat Foo.scala:1".into(),
            occurred_at: ago(60),
            ..Fault::default()
        };
        let standing = std::sync::Arc::new(Standing { faults: vec![fault], ..Standing::default() });
        let mut ops = Ops { standing, ..well() };
        ops.run.as_mut().unwrap().state = "restarting".into();
        ops.run.as_mut().unwrap().detail = "cube failed: Lost task 0.0".into();
        ops.run_since = Some(ago(60));
        let text = draw(&snapshot(ops), &VIEWING, now()).into_string();
        for part in
            ["Spark stands still", "cube failed: Lost task", "&lt;boom&gt;", "Foo.scala:1", "What to do: "]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn a_line_that_is_well_has_no_notice() {
        assert!(!draw(&snapshot(well()), &VIEWING, now()).into_string().contains("notice "));
    }

    #[test]
    fn commands_stand_out() {
        assert_eq!(
            with_code("run `storepulse setup` now").into_string(),
            "run <code>storepulse setup</code> now"
        );
        assert_eq!(sentence("silent"), "Silent.");
    }
}
