package org.storepulse.spark.sink;

import java.io.Serializable;
import java.util.Map;
import org.apache.spark.sql.util.CaseInsensitiveStringMap;

/**
 * The sink's settings, as the query's options give them. What is not named here goes to the connector as it
 * is.
 *
 * @param keyspace {@code keyspace}: of all tables
 * @param routes {@code routes}: which route is which table, see {@link Routes}
 * @param routeColumn {@code route.column}: the string column that names a row's route; not written
 * @param writeTimeColumn {@code writetime.column}: the bigint column with the row's write time in µs; not
 * written
 * @param eventTimeColumn {@code event_time.column}: the timestamp column with the newest event of the row,
 * for the lag
 * @param eventTimeRequired whether that column was asked for, or is the default, which rows may lack
 * @param retries {@code retries}: how often one statement is sent again after a time-out, an unavailable or
 *     overloaded node, or when no node can be reached
 * @param writeTimeoutMs {@code write.timeout.ms}: a table that acknowledges nothing for so long has failed
 * @param all every option, for the connector
 */
record SinkOptions(
    String keyspace,
    Routes routes,
    String routeColumn,
    String writeTimeColumn,
    String eventTimeColumn,
    boolean eventTimeRequired,
    int retries,
    long writeTimeoutMs,
    Map<String, String> all)
    implements Serializable {

  static final String KEYSPACE = "keyspace";
  static final String ROUTES = "routes";
  static final String ROUTE_COLUMN = "route.column";
  static final String WRITE_TIME_COLUMN = "writetime.column";
  static final String EVENT_TIME_COLUMN = "event_time.column";
  static final String RETRIES = "retries";
  static final String WRITE_TIMEOUT_MS = "write.timeout.ms";

  /** With the back-off of {@link StatementExecutor} these take about twenty seconds. */
  static final int DEFAULT_RETRIES = 10;

  /**
   * Longer than all retries take when every answer comes at once, so that retries and not this end a write.
   */
  static final long DEFAULT_WRITE_TIMEOUT_MS = 60_000;

  static SinkOptions parse(Map<String, String> properties) {
    CaseInsensitiveStringMap options = new CaseInsensitiveStringMap(properties);
    String keyspace = options.get(KEYSPACE);
    if (keyspace == null || keyspace.isBlank()) {
      throw new IllegalArgumentException("set the option " + KEYSPACE + ": it names the keyspace of the tables");
    }
    return new SinkOptions(
        keyspace,
        Routes.parse(options.get(ROUTES)),
        options.getOrDefault(ROUTE_COLUMN, "route"),
        options.getOrDefault(WRITE_TIME_COLUMN, "write_time"),
        options.getOrDefault(EVENT_TIME_COLUMN, "last_occurred_at"),
        options.containsKey(EVENT_TIME_COLUMN),
        (int) wholeNumber(options, RETRIES, DEFAULT_RETRIES, 0, 1_000),
        wholeNumber(options, WRITE_TIMEOUT_MS, DEFAULT_WRITE_TIMEOUT_MS, 1, Integer.MAX_VALUE),
        options.asCaseSensitiveMap());
  }

  private static long wholeNumber(CaseInsensitiveStringMap options, String name, long preset, long min, long max) {
    String text = options.get(name);
    if (text == null) {
      return preset;
    }
    try {
      long value = Long.parseLong(text.trim());
      if (value >= min && value <= max) {
        return value;
      }
    } catch (NumberFormatException e) {
      // Same remedy as for a number out of range.
    }
    throw new IllegalArgumentException(
        "set the option " + name + " to a whole number from " + min + " to " + max + ": it is '" + text + "'");
  }
}
