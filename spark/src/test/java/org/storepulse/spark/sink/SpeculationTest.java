package org.storepulse.spark.sink;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.apache.spark.sql.SaveMode;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;

class SpeculationTest {
  @Test
  void isRefusedBeforeCassandraIsAsked() {
    try (SparkSession spark =
        SparkSession.builder()
            .master("local[1]")
            .config("spark.ui.enabled", "false")
            .config("spark.speculation", "true")
            .getOrCreate()) {
      String message =
          assertThrows(
                  IllegalArgumentException.class,
                  () -> spark.range(1).write().format(UpsertSink.SHORT_NAME).mode(SaveMode.Append).save())
              .getMessage();
      assertTrue(message.contains("spark.speculation"), message);
    }
  }
}
