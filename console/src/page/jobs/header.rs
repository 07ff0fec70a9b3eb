//! The supervisor: its state, who holds the job, and the plan in force.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use crate::format;
use crate::line::hops::{Hop, HopName, hops};
use crate::line::jobs::{JobView, job};
use crate::page::{Viewing, states};
use crate::watch::Snapshot;

pub(super) fn panel(snapshot: &Snapshot, viewing: &Viewing) -> Markup {
    let now = Utc::now();
    let spark = hops(snapshot, now).into_iter().find(|hop| hop.hop == HopName::Spark);
    html! {
        div id="jobs.header" .notices {
            @match (&snapshot.ops.away, &snapshot.ops.value) {
                (Some(away), _) => (states::away("PostgreSQL", away, viewing, now)),
                (None, None) => p .note { "The job is being looked at for the first time." },
                (None, Some(_)) => (draw(&job(snapshot, now), spark.as_ref(), viewing, now)),
            }
        }
    }
}

fn draw(job: &JobView, spark: Option<&Hop>, viewing: &Viewing, now: DateTime<Utc>) -> Markup {
    let Some(state) = &job.state else {
        return states::empty("The job has never run.", Some("storepulse job run"));
    };
    html! {
        section .panel {
            header {
                h2 {
                    @if let Some(hop) = spark { (states::mark(hop.state.mark())) " " }
                    "Job " (state)
                }
                @if job.stop_requested { span .tag.warn { "asked to stop" } }
                @if !job.leased { span .tag.bad { "nobody holds it" } }
                @if job.dropped_rows.unwrap_or(0) > 0 { span .tag.bad { (format::count(job.dropped_rows.unwrap_or(0))) " rows dropped" } }
            }
            @if let Some(hop) = spark {
                @if let Some(seen) = &hop.seen { p .warn { (seen) } }
            }
            @if let Some(detail) = &job.detail { p { code { (detail) } } }
            dl .facts {
                dt { "Holder" }
                dd { @match &job.holder { Some(holder) => (holder), None => (states::unknown("not told")) } }
                dt { "Lease" }
                dd {
                    @match job.lease_age_ms {
                        Some(ms) => { "renewed " (states::age(now - chrono::TimeDelta::milliseconds(ms), now)) @if let Some(fencing) = job.fencing { ", fencing " (fencing) } },
                        None => (states::unknown("nobody has ever held it")),
                    }
                }
                dt { "Runs since" }
                dd { @if let Some(at) = job.started_at { (states::moment(at, viewing, now)) } }
                dt { "Restarts" }
                dd {
                    (format::count(job.restarts.unwrap_or(0))) " of this supervisor, "
                    (format::count(job.restarts_15m)) " failures of queries in 15 min"
                }
                @if let Some(plan) = &job.plan {
                    dt { "Plan" }
                    dd {
                        "revision " (plan.revision) ", topic generation " (plan.topic_generation) ", "
                        (plan.shuffle_partitions) " shuffle partitions, since " (states::moment(plan.started_at, viewing, now))
                    }
                    dt { "Fingerprint" }
                    dd { code title=(plan.fingerprint) { (plan.fingerprint.get(..16).unwrap_or(&plan.fingerprint)) "…" } }
                }
                dt { "Amounts in" }
                dd { @match &job.base_currency { Some(currency) => (currency), None => (states::unknown("no ingestor has recorded it yet")) } }
                dt { "Events kept" }
                dd {
                    @match job.retention_floor {
                        Some(floor) => { "since " (states::moment(floor, viewing, now)) },
                        None => "all",
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::hops::tests_support::{ago, now, snapshot, well};
    use crate::page::Against;
    use crate::watch::ops::Ops;

    const VIEWING: Viewing = Viewing { zone: chrono_tz::UTC, against: Against::Yesterday };

    fn told(ops: Ops) -> String {
        let snapshot = snapshot(ops);
        let spark = hops(&snapshot, now()).into_iter().find(|hop| hop.hop == HopName::Spark);
        draw(&job(&snapshot, now()), spark.as_ref(), &VIEWING, now()).into_string()
    }

    #[test]
    fn a_job_without_holder_and_one_that_never_ran_are_told_apart() {
        let mut lost = well();
        lost.lease.as_mut().unwrap().expires_at = ago(1);
        assert!(told(lost).contains("nobody holds it"));
        assert!(told(Ops { run: None, ..well() }).contains("has never run"));
        let well = told(well());
        assert!(well.contains("Job running") && !well.contains("nobody holds it"), "{well}");
    }
}
