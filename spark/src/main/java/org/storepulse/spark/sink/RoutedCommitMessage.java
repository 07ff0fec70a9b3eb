package org.storepulse.spark.sink;

import java.util.Map;
import java.util.TreeMap;
import org.apache.spark.sql.connector.write.WriterCommitMessage;

/**
 * What one task wrote: rows by table, and how far they trailed their newest event when Cassandra had them
 * all. Crosses from executor to driver, so it is a class of its own and serializable.
 */
final class RoutedCommitMessage implements WriterCommitMessage {
  private final TreeMap<String, Long> rowsByTable;
  private final LagHistogram lag;

  RoutedCommitMessage(Map<String, Long> rowsByTable, LagHistogram lag) {
    this.rowsByTable = new TreeMap<>(rowsByTable);
    this.lag = lag;
  }

  Map<String, Long> rowsByTable() {
    return rowsByTable;
  }

  LagHistogram lag() {
    return lag;
  }
}
