package org.storepulse.spark.sink;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;

/**
 * Which of a row's columns one table takes.
 *
 * <p>Rows carry the columns of all tables; what a table lacks is left out. Every column of the table must be
 * among the row's: a write replaces the whole row, so a column that no row brings could only keep a stale
 * value. The write time comes last and is not a column of the table.
 */
final class TableProjection implements Serializable {
  private final String table;
  private final StructType schema;
  private final int[] ordinals;
  private final int[] requiredOrdinals;
  private final String[] requiredNames;

  private TableProjection(
      String table, StructType schema, int[] ordinals, int[] requiredOrdinals, String[] requiredNames) {
    this.table = table;
    this.schema = schema;
    this.ordinals = ordinals;
    this.requiredOrdinals = requiredOrdinals;
    this.requiredNames = requiredNames;
  }

  /**
   * @param table the table's name
   * @param tableColumns all its columns
   * @param keyColumns those of its primary key
   * @param rows the schema of the rows that are written
   */
  static TableProjection plan(
      String table, List<String> tableColumns, List<String> keyColumns, StructType rows, String writeTimeColumn) {
    if (tableColumns.contains(writeTimeColumn)) {
      throw new IllegalArgumentException(
          "choose another " + SinkOptions.WRITE_TIME_COLUMN + ": table " + table + " has a column " + writeTimeColumn);
    }
    List<String> rowColumns = List.of(rows.fieldNames());
    Set<String> missing = new HashSet<>(tableColumns);
    missing.removeAll(rowColumns);
    if (!missing.isEmpty()) {
      List<String> keys = keyColumns.stream().filter(missing::contains).toList();
      throw new IllegalArgumentException(
          "add to the rows what table "
              + table
              + " has and they lack: "
              + String.join(", ", missing.stream().sorted().toList())
              + (keys.isEmpty() ? "" : " (of its primary key: " + String.join(", ", keys) + ")"));
    }
    List<StructField> fields = new ArrayList<>();
    List<Integer> ordinals = new ArrayList<>();
    List<Integer> required = new ArrayList<>();
    for (int i = 0; i < rowColumns.size(); i++) {
      String name = rowColumns.get(i);
      if (tableColumns.contains(name)) {
        fields.add(rows.fields()[i]);
        ordinals.add(i);
        if (keyColumns.contains(name)) {
          required.add(i);
        }
      }
    }
    int writeTime = indexOf(rows, writeTimeColumn, SinkOptions.WRITE_TIME_COLUMN);
    if (!rows.fields()[writeTime].dataType().equals(DataTypes.LongType)) {
      throw new IllegalArgumentException(
          "make column "
              + writeTimeColumn
              + " a bigint of microseconds: it is "
              + rows.fields()[writeTime].dataType().simpleString());
    }
    fields.add(rows.fields()[writeTime]);
    ordinals.add(writeTime);
    required.add(writeTime);
    return new TableProjection(
        table,
        new StructType(fields.toArray(new StructField[0])),
        ordinals.stream().mapToInt(Integer::intValue).toArray(),
        required.stream().mapToInt(Integer::intValue).toArray(),
        required.stream().map(rowColumns::get).toArray(String[]::new));
  }

  /** The position of a column that the named option asks for. */
  static int indexOf(StructType rows, String column, String option) {
    int index = List.of(rows.fieldNames()).indexOf(column);
    if (index < 0) {
      throw new IllegalArgumentException(
          "add column " + column + " to the rows, or name another in the option " + option);
    }
    return index;
  }

  StructType schema() {
    return schema;
  }

  int[] ordinals() {
    return ordinals.clone();
  }

  /**
   * Refuses a row without a complete key or without its write time. Cassandra would refuse the first, less
   * plainly; the second it would write with the clock's time, which later figures could not replace.
   */
  void check(InternalRow row) {
    for (int i = 0; i < requiredOrdinals.length; i++) {
      if (row.isNullAt(requiredOrdinals[i])) {
        boolean writeTime = i == requiredOrdinals.length - 1;
        throw new IllegalArgumentException(
            "a row for table "
                + table
                + " has null in "
                + (writeTime ? "its write time " : "column ")
                + requiredNames[i]
                + (writeTime ? "" : " of the primary key: coalesce it in the plan"));
      }
    }
  }
}
