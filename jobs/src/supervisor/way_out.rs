//! What a person can do about a fault that the job goes on trying to get over, told beside it.

/// A server without a Spark context says one of these, and nothing of the cause.
const CONTEXT_ENDED: &[&[&str]] = &[
    &["SparkEnv", "null"],
    &["stopped SparkContext"],
    &["SparkContext was shut down"],
    &["SparkContext has been shutdown"],
];

/// What the client says where nothing answers.
const NOBODY_ANSWERS: &[&[&str]] =
    &[&["transport error"], &["tcp connect error"], &["Connection refused"], &["connection refused"]];

/// What Kafka's clients say of a topic that is not there. One that is read, and was read before, is told of
/// by [`unread`](crate::unread).
const NO_TOPIC: &[&[&str]] = &[
    &["not present in metadata"],
    &["UnknownTopicOrPartition"],
    &["UNKNOWN_TOPIC_OR_PARTITION"],
    &["This server does not host this topic-partition"],
];

/// A fault, with the way out where it is known.
pub(super) fn with_way_out(why: String) -> String {
    let said = |texts: &[&[&str]]| texts.iter().any(|all| all.iter().all(|text| why.contains(text)));
    let way_out = if said(CONTEXT_ENDED) {
        "the connect server's spark context has ended: spark's master drops an application after ten executors that failed in a row \
         (`storepulse stack logs spark-worker` tells why they did); mend that, then `storepulse stack up` starts the server again, \
         and in containers `docker-compose restart spark-connect`"
    } else if said(NO_TOPIC) {
        "somebody deleted a topic of the job: `storepulse setup` creates it again, and the job goes on by itself; refusals that were in \
         it and not in raw.quarantine yet are lost, and `storepulse ledger` tells how many"
    } else if said(NOBODY_ANSWERS) {
        "the connect server does not run or is starting: where `storepulse stack status` calls it stopped, its log tells why and \
         `storepulse stack up` starts it again; containers do so by themselves"
    } else {
        return why;
    };
    format!("{why}; {way_out}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_without_a_context_or_without_a_process_is_told_of_with_the_way_out() {
        let null = "spark refused to open a session: Cannot invoke \"org.apache.spark.SparkEnv.conf()\" because the return value \
                    of \"org.apache.spark.SparkEnv$.get()\" is null";
        let told = with_way_out(null.to_owned());
        assert!(
            told.starts_with(null) && told.contains("context has ended") && told.contains("stack up"),
            "{told}"
        );
        let told = with_way_out("spark refused to open a session: transport error".to_owned());
        assert!(told.contains("does not run or is starting"), "{told}");
        let spark = "refusals failed: Topic shop.quarantine not present in metadata after 60000 ms.";
        let told = with_way_out(spark.to_owned());
        assert!(told.starts_with(spark) && told.contains("`storepulse setup` creates it again"), "{told}");
        assert_eq!(with_way_out("cube failed: a row is null".to_owned()), "cube failed: a row is null");
    }
}
