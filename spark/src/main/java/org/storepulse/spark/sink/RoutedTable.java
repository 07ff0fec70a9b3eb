package org.storepulse.spark.sink;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.connector.catalog.SupportsWrite;
import org.apache.spark.sql.connector.catalog.TableCapability;
import org.apache.spark.sql.connector.read.streaming.ReportsSinkMetrics;
import org.apache.spark.sql.connector.write.LogicalWriteInfo;
import org.apache.spark.sql.connector.write.Write;
import org.apache.spark.sql.connector.write.WriteBuilder;
import org.apache.spark.sql.internal.connector.SupportsStreamingUpdateAsAppend;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;

/**
 * All routed tables together, as the one table that Spark knows of. It lives as long as the query: Spark
 * plans a write for every micro-batch, which reuses the routes planned at the start, and reads the figures of
 * the last committed batch from here into the query's progress.
 */
final class RoutedTable implements SupportsWrite, ReportsSinkMetrics {
  private final SinkOptions options;
  private final StructType plannedSchema;
  private final List<TableRoute> plannedRoutes;
  private final SinkMetrics metrics = new SinkMetrics();

  RoutedTable(SinkOptions options, StructType plannedSchema, List<TableRoute> plannedRoutes) {
    this.options = options;
    this.plannedSchema = plannedSchema;
    this.plannedRoutes = plannedRoutes;
  }

  @Override
  public String name() {
    return UpsertSink.SHORT_NAME + "(" + options.keyspace() + ")";
  }

  @Override
  public String toString() {
    return name();
  }

  @Override
  @SuppressWarnings("deprecation") // Table.columns() in 3.5 is derived from it.
  public StructType schema() {
    return plannedSchema;
  }

  @Override
  public Set<TableCapability> capabilities() {
    // Any schema: each table's columns are checked by TableProjection.
    return Set.of(TableCapability.BATCH_WRITE, TableCapability.STREAMING_WRITE, TableCapability.ACCEPT_ANY_SCHEMA);
  }

  @Override
  public Map<String, String> metrics() {
    return metrics.print();
  }

  @Override
  public WriteBuilder newWriteBuilder(LogicalWriteInfo info) {
    StructType rows = info.schema();
    List<TableRoute> routes =
        sameColumns(rows, plannedSchema) ? plannedRoutes : new RoutePlanner(SparkSession.active(), options).plan(rows);
    return new UpsertWriteBuilder(new RoutedWrite(options, rows, routes, metrics));
  }

  /** Whether nullability is all that differs; Spark's optimizer narrows it from plan to plan. */
  private static boolean sameColumns(StructType one, StructType other) {
    StructField[] ones = one.fields();
    StructField[] others = other.fields();
    boolean same = ones.length == others.length;
    for (int i = 0; same && i < ones.length; i++) {
      same = ones[i].name().equals(others[i].name()) && ones[i].dataType().equals(others[i].dataType());
    }
    return same;
  }

  /**
   * The interface tells Spark that update mode may be run as append: every row that comes replaces the one
   * with its key. Complete mode stays refused, since it would have to truncate the tables.
   */
  private static final class UpsertWriteBuilder implements SupportsStreamingUpdateAsAppend {
    private final Write write;

    UpsertWriteBuilder(Write write) {
      this.write = write;
    }

    @Override
    public Write build() {
      return write;
    }
  }
}
