package org.storepulse.spark.judge;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.spark.sql.AnalysisException;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SaveMode;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.internal.SQLConf;
import org.apache.spark.sql.streaming.StreamingQuery;
import org.apache.spark.sql.streaming.Trigger;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * The function beside {@code from_avro} and SQL, on the same records. {@code -Djudge.batches=50} compares a
 * million, {@code -Djudge.seed=N} others.
 */
@Timeout(3600)
class JudgedTest {
  private static final int BATCH = 20_000;
  private static final int BATCHES = Integer.getInteger("judge.batches", 2);
  private static final long SEED = Long.getLong("judge.seed", 1);

  private static SparkSession spark;
  private static BySql ways;

  @TempDir Path folder;

  @BeforeAll
  static void start() throws Exception {
    spark =
        SparkSession.builder()
            .master("local[2]")
            .config("spark.ui.enabled", "false")
            .config("spark.sql.session.timeZone", "UTC")
            .config("spark.sql.shuffle.partitions", "2")
            // As the job has it, and so that the plan that a test looks at is the one that runs.
            .config("spark.sql.adaptive.enabled", "false")
            .getOrCreate();
    ways = new BySql();
  }

  @AfterAll
  static void stop() {
    if (spark != null) {
      spark.close();
    }
  }

  private static Dataset<Row> records(List<Row> rows) {
    return spark.createDataFrame(rows, StructType.fromDDL(SpoiltRecords.SHAPE)).repartition(2);
  }

  private static List<Row> inOrder(Dataset<Row> rows) {
    List<Row> all = new ArrayList<>(rows.collectAsList());
    all.sort(Comparator.comparingLong(row -> row.getLong(0)));
    return all;
  }

  /** Compares all fields of all records; counts by reason. */
  private static Map<String, Integer> compared(List<Row> rows) {
    Dataset<Row> records = records(rows);
    List<Row> byFunction = inOrder(ways.whole(ways.byFunction(records)));
    List<Row> bySql = inOrder(ways.whole(ways.bySql(records)));
    assertEquals(rows.size(), byFunction.size());
    assertEquals(rows.size(), bySql.size());
    Map<String, Integer> reasons = new TreeMap<>();
    for (int i = 0; i < rows.size(); i++) {
      if (!bySql.get(i).equals(byFunction.get(i))) {
        byte[] value = rows.get(i).getAs(1);
        throw new AssertionError(
            "sql: " + bySql.get(i) + "\nfunction: " + byFunction.get(i) + "\nof " + hex(value) + " " + rows.get(i).get(2));
      }
      reasons.merge(String.valueOf(bySql.get(i).get(1)), 1, Integer::sum);
    }
    return reasons;
  }

  private static String hex(byte[] value) {
    return value == null ? "null" : java.util.HexFormat.of().formatHex(value);
  }

  @Test
  void saysOfSpoiltRecordsWhatSqlSays() {
    SpoiltRecords records = new SpoiltRecords(SEED, ways.rules());
    Map<String, Integer> reasons = new TreeMap<>();
    for (int batch = 0; batch < BATCHES; batch++) {
      compared(records.rows(BATCH, true)).forEach((reason, count) -> reasons.merge(reason, count, Integer::sum));
    }
    System.out.println("judge.seed=" + SEED + " " + reasons);
    List<String> wanted = new ArrayList<>(List.of("null"));
    ways.rules().get("reasons").forEach(reason -> wanted.add(reason.textValue()));
    for (String reason : wanted) {
      assertTrue(reasons.getOrDefault(reason, 0) > 100, "hardly any " + reason + ": " + reasons);
    }
  }

  @Test
  void saysTheSameInterpretedAsCompiled() {
    List<Row> rows = new SpoiltRecords(SEED + 1, ways.rules()).rows(3_000, true);
    List<Row> compiled = inOrder(ways.whole(ways.byFunction(records(rows))));
    spark.conf().set("spark.sql.codegen.wholeStage", "false");
    spark.conf().set(SQLConf.CODEGEN_FACTORY_MODE().key(), "NO_CODEGEN");
    try {
      assertEquals(compiled, inOrder(ways.whole(ways.byFunction(records(rows)))));
    } finally {
      spark.conf().unset("spark.sql.codegen.wholeStage");
      spark.conf().unset(SQLConf.CODEGEN_FACTORY_MODE().key());
    }
  }

