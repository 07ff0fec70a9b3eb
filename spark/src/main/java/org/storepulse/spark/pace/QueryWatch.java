package org.storepulse.spark.pace;

import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.spark.SparkContext;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerEvent;
import org.apache.spark.scheduler.SparkListenerStageCompleted;
import org.apache.spark.scheduler.SparkListenerStageSubmitted;
import org.apache.spark.scheduler.SparkListenerTaskEnd;
import org.apache.spark.sql.streaming.StreamingQueryListener.QueryProgressEvent;
import org.apache.spark.sql.streaming.StreamingQueryListener.QueryTerminatedEvent;
import org.apache.spark.sql.streaming.StreamingQueryProgress;

/**
 * Hears of every streaming query of the server which of its tasks finished and what its micro-batches took.
 *
 * <p>Whoever needs it attaches it, so that it takes no setting of the server.
 */
public final class QueryWatch extends SparkListener {
  /** The property of a job that names its query; Spark's own. */
  static final String QUERY_ID = "sql.streaming.queryId";

  private static SparkContext attachedTo;

  private static final Map<String, AtomicLong> FINISHED = new ConcurrentHashMap<>();
  private static final Map<String, Pace> PACES = new ConcurrentHashMap<>();

  private final Map<Integer, String> queryOfStage = new ConcurrentHashMap<>();

  private QueryWatch() {}

  /** Has the context of this process tell a watch, unless it does already. */
  static synchronized void attach() {
    SparkContext context = SparkContext.getOrCreate();
    if (context != attachedTo) {
      context.addSparkListener(new QueryWatch());
      attachedTo = context;
    }
  }

  /** How many tasks of each query have finished since it was started and watched, by its id. */
  static Map<String, Long> finishedTasks() {
    Map<String, Long> counts = new TreeMap<>();
    FINISHED.forEach((query, count) -> counts.put(query, count.get()));
    return counts;
  }

  /** Has a pace told what the micro-batches of a query take. */
  static void follow(String query, Pace pace) {
    PACES.put(query, pace);
  }

  @Override
  public void onStageSubmitted(SparkListenerStageSubmitted submitted) {
    Properties properties = submitted.properties();
    String query = properties == null ? null : properties.getProperty(QUERY_ID);
    if (query != null) {
      queryOfStage.put(submitted.stageInfo().stageId(), query);
    }
  }

  @Override
  public void onStageCompleted(SparkListenerStageCompleted completed) {
    queryOfStage.remove(completed.stageInfo().stageId());
  }

  @Override
  public void onTaskEnd(SparkListenerTaskEnd ended) {
    String query = queryOfStage.get(ended.stageId());
    if (query != null && ended.taskInfo() != null && ended.taskInfo().successful()) {
      FINISHED.computeIfAbsent(query, id -> new AtomicLong()).incrementAndGet();
    }
  }

  @Override
  public void onOtherEvent(SparkListenerEvent event) {
    if (event instanceof QueryProgressEvent told) {
      StreamingQueryProgress progress = told.progress();
      Pace pace = PACES.get(progress.id().toString());
      Long ms = progress.durationMs().get("triggerExecution");
      if (pace != null && ms != null) {
        pace.took(progress.numInputRows(), ms);
      }
    } else if (event instanceof QueryTerminatedEvent ended) {
      String query = ended.id().toString();
      FINISHED.remove(query);
      PACES.remove(query);
    }
  }
}
