package org.storepulse.spark.sink;

import com.datastax.oss.driver.api.core.metadata.schema.ColumnMetadata;
import com.datastax.oss.driver.api.core.metadata.schema.RelationMetadata;
import com.datastax.spark.connector.datasource.CassandraBulkWrite;
import com.datastax.spark.connector.datasource.CassandraTable;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.apache.spark.sql.AnalysisException;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.cassandra.DefaultSource;
import org.apache.spark.sql.connector.write.LogicalWriteInfo;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.sql.util.CaseInsensitiveStringMap;

/**
 * Asks Cassandra for each table and has the connector plan a write to it, so that the connector's settings, type
 * conversions and connections apply.
 */
final class RoutePlanner {
  private final SparkSession session;
  private final SinkOptions options;

  RoutePlanner(SparkSession session, SinkOptions options) {
    this.session = session;
    this.options = options;
  }

  List<TableRoute> plan(StructType rows) {
    int route = TableProjection.indexOf(rows, options.routeColumn(), SinkOptions.ROUTE_COLUMN);
    if (!rows.fields()[route].dataType().equals(DataTypes.StringType)) {
      throw new IllegalArgumentException(
          "make column "
              + options.routeColumn()
              + " a string: it is "
              + rows.fields()[route].dataType().simpleString());
    }
    eventTimeOrdinal(rows, options);
    List<TableRoute> planned = new ArrayList<>();
    options.routes().tableByRoute().forEach((value, table) -> planned.add(plan(value, table, rows)));
    return planned;
  }

  /** The position of the event time, or -1 where rows carry none and none was asked for. */
  static int eventTimeOrdinal(StructType rows, SinkOptions options) {
    String column = options.eventTimeColumn();
    if (!options.eventTimeRequired() && !List.of(rows.fieldNames()).contains(column)) {
      return -1;
    }
    int ordinal = TableProjection.indexOf(rows, column, SinkOptions.EVENT_TIME_COLUMN);
    if (!rows.fields()[ordinal].dataType().equals(DataTypes.TimestampType)) {
      throw new IllegalArgumentException(
          "make column " + column + " a timestamp: it is " + rows.fields()[ordinal].dataType().simpleString());
    }
    return ordinal;
  }

  private TableRoute plan(String route, String table, StructType rows) {
    CaseInsensitiveStringMap connectorOptions = connectorOptions(table);
    CassandraTable cassandraTable = find(table, connectorOptions);
    RelationMetadata metadata = cassandraTable.metadata();
    TableProjection projection =
        TableProjection.plan(
            table,
            metadata.getColumns().keySet().stream().map(name -> name.asInternal()).toList(),
            metadata.getPrimaryKey().stream().map(ColumnMetadata::getName).map(name -> name.asInternal()).toList(),
            rows,
            options.writeTimeColumn());
    CassandraBulkWrite write =
        (CassandraBulkWrite)
            cassandraTable
                .newWriteBuilder(new ProjectedWriteInfo(connectorOptions, projection.schema()))
                .build()
                .toStreaming();
    return new TableRoute(route, table, projection, write.connector(), write.tableDef(), write.writeConf());
  }


  private CassandraTable find(String table, CaseInsensitiveStringMap connectorOptions) {
    try {
      return new DefaultSource().getTable(connectorOptions);
    } catch (Exception e) { // Scala declares no checked exceptions, so its own type cannot be caught here.
      if (e instanceof AnalysisException) {
        throw new IllegalArgumentException(
            "create table "
                + options.keyspace()
                + "."
                + table
                + " first, or correct the options "
                + SinkOptions.KEYSPACE
                + " and "
                + SinkOptions.ROUTES
                + ": it does not exist",
            e);
      }
      throw e;
    }
  }

  private CaseInsensitiveStringMap connectorOptions(String table) {
    Map<String, String> map = new HashMap<>(options.all());
    map.put("table", table);
    map.put("writetime", options.writeTimeColumn());
    // Every null would be written as a tombstone.
    map.put("spark.cassandra.output.ignoreNulls", "true");
    // One place retries and counts: StatementExecutor.
    map.put("spark.cassandra.query.retry.count", "0");
    // The connector's two minutes would outlast the sink's own deadline.
    String requestTimeout = "spark.cassandra.read.timeoutMS";
    if (!new CaseInsensitiveStringMap(options.all()).containsKey(requestTimeout)
        && !session.conf().contains(requestTimeout)) {
      map.put(requestTimeout, Long.toString(Math.min(10_000, options.writeTimeoutMs())));
    }
    return new CaseInsensitiveStringMap(map);
  }

  private record ProjectedWriteInfo(CaseInsensitiveStringMap options, StructType schema)
      implements LogicalWriteInfo {
    @Override
    public String queryId() {
      return UUID.randomUUID().toString();
    }
  }
}
