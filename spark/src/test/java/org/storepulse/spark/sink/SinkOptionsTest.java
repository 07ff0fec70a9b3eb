package org.storepulse.spark.sink;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;

class SinkOptionsTest {
  @Test
  void hasDefaults() {
    SinkOptions options = parse(Map.of());
    assertEquals("route", options.routeColumn());
    assertEquals("write_time", options.writeTimeColumn());
    assertEquals("last_occurred_at", options.eventTimeColumn());
    assertFalse(options.eventTimeRequired());
    assertEquals(SinkOptions.DEFAULT_RETRIES, options.retries());
    assertEquals(SinkOptions.DEFAULT_WRITE_TIMEOUT_MS, options.writeTimeoutMs());
  }

  @Test
  void takesWhatIsSet() {
    SinkOptions options =
        parse(Map.of("Retries", "0", "write.timeout.ms", "5", "event_time.column", "at", "route.column", "r"));
    assertEquals(0, options.retries());
    assertEquals(5, options.writeTimeoutMs());
    assertEquals("at", options.eventTimeColumn());
    assertTrue(options.eventTimeRequired());
    assertEquals("r", options.routeColumn());
  }

  @Test
  void namesTheOptionThatIsWrong() {
    for (Map<String, String> wrong :
        new Map[] {Map.of("retries", "-1"), Map.of("retries", "many"), Map.of("write.timeout.ms", "0")}) {
      String message = assertThrows(IllegalArgumentException.class, () -> parse(wrong)).getMessage();
      assertTrue(message.contains(wrong.keySet().iterator().next()), message);
    }
    String message =
        assertThrows(IllegalArgumentException.class, () -> SinkOptions.parse(Map.of("routes", "a=t"))).getMessage();
    assertTrue(message.contains("keyspace"), message);
  }

  private static SinkOptions parse(Map<String, String> more) {
    Map<String, String> all = new HashMap<>(Map.of("keyspace", "k", "routes", "a=t"));
    all.putAll(more);
    return SinkOptions.parse(all);
  }
}
