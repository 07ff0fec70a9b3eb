//! What to do about a hop that does not run, as docs/relay-and-job.md says it.

use super::hops::{Hop, HopName, HopState};

/// What to do; nothing where a hop runs, or waits for another.
pub(crate) fn advice(hop: &Hop) -> Option<&'static str> {
    if matches!(hop.state, HopState::Runs | HopState::Waits) {
        return None;
    }
    let words = hop.why.as_deref().unwrap_or_default();
    let said = |text: &str| words.contains(text);
    let advice = match hop.hop {
        HopName::Relay => {
            let known = RELAY.iter().find(|(texts, _)| texts.iter().all(|text| said(text)));
            known.map_or(
                match hop.state {
                    HopState::Stopped if words.is_empty() => "start `storepulse relay run`",
                    _ => "see `storepulse relay status`; do what it names, then start `storepulse relay run`",
                },
                |(_, advice)| *advice,
            )
        }
        HopName::Spark => {
            let known = SPARK.iter().find(|(texts, _)| texts.iter().all(|text| said(text)));
            known.map_or(
                match hop.state {
                    HopState::Stopped if words.is_empty() => "start `storepulse job run`",
                    _ => "see `storepulse job status`; the supervisor submits the job again by itself while it can",
                },
                |(_, advice)| *advice,
            )
        }
        HopName::Postgresql if hop.state == HopState::Late => {
            "PostgreSQL will give the slot up: start the relay, end open transactions, raise `max_slot_wal_keep_size`"
        }
        HopName::Kafka if hop.state == HopState::Late => "a broker is away: see `storepulse stack status`",
        HopName::Senders | HopName::Postgresql => {
            "see `storepulse stack status`, and `storepulse stack logs postgres`"
        }
        HopName::Kafka => "see `storepulse stack status`, and `storepulse stack logs kafka`",
        HopName::Cassandra => "see `storepulse stack status`, and `storepulse stack logs cassandra`",
    };
    Some(advice)
}

/// What the relay says, and the way out.
const RELAY: &[(&[&str], &str)] = &[
    (&["there is no first position"], "set-up is incomplete: run `storepulse setup`"),
    (&["is not recorded in schema ops"], "set-up is incomplete: run `storepulse setup`"),
    (&["not set up"], "set-up is incomplete: run `storepulse setup`"),
    (&["refuses the relay"], "correct `PG_URL`: the user needs REPLICATION"),
    (&["replication slot", "does not exist"], "run `storepulse rebuild`"),
    (&["is lost"], "run `storepulse rebuild`"),
    (&["beyond the position"], "run `storepulse rebuild`"),
    (&["no position in Kafka"], "run `storepulse rebuild`"),
    (
        &["before the position"],
        "PostgreSQL was restored: run `storepulse rebuild`, then `storepulse reconcile`",
    ),
    (&["remembers the relay's report"], "run `storepulse rebuild`, then `storepulse reconcile`"),
    (&["topic", "does not exist"], "run `storepulse setup` on a new system, else `storepulse rebuild`"),
    (&["differs from the contract"], "put back what the message names; then `storepulse rebuild`"),
    (&["contract's columns"], "run the program that belongs to the database"),
];

/// What the supervisor says, and the way out.
const SPARK: &[(&[&str], &str)] = &[
    (
        &["belongs to another plan"],
        "run `storepulse rebuild`; start `storepulse job run` when it says which windows the new revision owns",
    ),
    (
        &["cannot be continued"],
        "run `storepulse rebuild --abandon-old`; start `storepulse job run` when it says which windows the new revision owns",
    ),
    (&["retention has cut"], "run `storepulse rebuild`"),
    (
        &["no task of a micro-batch ended"],
        "Cassandra or Kafka does not answer: see `storepulse stack status`",
    ),
    (
        &["context has ended"],
        "see `storepulse stack logs spark-worker`, mend what it names, then `storepulse stack up`",
    ),
    (
        &["onnect"],
        "Spark Connect does not answer: see `storepulse stack status`; the job submits itself again",
    ),
];

#[cfg(test)]
mod tests {
    use super::super::hops::tests_support::hop;
    use super::*;

    #[test]
    fn the_way_out_follows_from_the_words() {
        let relay = |why: &str| advice(&hop(HopName::Relay, HopState::Stopped, why)).unwrap();
        assert_eq!(relay("replication slot \"shop_relay\" does not exist"), "run `storepulse rebuild`");
        assert!(relay("topic shop.events.g1 does not exist").contains("storepulse setup"));
        assert_eq!(relay(""), "start `storepulse relay run`");
        assert!(relay("something new").contains("relay status"));
        assert_eq!(advice(&hop(HopName::Spark, HopState::Stopped, "")), Some("start `storepulse job run`"));
    }

    #[test]
    fn nothing_is_to_be_done_about_a_hop_that_runs_or_waits() {
        for state in [HopState::Runs, HopState::Waits] {
            assert_eq!(advice(&hop(HopName::Spark, state, "")), None);
        }
    }
}