  @Test
  void hasTheColumnsAndTypesOfFromAvro() {
    Dataset<Row> records = records(new SpoiltRecords(SEED, ways.rules()).rows(1, false));
    Dataset<Row> byFunction = ways.byFunction(records);
    Dataset<Row> bySql = ways.bySql(records);
    assertEquals(ways.events(bySql).schema(), ways.events(byFunction).schema());
    assertEquals(bySql.schema().apply("refused"), byFunction.schema().apply("refused"));
  }

  @Test
  void isCompiledAndJudgesOnce() {
    Dataset<Row> events = ways.events(ways.byFunction(records(new SpoiltRecords(SEED, ways.rules()).rows(1, false))));
    String code = org.apache.spark.sql.execution.debug.package$.MODULE$.codegenString(events.queryExecution().executedPlan());
    int first = code.indexOf(".judge(");
    assertTrue(first > 0, code);
    assertFalse(code.indexOf(".judge(", first + 1) > 0, code);
  }

  @Test
  void everySessionOfAServerWithTheJarHasIt() {
    assertTrue(spark.newSession().catalog().functionExists(Judged.NAME));
    assertFalse(spark.newSession().catalog().functionExists(Judged.NAME + "_"));
  }

  @Test
  void refusesWhatItCannotJudgeByBeforeATaskRuns() {
    Dataset<Row> records = records(List.of());
    records.createOrReplaceTempView("records");
    for (String[] wrong :
        new String[][] {
          {"storepulse_judged(value, headers)", "not 2"},
          {"storepulse_judged(value, headers, cast(offset as string))", "constant"},
          {"storepulse_judged(value, headers, 'x')", "JSON"},
          {"storepulse_judged(value, headers, '{}')", "lack"},
          {"storepulse_judged(value, headers, '" + ways.text().replace("\"uuid\"", "\"guid\"") + "')", "guid"},
          {"storepulse_judged(value, headers, '" + ways.text().replace("\"least\":1,", "\"lowest\":1,") + "')", "lowest"},
        }) {
      Exception refused = assertThrows(IllegalArgumentException.class, () -> spark.sql("select " + wrong[0] + " from records"));
      assertTrue(refused.getMessage().contains(wrong[1]), refused.getMessage());
    }
    String types = "select storepulse_judged(offset, headers, '" + ways.text() + "') from records";
    String said = assertThrows(AnalysisException.class, () -> spark.sql(types)).getMessage();
    assertTrue(said.contains("takes a binary value"), said);
  }

  /** A job that was started with SQL goes on with the function, and back, on the same checkpoint. */
  @Test
  void goesOnWithACheckpointOfTheOther() throws Exception {
    Path in = Files.createDirectories(folder.resolve("in"));
    SpoiltRecords spoilt = new SpoiltRecords(SEED + 2, ways.rules());
    List<Row> all = new ArrayList<>();
    Map<String, Long> counts = new TreeMap<>();
    for (boolean function : new boolean[] {false, true, false}) {
      List<Row> rows = spoilt.rows(2_000, true);
      all.addAll(rows);
      records(rows).write().mode(SaveMode.Append).parquet(in.toString());
      Dataset<Row> stream = spark.readStream().schema(StructType.fromDDL(SpoiltRecords.SHAPE)).parquet(in.toString());
      Dataset<Row> events = ways.events(function ? ways.byFunction(stream) : ways.bySql(stream));
      StreamingQuery query =
          events
              .withWatermark("occurred_at", "20 minutes")
              .groupBy("country", "event_name")
              .count()
              .writeStream()
              .outputMode("update")
              .option("checkpointLocation", folder.resolve("checkpoint").toString())
              .trigger(Trigger.AvailableNow())
              .foreachBatch(
                  (Dataset<Row> batch, Long id) ->
                      batch.collectAsList().forEach(row -> counts.put(row.get(0) + " " + row.get(1), row.getLong(2))))
              .start();
      query.awaitTermination();
    }
    Map<String, Long> expected = new TreeMap<>();
    ways.events(ways.bySql(records(all)))
        .groupBy("country", "event_name")
        .count()
        .collectAsList()
        .forEach(row -> expected.put(row.get(0) + " " + row.get(1), row.getLong(2)));
    assertTrue(expected.values().stream().anyMatch(count -> count > 1), "groups that go on: " + expected);
    assertEquals(expected, counts);
  }

  @Test
  void takesOneWholeRecordAsItIs() {
    Row whole = new SpoiltRecords(SEED, ways.rules()).rows(1, false).get(0);
    assertEquals(1, compared(List.of(whole)).values().iterator().next());
    assertEquals(List.of("bad_magic_byte"), List.copyOf(compared(List.of(RowFactory.create(0L, null, null))).keySet()));
  }
}
