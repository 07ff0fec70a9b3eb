package org.storepulse.spark.sink;

import java.io.IOException;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.connector.write.DataWriter;
import org.apache.spark.sql.connector.write.WriterCommitMessage;
import org.apache.spark.unsafe.types.UTF8String;

/**
 * One task: sends each row to the writer of its route, which is opened when its first row comes.
 *
 * <p>A table that fails does not keep the others from being finished: {@link #commit} finishes all, then
 * fails and names every table that did. A row that cannot be right wherever it is written (no or an unknown
 * route, a null in the key) fails the task at once.
 */
final class RoutedDataWriter implements DataWriter<InternalRow> {
  /** Opens the writer of a route. */
  interface Opener {
    TableWriter open(TableRoute route) throws IOException;
  }

  private static final class OpenTable {
    TableWriter writer;
    IOException failure;
    long rows;
  }

  private final Map<UTF8String, TableRoute> routes = new HashMap<>();
  private final Map<UTF8String, OpenTable> open = new LinkedHashMap<>();
  private final Opener opener;
  private final int routeOrdinal;
  private final int eventTimeOrdinal;

  // The lag is known only at the end, so event times wait for it.
  private long[] eventTimesMs = new long[64];
  private int eventTimeCount;

  RoutedDataWriter(List<TableRoute> planned, Opener opener, int routeOrdinal, int eventTimeOrdinal) {
    planned.forEach(route -> routes.put(UTF8String.fromString(route.route()), route));
    this.opener = opener;
    this.routeOrdinal = routeOrdinal;
    this.eventTimeOrdinal = eventTimeOrdinal;
  }

  @Override
  public void write(InternalRow row) throws IOException {
    UTF8String key = row.isNullAt(routeOrdinal) ? null : row.getUTF8String(routeOrdinal);
    TableRoute route = key == null ? null : routes.get(key);
    if (route == null) {
      throw new IllegalArgumentException(
          "a row has "
              + (key == null ? "no route" : "the route '" + key + "'")
              + ": the option "
              + SinkOptions.ROUTES
              + " names "
              + routes.values().stream().map(TableRoute::route).sorted().toList());
    }
    route.projection().check(row);
    OpenTable table = open.get(key);
    if (table == null) {
      table = new OpenTable();
      // The row's own bytes are reused by Spark for the next row.
      open.put(key.copy(), table);
      try {
        table.writer = opener.open(route);
      } catch (IOException e) {
        table.failure = e;
      }
    }
    if (table.failure != null) {
      return;
    }
    try {
      table.writer.write(row);
      table.rows++;
    } catch (IOException e) {
      table.failure = e;
      return;
    }
    if (eventTimeOrdinal >= 0 && !row.isNullAt(eventTimeOrdinal)) {
      if (eventTimeCount == eventTimesMs.length) {
        eventTimesMs = Arrays.copyOf(eventTimesMs, eventTimeCount * 2);
      }
      eventTimesMs[eventTimeCount++] = Math.floorDiv(row.getLong(eventTimeOrdinal), 1_000L);
    }
  }

  @Override
  public WriterCommitMessage commit() throws IOException {
    TreeMap<String, IOException> failures = new TreeMap<>();
    Map<String, Long> rowsByTable = new TreeMap<>();
    Failpoint.BEFORE_FINISH.reach();
    open.forEach(
        (key, table) -> {
          if (!rowsByTable.isEmpty()) {
            Failpoint.BETWEEN_TABLES.reach();
          }
          String name = routes.get(key).table();
          if (table.failure == null) {
            try {
              table.writer.finish();
            } catch (IOException e) {
              table.failure = e;
            }
          }
          if (table.failure != null) {
            failures.put(name, table.failure);
          }
          rowsByTable.put(name, table.rows);
        });
    if (!failures.isEmpty()) {
      throw failed(failures);
    }
    Failpoint.AFTER_FINISH.reach();
    LagHistogram lag = new LagHistogram();
    long nowMs = System.currentTimeMillis();
    for (int i = 0; i < eventTimeCount; i++) {
      lag.record(nowMs - eventTimesMs[i]);
    }
    return new RoutedCommitMessage(rowsByTable, lag);
  }

  @Override
  public void abort() {
    close();
  }

  @Override
  public void close() {
    for (OpenTable table : open.values()) {
      if (table.writer != null) {
        table.writer.close();
      }
    }
    open.clear();
  }

  private static IOException failed(TreeMap<String, IOException> failures) {
    // Spark shows an executor's failure as text: the causes go into the message, or they would not be seen.
    StringBuilder message = new StringBuilder("writing failed for " + failures.size() + " table(s)");
    failures.forEach((table, cause) -> message.append("; ").append(table).append(": ").append(cause.getMessage()));
    IOException failed = new IOException(message.toString(), failures.firstEntry().getValue());
    failures.values().stream().skip(1).forEach(failed::addSuppressed);
    return failed;
  }
}
