package org.storepulse.spark.sink;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.Serializable;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Which route goes to which table: the value of a row's route column, and the table's name.
 *
 * <p>Written as a JSON object, or as {@code route=table} pairs with commas between. A route named twice, a
 * table with two routes and a map without a pair are refused: each is a mistake that would lose or mix rows
 * silently.
 */
final class Routes implements Serializable {
  private static final ObjectMapper JSON =
      new ObjectMapper().configure(JsonParser.Feature.STRICT_DUPLICATE_DETECTION, true);

  private final LinkedHashMap<String, String> tableByRoute;

  private Routes(LinkedHashMap<String, String> tableByRoute) {
    this.tableByRoute = tableByRoute;
  }

  /** Table by route, in the order written. */
  Map<String, String> tableByRoute() {
    return Collections.unmodifiableMap(tableByRoute);
  }

  static Routes parse(String text) {
    if (text == null || text.isBlank()) {
      throw new IllegalArgumentException(
          "set the option " + SinkOptions.ROUTES + " to route=table pairs or a json object: it names no table");
    }
    LinkedHashMap<String, String> routes = text.strip().startsWith("{") ? fromJson(text) : fromPairs(text);
    if (routes.isEmpty()) {
      throw new IllegalArgumentException("name at least one table in the option " + SinkOptions.ROUTES);
    }
    Map<String, String> routeByTable = new HashMap<>();
    routes.forEach(
        (route, table) -> {
          if (route.isBlank() || table == null || table.isBlank()) {
            throw new IllegalArgumentException(
                "write route=table in the option " + SinkOptions.ROUTES + ": found '" + route + "=" + table + "'");
          }
          String other = routeByTable.put(table, route);
          if (other != null) {
            throw new IllegalArgumentException(
                "give table " + table + " one route: it has '" + other + "' and '" + route + "'");
          }
        });
    return new Routes(routes);
  }

  private static LinkedHashMap<String, String> fromJson(String text) {
    try {
      return JSON.readValue(text, new TypeReference<LinkedHashMap<String, String>>() {});
    } catch (JsonProcessingException e) {
      throw new IllegalArgumentException(
          "write the option " + SinkOptions.ROUTES + " as a json object of strings without repeated routes", e);
    }
  }

  private static LinkedHashMap<String, String> fromPairs(String text) {
    LinkedHashMap<String, String> routes = new LinkedHashMap<>();
    for (String pair : text.split(",")) {
      if (pair.isBlank()) {
        continue;
      }
      int equals = pair.indexOf('=');
      if (equals < 0) {
        throw new IllegalArgumentException(
            "write route=table in the option " + SinkOptions.ROUTES + ": found '" + pair.strip() + "'");
      }
      String route = pair.substring(0, equals).strip();
      if (routes.put(route, pair.substring(equals + 1).strip()) != null) {
        throw new IllegalArgumentException(
            "name the route '" + route + "' once in the option " + SinkOptions.ROUTES + ": it is there twice");
      }
    }
    return routes;
  }
}
