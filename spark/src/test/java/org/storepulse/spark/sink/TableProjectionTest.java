package org.storepulse.spark.sink;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.apache.spark.sql.catalyst.expressions.GenericInternalRow;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.unsafe.types.UTF8String;
import org.junit.jupiter.api.Test;

class TableProjectionTest {
  private static final StructType ROWS =
      StructType.fromDDL("route string, country string, day string, events bigint, write_time bigint");

  @Test
  void takesTheTablesColumnsInTheRowsOrderAndTheWriteTimeLast() {
    TableProjection projection = plan(List.of("day", "events"), List.of("day"));
    assertArrayEquals(new int[] {2, 3, 4}, projection.ordinals());
    assertArrayEquals(new String[] {"day", "events", "write_time"}, projection.schema().fieldNames());
  }

  @Test
  void refusesATableWithAColumnThatNoRowBrings() {
    String key =
        assertThrows(IllegalArgumentException.class, () -> plan(List.of("day", "minute"), List.of("day", "minute")))
            .getMessage();
    assertTrue(key.contains("table t ") && key.contains("primary key: minute"), key);
    String measure =
        assertThrows(IllegalArgumentException.class, () -> plan(List.of("day", "units"), List.of("day"))).getMessage();
    assertTrue(measure.contains("units") && !measure.contains("primary key"), measure);
  }

  @Test
  void refusesAWriteTimeThatIsAColumnOrNoBigintOrMissing() {
    assertThrows(IllegalArgumentException.class, () -> plan(List.of("day", "write_time"), List.of("day")));
    StructType text = StructType.fromDDL("route string, day string, write_time string");
    assertThrows(
        IllegalArgumentException.class,
        () -> TableProjection.plan("t", List.of("day"), List.of("day"), text, "write_time"));
    StructType none = StructType.fromDDL("route string, day string");
    String message =
        assertThrows(
                IllegalArgumentException.class,
                () -> TableProjection.plan("t", List.of("day"), List.of("day"), none, "write_time"))
            .getMessage();
    assertTrue(message.contains("writetime.column"), message);
  }

  @Test
  void refusesARowWithoutACompleteKeyOrWriteTime() {
    TableProjection projection = plan(List.of("day", "country", "events"), List.of("day", "country"));
    UTF8String text = UTF8String.fromString("x");
    assertDoesNotThrow(
        () -> projection.check(new GenericInternalRow(new Object[] {null, text, text, null, 1L})));
    String key =
        assertThrows(
                IllegalArgumentException.class,
                () -> projection.check(new GenericInternalRow(new Object[] {text, null, text, 1L, 1L})))
            .getMessage();
    assertTrue(key.contains("table t ") && key.contains("country"), key);
    String writeTime =
        assertThrows(
                IllegalArgumentException.class,
                () -> projection.check(new GenericInternalRow(new Object[] {text, text, text, 1L, null})))
            .getMessage();
    assertTrue(writeTime.contains("write time write_time"), writeTime);
  }

  private static TableProjection plan(List<String> columns, List<String> keys) {
    return TableProjection.plan("t", columns, keys, ROWS, "write_time");
  }
}
