//! What a streaming query tells about itself: Spark's progress JSON, typed, and the figures made from it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use contracts::reported;
use serde::{Deserialize, Deserializer, Serialize};

/// The whole trigger among the durations.
const TRIGGER: &str = "triggerExecution";

/// The parts of Spark's `StreamingQueryProgress` (3.5) that are used here.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SparkProgress {
    /// The micro-batch, counted from 0 over all runs of the checkpoint.
    pub batch_id: i64,
    /// When the trigger began.
    pub timestamp: DateTime<Utc>,
    /// How long each phase took, in ms; `triggerExecution` is the whole.
    #[serde(default)]
    pub duration_ms: BTreeMap<String, i64>,
    /// Times of the events, and the watermark.
    #[serde(default)]
    pub event_time: EventTime,
    /// One entry a stateful operator.
    #[serde(default)]
    pub state_operators: Vec<StateOperator>,
    /// One entry a source.
    #[serde(default)]
    pub sources: Vec<Source>,
    #[serde(default)]
    pub sink: Sink,
}

/// Times of the events of one batch.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct EventTime {
    /// The newest.
    pub max: Option<DateTime<Utc>>,
    /// The watermark in force.
    pub watermark: Option<DateTime<Utc>>,
}

/// The state of one operator.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StateOperator {
    /// Rows kept.
    pub num_rows_total: i64,
    /// Rows removed by this batch.
    pub num_rows_removed: i64,
    /// Rows that came too late for the watermark; anything but 0 is a fault here.
    pub num_rows_dropped_by_watermark: i64,
}

/// One source.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Source {
    /// Records read. The server leaves the sum over sources out of what it sends over Connect.
    pub num_input_rows: i64,
    /// Where the micro-batch ended: `{topic: {partition: offset}}` for Kafka, nothing before the first. What
    /// the server sends over Connect is JSON in a text.
    #[serde(deserialize_with = "unpacked")]
    pub end_offset: serde_json::Value,
    /// Kafka's figures, `maxOffsetsBehindLatest` among them.
    pub metrics: BTreeMap<String, String>,
}

/// A value, or what stands in a text as JSON.
fn unpacked<'de, D: Deserializer<'de>>(deserializer: D) -> Result<serde_json::Value, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(match value.as_str() {
        Some(text) => serde_json::from_str(text).unwrap_or(value),
        None => value,
    })
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Sink {
    /// What our sink reports: rows a table and how far rows trail their newest event.
    pub metrics: BTreeMap<String, String>,
}

impl SparkProgress {
    /// Parses Spark's JSON.
    ///
    /// # Errors
    /// When it is not of the shape Spark 3.5 gives.
    pub fn parse(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }

    /// Records read.
    #[must_use]
    pub fn input_rows(&self) -> i64 {
        self.sources.iter().map(|source| source.num_input_rows).sum()
    }

    /// The time of the whole micro-batch, in ms.
    #[must_use]
    pub fn batch_ms(&self) -> i64 {
        self.duration_ms.get(TRIGGER).copied().unwrap_or(0)
    }

    /// Rows that a stateful operator dropped as too late.
    #[must_use]
    pub fn rows_dropped_by_watermark(&self) -> i64 {
        self.state_operators.iter().map(|operator| operator.num_rows_dropped_by_watermark).sum()
    }

    /// Rows of state, and how many this batch removed.
    #[must_use]
    pub fn state_rows(&self) -> (i64, i64) {
        let total = self.state_operators.iter().map(|operator| operator.num_rows_total).sum();
        let removed = self.state_operators.iter().map(|operator| operator.num_rows_removed).sum();
        (total, removed)
    }

    /// Offsets between what this batch read and the topic's end; counts transaction markers too.
    #[must_use]
    pub fn offsets_behind(&self) -> i64 {
        let behind = |source: &Source| source.metrics.get("maxOffsetsBehindLatest")?.parse::<i64>().ok();
        self.sources.iter().filter_map(behind).sum()
    }

    /// Where this batch ended, by topic and partition, over all sources.
    #[must_use]
    pub fn end_offsets(&self) -> serde_json::Map<String, serde_json::Value> {
        let topics = self.sources.iter().filter_map(|source| source.end_offset.as_object());
        topics.flatten().map(|(topic, offsets)| (topic.clone(), offsets.clone())).collect()
    }

    /// How long each phase took, in ms, without the whole.
    #[must_use]
    pub fn phases_ms(&self) -> BTreeMap<String, i64> {
        let phases = self.duration_ms.iter().filter(|(name, _)| *name != TRIGGER);
        phases.map(|(name, ms)| (name.clone(), *ms)).collect()
    }

