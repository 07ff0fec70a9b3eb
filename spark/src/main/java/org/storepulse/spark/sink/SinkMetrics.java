package org.storepulse.spark.sink;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import org.apache.spark.sql.connector.write.WriterCommitMessage;

/**
 * What the query's progress shows under {@code sink.metrics}; all values are text, as Spark wants them.
 *
 * <p>Of the last committed batch: {@code batch_id}, {@code rows}, {@code rows.<table>}, {@code lag_count},
 * {@code lag_p50_ms}, {@code lag_p99_ms}, {@code lag_max_ms}. Since the query started: the same names with
 * {@code total_} in front, {@code total_batches}, and {@code total_lag_histogram} as
 * {@code upper bound in ms:count} pairs, which can be merged and subtracted where percentiles cannot.
 *
 * <p>A row's lag is the moment when its task had every acknowledgement minus its event time. A row that is
 * written again because its window got another event carries its newest event's time, so it counts again with
 * its new lag.
 */
final class SinkMetrics {
  private long batchId = -1;
  private long batches;
  private Totals last = new Totals();
  private final Totals total = new Totals();

  private static final class Totals {
    final TreeMap<String, Long> rowsByTable = new TreeMap<>();
    final LagHistogram lag = new LagHistogram();

    void add(RoutedCommitMessage message) {
      message.rowsByTable().forEach((table, rows) -> rowsByTable.merge(table, rows, Long::sum));
      lag.add(message.lag());
    }

    void print(String prefix, Map<String, String> into) {
      long rows = rowsByTable.values().stream().mapToLong(Long::longValue).sum();
      into.put(prefix + "rows", Long.toString(rows));
      rowsByTable.forEach((table, count) -> into.put(prefix + "rows." + table, Long.toString(count)));
      into.put(prefix + "lag_count", Long.toString(lag.count()));
      into.put(prefix + "lag_p50_ms", Long.toString(lag.percentileMs(0.50)));
      into.put(prefix + "lag_p99_ms", Long.toString(lag.percentileMs(0.99)));
      into.put(prefix + "lag_max_ms", Long.toString(lag.maxMs()));
    }
  }

  synchronized void committed(long epochId, WriterCommitMessage[] messages) {
    Totals batch = new Totals();
    for (WriterCommitMessage message : messages) {
      if (message instanceof RoutedCommitMessage routed) {
        batch.add(routed);
        total.add(routed);
      }
    }
    batchId = epochId;
    batches++;
    last = batch;
  }

  synchronized Map<String, String> print() {
    Map<String, String> metrics = new LinkedHashMap<>();
    metrics.put("batch_id", Long.toString(batchId));
    last.print("", metrics);
    metrics.put("total_batches", Long.toString(batches));
    total.print("total_", metrics);
    metrics.put("total_lag_histogram", total.lag.encode());
    return metrics;
  }
}
