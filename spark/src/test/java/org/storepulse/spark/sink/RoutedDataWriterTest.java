package org.storepulse.spark.sink;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.expressions.GenericInternalRow;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.unsafe.types.UTF8String;
import org.junit.jupiter.api.Test;

class RoutedDataWriterTest {
  private static final StructType ROWS =
      StructType.fromDDL("route string, k string, last_occurred_at timestamp, write_time bigint");

  private final List<String> log = new ArrayList<>();

  @Test
  void finishesEveryTableThenNamesAllThatFailed() throws IOException {
    RoutedDataWriter writer = writer(Set.of("open:t1"), Set.of("finish:t3"));
    writer.write(row("a", "x"));
    writer.write(row("b", "x"));
    writer.write(row("c", "x"));
    writer.write(row("a", "y"));
    String message = assertThrows(IOException.class, writer::commit).getMessage();
    assertTrue(message.contains("t1: open refused") && message.contains("t3: finish refused"), message);
    assertTrue(!message.contains("t2"), message);
    assertEquals(List.of("open:t1", "open:t2", "write:t2", "open:t3", "write:t3", "finish:t2", "finish:t3"), log);
  }

  @Test
  void countsRowsByTableAndTheirLagInAMessageThatTravels() throws Exception {
    RoutedDataWriter writer = writer(Set.of());
    for (int i = 0; i < 200; i++) {
      writer.write(row("a", "x"));
    }
    writer.write(row("c", "x"));
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (ObjectOutputStream out = new ObjectOutputStream(bytes)) {
      out.writeObject(writer.commit());
    }
    RoutedCommitMessage message;
    try (ObjectInputStream in = new ObjectInputStream(new ByteArrayInputStream(bytes.toByteArray()))) {
      message = (RoutedCommitMessage) in.readObject();
    }
    assertEquals(Map.of("t1", 200L, "t3", 1L), message.rowsByTable());
    assertEquals(201, message.lag().count());
    long p50 = message.lag().percentileMs(0.5);
    assertTrue(p50 >= 5_000 && p50 < 20_000, "five seconds old: " + p50);
  }

  @Test
  void abortFinishesNothing() throws IOException {
    RoutedDataWriter writer = writer(Set.of());
    writer.write(row("a", "x"));
    writer.abort();
    writer.close();
    assertEquals(List.of("open:t1", "write:t1", "close:t1"), log);
  }

  @Test
  void aRowWithoutAKnownRouteFailsTheTask() {
    RoutedDataWriter writer = writer(Set.of());
    String unknown = assertThrows(IllegalArgumentException.class, () -> writer.write(row("z", "x"))).getMessage();
    assertTrue(unknown.contains("the route 'z'") && unknown.contains("[a, b, c]"), unknown);
    String none = assertThrows(IllegalArgumentException.class, () -> writer.write(row(null, "x"))).getMessage();
    assertTrue(none.contains("no route"), none);
    assertEquals(List.of(), log);
  }

  @SafeVarargs
  private RoutedDataWriter writer(Set<String>... refused) {
    Set<String> all = new java.util.HashSet<>();
    List.of(refused).forEach(all::addAll);
    List<TableRoute> routes = List.of(route("a", "t1"), route("b", "t2"), route("c", "t3"));
    return new RoutedDataWriter(routes, route -> new Recorder(route.table(), all), 0, 2);
  }

  private static TableRoute route(String route, String table) {
    TableProjection projection =
        TableProjection.plan(table, List.of("k", "last_occurred_at"), List.of("k"), ROWS, "write_time");
    return new TableRoute(route, table, projection, null, null, null);
  }

  private static InternalRow row(String route, String key) {
    long micros = (System.currentTimeMillis() - 5_000) * 1_000;
    return new GenericInternalRow(
        new Object[] {UTF8String.fromString(route), UTF8String.fromString(key), micros, 1L});
  }

  private final class Recorder implements TableWriter {
    private final String table;
    private final Set<String> refused;

    Recorder(String table, Set<String> refused) throws IOException {
      this.table = table;
      this.refused = refused;
      step("open");
    }

    private void step(String what) throws IOException {
      log.add(what + ":" + table);
      if (refused.contains(what + ":" + table)) {
        throw new IOException(what + " refused");
      }
    }

    @Override
    public void write(InternalRow row) throws IOException {
      step("write");
    }

    @Override
    public void finish() throws IOException {
      step("finish");
    }

    @Override
    public void close() {
      log.add("close:" + table);
    }
  }
}