    /// The micro-batch that comes after what is told here: this one, where its trigger found nothing to do.
    #[must_use]
    pub fn next_batch(&self) -> i64 {
        self.batch_id + i64::from(self.duration_ms.contains_key("addBatch"))
    }

    fn sink_metric_ms(&self, name: &str) -> Option<i64> {
        self.sink.metrics.get(name)?.parse().ok()
    }

    /// How far rows trailed their newest event, median and 99th percentile in ms; nothing where no row
    /// carries one.
    #[must_use]
    pub fn lag_ms(&self) -> Option<(i64, i64)> {
        (self.sink_metric_ms("lag_count")? > 0)
            .then(|| self.sink_metric_ms("lag_p50_ms").zip(self.sink_metric_ms("lag_p99_ms")))?
    }

    /// Whether it was not told before, by the time of the trigger.
    fn is_new(&self, last_seen: &mut Option<DateTime<Utc>>) -> bool {
        if last_seen.is_some_and(|seen| self.timestamp <= seen) {
            return false;
        }
        *last_seen = Some(self.timestamp);
        true
    }
}

/// What the supervisor is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Submitting the plan.
    #[default]
    Starting,
    /// Waiting for the lease; not told to PostgreSQL, where the holder's run stands.
    Standby,
    /// The query runs.
    Running,
    /// The query failed or stalled and is about to be submitted again.
    Restarting,
    /// Stopping the query on request.
    Stopping,
    /// Nothing runs because somebody wants it so; the supervisor keeps the job and waits.
    Held,
    /// Ended on request.
    Stopped,
}

impl JobState {
    /// The word kept in `ops.job_run`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            JobState::Starting => reported::job::STARTING,
            JobState::Standby => "standby",
            JobState::Running => reported::job::RUNNING,
            JobState::Restarting => reported::job::RESTARTING,
            JobState::Stopping => reported::job::STOPPING,
            JobState::Held => reported::job::HELD,
            JobState::Stopped => reported::job::STOPPED,
        }
    }
}

/// The job as its supervisor sees it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct JobProgress {
    /// What the supervisor is doing.
    pub state: JobState,
    /// Why, where there is something to say.
    pub detail: String,
    /// Times the query was submitted again.
    pub restarts: u32,
    /// The last micro-batch with records.
    pub batch_id: Option<i64>,
    /// Micro-batches with records since the supervisor started.
    pub batches: u64,
    /// Records read since the supervisor started.
    pub input_rows: i64,
    /// Records per second of processing in the last micro-batch.
    pub rows_per_s: f64,
    /// How long it took, in ms.
    pub batch_ms: i64,
    pub watermark: Option<DateTime<Utc>>,
    /// The newest event read.
    pub newest_event: Option<DateTime<Utc>>,
    /// How far rows trailed their newest event when the last micro-batch was written, median, in ms.
    pub lag_p50_ms: Option<i64>,
    /// The same, 99th percentile, in ms.
    pub lag_p99_ms: Option<i64>,
    /// Median over all micro-batches of this run of the query, in ms.
    pub run_lag_p50_ms: Option<i64>,
    /// 99th percentile over them, in ms.
    pub run_lag_p99_ms: Option<i64>,
    /// Offsets between the last micro-batch and the topic's end.
    pub offsets_behind: i64,
    /// Rows of state.
    pub state_rows: i64,
    /// Rows of state removed since the supervisor started.
    pub state_rows_removed: i64,
    /// Rows that Spark dropped as too late in any query since the supervisor started; anything but 0 is a
    /// fault.
    pub rows_dropped_by_watermark: i64,
}

impl JobProgress {
    /// Takes in the report of one more trigger; a report seen before changes nothing.
    ///
    /// Returns whether it was a new one.
    pub fn absorb(&mut self, spark: &SparkProgress, last_seen: &mut Option<DateTime<Utc>>) -> bool {
        if !spark.is_new(last_seen) {
            return false;
        }
        let (state_rows, removed) = spark.state_rows();
        self.state_rows = state_rows;
        self.state_rows_removed += removed;
        self.rows_dropped_by_watermark += spark.rows_dropped_by_watermark();
        self.offsets_behind = spark.offsets_behind();
        self.watermark = spark.event_time.watermark.or(self.watermark);
        let input_rows = spark.input_rows();
        if input_rows > 0 {
            self.batch_id = Some(spark.batch_id);
            self.batches += 1;
            self.input_rows += input_rows;
            self.batch_ms = spark.batch_ms();
            self.rows_per_s = input_rows as f64 * 1000.0 / self.batch_ms.max(1) as f64;
            self.newest_event = self.newest_event.max(spark.event_time.max);
            self.lag_p50_ms = spark.sink_metric_ms("lag_p50_ms");
            self.lag_p99_ms = spark.sink_metric_ms("lag_p99_ms");
            self.run_lag_p50_ms = spark.sink_metric_ms("total_lag_p50_ms").or(self.run_lag_p50_ms);
            self.run_lag_p99_ms = spark.sink_metric_ms("total_lag_p99_ms").or(self.run_lag_p99_ms);
        }
        true
    }

