package org.storepulse.spark.sink;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RoutesTest {
  @ParameterizedTest
  @ValueSource(strings = {"a=t1,b=t2", " a = t1 , b=t2, ", "{\"a\":\"t1\",\"b\":\"t2\"}", " {\"a\" : \"t1\", \"b\":\"t2\"} "})
  void readsPairsAndJson(String text) {
    Map<String, String> routes = Routes.parse(text).tableByRoute();
    assertEquals(Map.of("a", "t1", "b", "t2"), routes);
    assertEquals(List.of("a", "b"), List.copyOf(routes.keySet()));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "''|names no table",
        "{}|at least one table",
        ",|at least one table",
        "a|route=table",
        "a=|route=table",
        "=t1|route=table",
        "a=t1,a=t2|is there twice",
        "a=t1,b=t1|one route",
        "{\"a\":\"t1\",\"a\":\"t2\"}|repeated routes",
        "{\"a\":null}|route=table",
        "{\"a\":[\"t1\"]}|json object of strings",
        "{\"a\"|json object",
      })
  void refusesWhatWouldLoseOrMixRows(String text, String remedy) {
    String message = assertThrows(IllegalArgumentException.class, () -> Routes.parse(text)).getMessage();
    assertTrue(message.contains(remedy), message);
  }

  @Test
  void refusesAMissingMap() {
    assertThrows(IllegalArgumentException.class, () -> Routes.parse(null));
  }
}
