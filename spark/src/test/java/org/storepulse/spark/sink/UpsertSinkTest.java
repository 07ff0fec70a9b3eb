package org.storepulse.spark.sink;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.max;
import static org.apache.spark.sql.functions.sum;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SaveMode;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.streaming.DataStreamWriter;
import org.apache.spark.sql.streaming.StreamingQuery;
import org.apache.spark.sql.streaming.StreamingQueryException;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/** The sink in Spark against a real Cassandra. */
@EnabledIfSystemProperty(named = "cassandra.port", matches = "[0-9]+")
@Timeout(180)
class UpsertSinkTest {
  private static final StructType ROWS =
      StructType.fromDDL(
          "route string, day date, country string, events bigint, net decimal(14,2), last_occurred_at timestamp,"
              + " write_time bigint");
  private static final String ROUTES = "total=by_day,country=by_country";

  private static SparkSession spark;
  private static CassandraFixture cassandra;

  @TempDir Path folder;
  private int files;

  @BeforeAll
  static void start() {
    cassandra = new CassandraFixture();
    spark =
        SparkSession.builder()
            .master("local[2]")
            .config("spark.ui.enabled", "false")
            .config("spark.sql.session.timeZone", "UTC")
            .config("spark.sql.shuffle.partitions", "2")
            .config("spark.cassandra.connection.host", "127.0.0.1")
            .config("spark.cassandra.connection.port", Integer.toString(CassandraFixture.PORT))
            .getOrCreate();
  }

  @AfterAll
  static void stop() {
    if (spark != null) {
      spark.close();
    }
    if (cassandra != null) {
      cassandra.close();
    }
  }

  @BeforeEach
  void createTables() throws Exception {
    Files.createDirectories(folder.resolve("in"));
    createTable("by_day", "day date primary key");
    createTable("by_country", "day date, country text, primary key ((day), country)");
  }

  @AfterEach
  void dropTables() throws Exception {
    for (StreamingQuery query : spark.streams().active()) {
      query.stop();
    }
    cassandra.cql.execute("drop table if exists by_day");
    cassandra.cql.execute("drop table if exists by_country");
  }

  private static void createTable(String name, String key) {
    cassandra.cql.execute(
        "create table "
            + name
            + " (events bigint, net decimal, last_occurred_at timestamp, "
            + key
            + ") with comment = 'a test'");
  }

  @Test
  void updateModeKeepsEveryTableCurrentAndReportsIt() throws Exception {
    StreamingQuery query =
        startStream(input().groupBy("route", "day", "country").agg(
                sum("events").as("events"),
                sum("net").cast("decimal(14,2)").as("net"),
                max("last_occurred_at").as("last_occurred_at"),
                max("write_time").as("write_time")))
            .outputMode("update")
            .start();
    Instant recent = Instant.now().minusSeconds(5);
    append(row("total", "-", 2, "10.50", recent, 101), row("country", "NO", 2, "10.50", recent, 101));
    query.processAllAvailable();
    assertEquals(2, events("by_day"));
    append(
        row("total", "-", 3, "-0.25", recent, 102),
        row("country", "NO", 1, "0.25", recent, 102),
        row("country", "DE", 2, "-0.50", recent, 102));
    query.processAllAvailable();

    var day = cassandra.cql.execute("select events, net, last_occurred_at, writetime(events) as w from by_day").one();
    assertEquals(5, day.getLong("events"));
    assertEquals("10.25", day.getBigDecimal("net").toPlainString());
    assertEquals(recent.toEpochMilli(), day.getInstant("last_occurred_at").toEpochMilli());
    assertEquals(102, day.getLong("w"));
    var countries =
        cassandra.cql.execute("select country, events from by_country where day = '2026-11-22'").all();
    assertEquals(List.of("DE 2", "NO 3"), countries.stream().map(r -> r.getString(0) + " " + r.getLong(1)).toList());

    Map<String, String> metrics = lastMetrics(query, "3");
    assertEquals("1", metrics.get("rows.by_day"));
    assertEquals("2", metrics.get("rows.by_country"));
    assertEquals("3", metrics.get("lag_count"));
    assertEquals("5", metrics.get("total_lag_count"));
    assertEquals("3", metrics.get("total_rows.by_country"));
    long p50 = Long.parseLong(metrics.get("lag_p50_ms"));
    assertTrue(p50 >= 5_000 && p50 < 60_000, "five seconds and the batches: " + p50);
    assertTrue(metrics.get("total_lag_histogram").matches("[0-9]+:[0-9]+(,[0-9]+:[0-9]+)*"));
    assertTrue(query.lastProgress().json().contains("\"lag_p99_ms\""), "the json shows it");
  }