    /// Takes in the report of a query that is not the one shown: its figures are its own, but a row that it
    /// dropped is the same fault.
    ///
    /// Returns whether it was a new one.
    pub fn absorb_beside(&mut self, spark: &SparkProgress, last_seen: &mut Option<DateTime<Utc>>) -> bool {
        let new = spark.is_new(last_seen);
        if new {
            self.rows_dropped_by_watermark += spark.rows_dropped_by_watermark();
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = r#"{
        "id": "a", "runId": "b", "name": "cube", "timestamp": "2026-11-22T10:00:00.000Z", "batchId": 7,
        "durationMs": {"addBatch": 400, "triggerExecution": 500},
        "eventTime": {"avg": "2026-11-22T09:59:58.000Z", "max": "2026-11-22T09:59:59.000Z",
                      "min": "2026-11-22T09:59:57.000Z", "watermark": "2026-11-22T09:39:59.000Z"},
        "stateOperators": [{"operatorName": "stateStoreSave", "numRowsTotal": 63, "numRowsUpdated": 10,
                            "numRowsRemoved": 3, "numRowsDroppedByWatermark": 0}],
        "sources": [{"description": "KafkaV2", "numInputRows": 1000,
                     "startOffset": null, "endOffset": "{\"shop.events.v1\":{\"0\":510,\"1\":490}}",
                     "metrics": {"maxOffsetsBehindLatest": "12"}}],
        "sink": {"description": "x", "numOutputRows": 60, "metrics": {"lag_count": "60", "lag_p50_ms": "800", "lag_p99_ms": "1200"}}
    }"#;

    #[test]
    fn a_report_counts_once() {
        let spark = SparkProgress::parse(REPORT).unwrap();
        let (mut job, mut seen) = (JobProgress::default(), None);
        assert!(job.absorb(&spark, &mut seen));
        assert!(!job.absorb(&spark, &mut seen));
        assert_eq!(
            (job.input_rows, job.batch_ms, job.state_rows, job.state_rows_removed),
            (1000, 500, 63, 3)
        );
        assert_eq!((job.lag_p50_ms, job.offsets_behind), (Some(800), 12));
    }

    #[test]
    fn what_a_batch_took_and_where_it_ended_is_told() {
        let spark = SparkProgress::parse(REPORT).unwrap();
        assert_eq!(spark.phases_ms(), [("addBatch".to_owned(), 400)].into());
        let ends = serde_json::Value::Object(spark.end_offsets());
        assert_eq!(ends, serde_json::json!({"shop.events.v1": {"0": 510, "1": 490}}));
        assert_eq!(spark.next_batch(), 8);
        assert_eq!(spark.lag_ms(), Some((800, 1200)));
        let idle = r#"{"batchId": 8, "timestamp": "2026-11-22T10:00:10.000Z", "sources": [{"endOffset": null}, {"endOffset": "3"}],
                       "durationMs": {"latestOffset": 2, "triggerExecution": 2}}"#;
        let idle = SparkProgress::parse(idle).unwrap();
        assert!(idle.end_offsets().is_empty() && idle.lag_ms().is_none());
        assert_eq!(idle.next_batch(), 8);
    }

    #[test]
    fn a_row_dropped_beside_the_cube_is_a_fault_and_changes_nothing_else() {
        let mut spark = SparkProgress::parse(REPORT).unwrap();
        spark.state_operators[0].num_rows_dropped_by_watermark = 2;
        let (mut job, mut seen) = (JobProgress::default(), None);
        assert!(job.absorb_beside(&spark, &mut seen));
        assert!(!job.absorb_beside(&spark, &mut seen));
        assert_eq!((job.rows_dropped_by_watermark, job.batches, job.input_rows), (2, 0, 0));
    }

    #[test]
    fn an_idle_report_keeps_the_last_figures() {
        let spark = SparkProgress::parse(REPORT).unwrap();
        let (mut job, mut seen) = (JobProgress::default(), None);
        job.absorb(&spark, &mut seen);
        let idle = r#"{"batchId": 8, "timestamp": "2026-11-22T10:00:10.000Z", "sources": []}"#;
        assert!(job.absorb(&SparkProgress::parse(idle).unwrap(), &mut seen));
        assert_eq!((job.batch_id, job.batch_ms), (Some(7), 500));
    }
}
