package org.storepulse.spark.pace;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.execution.LocalTableScanExec;
import org.apache.spark.sql.streaming.StreamingQuery;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

class QueryWatchTest {
  /** Batches that are half full at least, or they tell nothing of the pace. */
  @Test
  @Timeout(120)
  void tasksOfAQueryAreCountedAndToldWithoutAJob() throws Exception {
    try (SparkSession session =
        SparkSession.builder()
            .master("local[2]")
            .config("spark.ui.enabled", "false")
            .config("spark.sql.shuffle.partitions", "2")
            .getOrCreate()) {
      QueryWatch.attach();
      StreamingQuery query =
          session.readStream().format("rate").option("rowsPerSecond", "50000").load().writeStream().format("noop").start();
      Pace pace = new Pace(200_000, 4_000);
      QueryWatch.follow(query.id().toString(), pace);
      long before = pace.size();
      while (counts(session).getOrDefault(query.id().toString(), 0L) == 0 || pace.size() == before) {
        Thread.sleep(50);
      }
      assertTrue(
          session.read().format(FinishedTasks.SHORT_NAME).load().queryExecution().executedPlan()
              instanceof LocalTableScanExec);
      query.stop();
      while (counts(session).containsKey(query.id().toString())) {
        Thread.sleep(50);
      }
      assertNull(counts(session).get(query.id().toString()));
      assertEquals(List.of("query_id", "finished_tasks"), List.of(session.read().format(FinishedTasks.SHORT_NAME).load().columns()));
    }
  }

  private static Map<String, Long> counts(SparkSession session) {
    List<Row> rows = session.read().format(FinishedTasks.SHORT_NAME).load().collectAsList();
    return rows.stream().collect(Collectors.toMap(row -> row.getString(0), row -> row.getLong(1)));
  }
}