  @Test
  void appendModeStreams() throws Exception {
    StreamingQuery query = startStream(input()).outputMode("append").start();
    append(row("total", "-", 7, "1.00", Instant.now(), 5));
    query.processAllAvailable();
    assertEquals(7, events("by_day"));
  }

  @Test
  void theHigherWriteTimeStaysInAnyOrder() {
    String high = row("total", "-", 5, "5.00", Instant.now(), 200);
    String low = row("total", "-", 9, "9.00", Instant.now(), 199);
    saveBatch(high);
    saveBatch(low);
    assertEquals(5, events("by_day"));
    saveBatch(high);
    saveBatch(high, low);
    assertEquals(5, events("by_day"));
    saveBatch(row("total", "-", 1, "1.00", Instant.now(), 201));
    assertEquals(1, events("by_day"), "a later revision lowers a figure");
  }

  @Test
  void batchWritesManyRowsIntoEveryTable() {
    Dataset<Row> rows =
        spark
            .range(20_000)
            .selectExpr(
                "'country' as route",
                "date_add(date'2026-01-01', cast(id % 50 as int)) as day",
                "concat('c', id) as country",
                "id as events",
                "cast(id as decimal(14,2)) as net",
                "cast(null as timestamp) as last_occurred_at",
                "id + 1 as write_time",
                "'not in any table' as extra");
    rows.write().format(UpsertSink.SHORT_NAME).options(options()).mode(SaveMode.Append).save();
    assertEquals(20_000, cassandra.cql.execute("select count(*) from by_country").one().getLong(0));
    var one =
        cassandra
            .cql
            .execute(
                "select last_occurred_at, writetime(net) from by_country"
                    + " where day = '2026-01-04' and country = 'c1003'")
            .one();
    assertNull(one.getInstant(0));
    assertEquals(1004, one.getLong(1));
  }

  @Test
  void aMistakeInThePlanFailsAtTheStart() {
    assertStartFails(input(), Map.of("routes", "total=by_day,country=no_such_table"), "no_such_table");
    assertStartFails(input(), Map.of("keyspace", "no_such_keyspace"), "no_such_keyspace");
    assertStartFails(input(), Map.of("routes", " "), "names no table");
    assertStartFails(input().drop("country"), Map.of(), "primary key: country");
    assertStartFails(input().drop("net"), Map.of(), "lack: net");
    assertStartFails(input().drop("write_time"), Map.of(), "write_time");
    assertStartFails(input().withColumn("route", col("events")), Map.of(), "a string");
    assertStartFails(input(), Map.of("event_time.column", "nothing"), "nothing");
  }

  @Test
  void completeModeIsRefused() throws Exception {
    Dataset<Row> counts =
        input().groupBy("route", "day", "country").agg(
            sum("events").as("events"), max("net").as("net"), max("last_occurred_at").as("last_occurred_at"),
            max("write_time").as("write_time"));
    StreamingQuery query = startStream(counts).outputMode("complete").start();
    append(row("total", "-", 1, "1.00", Instant.now(), 1));
    assertThrows(StreamingQueryException.class, query::processAllAvailable);
  }

  @Test
  void aNullInTheKeyNamesTableAndColumn() throws Exception {
    String message = streamFailure(row("country", null, 1, "1.00", Instant.now(), 1));
    assertTrue(message.contains("table by_country has null in column country of the primary key"), message);
  }

  @Test
  void aNullWriteTimeIsRefused() throws Exception {
    String message = streamFailure(row("total", "-", 1, "1.00", Instant.now(), null));
    assertTrue(message.contains("table by_day has null in its write time write_time"), message);
  }

