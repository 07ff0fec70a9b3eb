package org.storepulse.spark.judge;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SaveMode;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.types.StructType;

/**
 * What decoding and judging costs a record, by the function and by SQL, in turns in one process: µs of one
 * core, without reading the rows. {@code docs/performance.md} says how it is run.
 */
final class JudgeBench {
  private static final int ROWS = 200_000;
  private static final int WARM_UPS = 3;
  private static final int RUNS = 7;

  private JudgeBench() {}

  public static void main(String[] arguments) throws Exception {
    BySql ways = new BySql();
    Path file = Files.createTempDirectory("judge-bench").resolve("records");
    try (SparkSession spark =
        SparkSession.builder()
            .master("local[1]")
            .config("spark.ui.enabled", "false")
            .config("spark.sql.session.timeZone", "UTC")
            .config("spark.sql.adaptive.enabled", "false")
            .getOrCreate()) {
      spark.sparkContext().setLogLevel("WARN");
      SpoiltRecords source = new SpoiltRecords(1, ways.rules());
      StructType shape = StructType.fromDDL(SpoiltRecords.SHAPE);
      for (int part = 0; part < 10; part++) {
        spark.createDataFrame(source.rows(ROWS / 10, false), shape).write().mode(SaveMode.Append).parquet(file.toString());
      }
      Dataset<Row> records = spark.read().parquet(file.toString()).coalesce(1).cache();
      records.count();
      Map<String, Dataset<Row>> all = new LinkedHashMap<>();
      all.put("rows alone", records.select("offset", "value", "headers"));
      all.put("sql, reason and minutes", minutes(ways.bySql(records)));
      all.put("function, reason and minutes", minutes(ways.byFunction(records)));
      all.put("sql, every field", ways.events(ways.bySql(records)));
      all.put("function, every field", ways.events(ways.byFunction(records)));
      for (int run = 0; run < WARM_UPS; run++) {
        all.values().forEach(JudgeBench::microsPerRecord);
      }
      Map<String, double[]> micros = new LinkedHashMap<>();
      for (int run = 0; run < RUNS; run++) {
        for (Map.Entry<String, Dataset<Row>> one : all.entrySet()) {
          micros.computeIfAbsent(one.getKey(), name -> new double[RUNS])[run] = microsPerRecord(one.getValue());
        }
      }
      System.out.printf("%-30s %6.2f us/record%n", "Judge.judge alone", judgeAlone(records, ways));
      double alone = median(micros.get("rows alone"));
      micros.forEach(
          (name, runs) ->
              System.out.printf(
                  "%-30s %6.2f us/record beyond the rows (median of %d; with them %.2f, from %.2f to %.2f)%n",
                  name,
                  median(runs) - alone,
                  RUNS,
                  median(runs),
                  Arrays.stream(runs).min().orElseThrow(),
                  Arrays.stream(runs).max().orElseThrow()));
    }
  }

  /** What the ledger's query needs. */
  private static Dataset<Row> minutes(Dataset<Row> judged) {
    return judged.selectExpr(
        "case when refused is null then date_trunc('minute', decoded.ingested_at) end as ingested_minute",
        "case when refused is not null then refused"
            + " when unix_micros(decoded.ingested_at) - unix_micros(decoded.occurred_at) between -60000000 and 600000000"
            + " then 'on_time' else 'late' end as outcome");
  }

  /** The median of the calls themselves, over 20,000 of the records, without Spark. */
  private static double judgeAlone(Dataset<Row> records, BySql ways) {
    Judge judge = JudgeRules.read(ways.text());
    InternalRow[] rows = records.limit(20_000).queryExecution().executedPlan().executeCollect();
    double[] runs = new double[20 + RUNS];
    long good = 0;
    for (int run = 0; run < runs.length; run++) {
      long began = System.nanoTime();
      for (InternalRow row : rows) {
        good += judge.judge(row.getBinary(1), row.getArray(2)).isNullAt(0) ? 1 : 0;
      }
      runs[run] = (System.nanoTime() - began) / 1e3 / rows.length;
    }
    if (good == 0) {
      throw new IllegalStateException("no record is good");
    }
    return median(Arrays.copyOfRange(runs, 20, runs.length));
  }

  private static double microsPerRecord(Dataset<Row> rows) {
    long began = System.nanoTime();
    rows.write().format("noop").mode(SaveMode.Overwrite).save();
    return (System.nanoTime() - began) / 1e3 / ROWS;
  }

  private static double median(double[] runs) {
    double[] sorted = runs.clone();
    Arrays.sort(sorted);
    return sorted[sorted.length / 2];
  }
}
