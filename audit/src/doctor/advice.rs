//! What is wrong with a part that does not do its work, as `ops` tells.

use chrono::{DateTime, Utc};
use contracts::{reported, silence};
use tokio_postgres::Client;

use super::{Hop, Stopped};

/// How a part is.
pub(super) enum Part {
    /// It reports that it works.
    AtWork,
    /// It is there and tries.
    Trying(Stopped),
    /// It is not there; waiting is of no use.
    Absent(Stopped),
}

/// The relay of a slot.
pub(super) async fn relay(pg: &Client, slot: &str) -> Result<Part, tokio_postgres::Error> {
    let row = pg
        .query_opt(
            "select holder, state, detail, coalesce(warning_detail, ''), reported_at, \
                    extract(epoch from clock_timestamp() - reported_at)::double precision \
             from ops.relay_status where slot = $1",
            &[&slot],
        )
        .await?;
    let stopped = |why: String, advice: &str| Stopped::new(Hop::Relay, why, advice);
    let Some(row) = row else {
        let why = "no relay has ever run".to_owned();
        return Ok(Part::Absent(stopped(why, "start `storepulse relay run`")));
    };
    let (holder, state, detail, warning): (String, String, String, String) =
        (row.get(0), row.get(1), row.get(2), row.get(3));
    let reported_at = row.get::<_, DateTime<Utc>>(4).format("%H:%M:%S UTC");
    let because = if detail.is_empty() { String::new() } else { format!(": {detail}") };
    if state == reported::relay::STOPPED {
        let why = format!("the relay ({holder}) has stopped{because}");
        return Ok(Part::Absent(stopped(why, "do what it names, then start `storepulse relay run`")));
    }
    if row.get::<_, f64>(5) > silence::RELAY_S as f64 {
        let why = format!("the relay ({holder}) has been silent since {reported_at}, when it was {state}");
        return Ok(Part::Absent(stopped(why, "start `storepulse relay run`")));
    }
    if state == reported::relay::STREAMING && warning.is_empty() {
        return Ok(Part::AtWork);
    }
    let why = format!(
        "the relay ({holder}) is {state}{because}{}{warning}",
        if warning.is_empty() { "" } else { "; " }
    );
    Ok(Part::Trying(stopped(why, "see `storepulse relay status`")))
}

/// The job of a query.
pub(super) async fn job(pg: &Client, query: &str) -> Result<Part, tokio_postgres::Error> {
    let lease = pg
        .query_opt(
            "select holder, expires_at > clock_timestamp() from ops.job_lease where job = $1",
            &[&query],
        )
        .await?;
    let run = pg
        .query_opt(
            "select holder, state, detail from ops.job_run where job = $1 order by started_at desc limit 1",
            &[&query],
        )
        .await?;
    let stopped = |why: String, advice: &str| Stopped::new(Hop::Spark, why, advice);
    let Some(run) = run else {
        let why = "the job has never run".to_owned();
        return Ok(Part::Absent(stopped(why, "start `storepulse job run`")));
    };
    let (holder, state, detail): (String, String, String) = (run.get(0), run.get(1), run.get(2));
    if !lease.is_some_and(|lease| lease.get(1)) {
        let why = format!("no supervisor has the job; the last ({holder}) was {state}");
        return Ok(Part::Absent(stopped(why, "start `storepulse job run`")));
    }
    if state == reported::job::RUNNING {
        return Ok(Part::AtWork);
    }
    if state == reported::job::HELD {
        let why = format!("the job ({holder}) is {detail}");
        return Ok(Part::Absent(stopped(why, "`storepulse job resume` lets it go on")));
    }
    let because = if detail.is_empty() { String::new() } else { format!(": {detail}") };
    let why = format!("the job ({holder}) is {state}{because}");
    let advice = if detail.contains("stack up") { "do what it names" } else { "see `storepulse job status`" };
    Ok(Part::Trying(stopped(why, advice)))
}