  @Test
  void anUnmappedRouteFailsBeforeItsRowIsWritten() throws Exception {
    String message = streamFailure(row("product", "-", 1, "1.00", Instant.now(), 1));
    assertTrue(message.contains("the route 'product'") && message.contains("total"), message);
    assertEquals(0, cassandra.cql.execute("select count(*) from by_day").one().getLong(0));
  }

  @Test
  void everyFailingTableIsNamedAndTheOthersAreFinished() throws Exception {
    createTable("third", "day date primary key");
    try {
      StreamingQuery query =
          startStream(input()).options(Map.of("routes", ROUTES + ",third=third")).outputMode("update").start();
      append(row("total", "-", 1, "1.00", Instant.now(), 1));
      query.processAllAvailable();
      cassandra.cql.execute("drop table by_country");
      cassandra.cql.execute("drop table third");
      append(
          row("country", "NO", 2, "2.00", Instant.now(), 2),
          row("third", "-", 2, "2.00", Instant.now(), 2),
          row("total", "-", 2, "2.00", Instant.now(), 2));
      String message = assertThrows(StreamingQueryException.class, query::processAllAvailable).toString();
      assertTrue(message.contains("writing failed for 2 table(s); by_country: "), message);
      assertTrue(message.contains("; third: "), message);
      assertFalse(message.contains("by_day: "), message);
      assertEquals(2, events("by_day"), "the table that works has its row");
    } finally {
      cassandra.cql.execute("drop table if exists third");
    }
  }

  private String streamFailure(String row) throws Exception {
    StreamingQuery query = startStream(input()).outputMode("update").start();
    append(row);
    return assertThrows(StreamingQueryException.class, query::processAllAvailable).toString();
  }

  private void assertStartFails(Dataset<Row> rows, Map<String, String> options, String told) {
    Exception failure =
        assertThrows(Exception.class, () -> startStream(rows).options(options).outputMode("update").start());
    assertFalse(failure instanceof StreamingQueryException);
    assertTrue(String.valueOf(failure.getMessage()).contains(told), failure.toString());
  }

  private Map<String, String> lastMetrics(StreamingQuery query, String rows) {
    for (var progress : query.recentProgress()) {
      if (rows.equals(progress.sink().metrics().get("rows"))) {
        return progress.sink().metrics();
      }
    }
    throw new AssertionError("no progress with " + rows + " rows: " + query.lastProgress());
  }

  private static Map<String, String> options() {
    return Map.of("keyspace", cassandra.keyspace, "routes", ROUTES, "retries", "1");
  }

  private Dataset<Row> input() {
    return spark.readStream().schema(ROWS).json(folder.resolve("in").toString());
  }

  private DataStreamWriter<Row> startStream(Dataset<Row> rows) {
    return rows.writeStream()
        .format(UpsertSink.SHORT_NAME)
        .options(options())
        .option("checkpointLocation", folder.resolve("checkpoint").toString());
  }

  private void saveBatch(String... rows) {
    spark
        .read()
        .schema(ROWS)
        .json(spark.createDataset(List.of(rows), Encoders.STRING()))
        .coalesce(1)
        .write()
        .format(UpsertSink.SHORT_NAME)
        .options(options())
        .mode(SaveMode.Append)
        .save();
  }

  /** A file appears whole, or Spark could read half of it. */
  private void append(String... rows) throws Exception {
    Path written = Files.writeString(folder.resolve("rows"), String.join("\n", rows));
    Files.move(written, folder.resolve("in").resolve(files++ + ".json"));
  }

  private static String row(String route, String country, long events, String net, Instant at, Object writeTime) {
    return String.format(
        "{\"route\":\"%s\",\"day\":\"2026-11-22\",\"country\":%s,\"events\":%d,\"net\":%s,"
            + "\"last_occurred_at\":\"%s\",\"write_time\":%s}",
        route, country == null ? null : '"' + country + '"', events, net, at, writeTime);
  }

  private static long events(String table) {
    return cassandra.cql.execute("select events from " + table + " where day = '2026-11-22'").one().getLong(0);
  }
}
