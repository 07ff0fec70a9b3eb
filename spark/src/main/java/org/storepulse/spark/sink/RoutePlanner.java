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
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.spark.sql.AnalysisException;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.cassandra.DefaultSource;
import org.apache.spark.sql.connector.write.LogicalWriteInfo;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.sql.util.CaseInsensitiveStringMap;

/**
 * Asks Cassandra for each table and has the connector plan a write to it, so that the connector's settings,
 * type conversions and connections apply.
 */
final class RoutePlanner {
  private static final int MAX_RECONNECTION_DELAY_MS = 5_000;
  private static final AtomicInteger SESSION_GENERATION = new AtomicInteger();

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
    options.routes().tableByRoute().forEach((value, table) -> planned.add(planBounded(value, table, rows)));
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

  /**
   * Plans on a thread of its own, since the driver may never answer: when its control connection is lost
   * while the schema is read, every later read in that session waits for ever (driver 4.18; the connector
   * keeps sessions for an hour). Such a session is left behind and the table planned once more in a new one.
   * So is one that does not know the table: it hears of new ones some seconds late, where there are many.
   */
  private TableRoute planBounded(String route, String table, StructType rows) {
    for (int earlier = 0; ; earlier++) {
      int generation = SESSION_GENERATION.get();
      try {
        // A new thread inherits the active session of this one.
        return CompletableFuture.supplyAsync(() -> plan(route, table, rows), RoutePlanner::startDaemon)
            .get(options.writeTimeoutMs(), TimeUnit.MILLISECONDS);
      } catch (ExecutionException e) {
        boolean controlConnectionLost = e.getCause() instanceof IllegalStateException;
        boolean unknown = e.getCause() instanceof UnknownTableException;
        if (!(controlConnectionLost || unknown) || earlier > 0) {
          throw e.getCause() instanceof RuntimeException cause ? cause : new CompletionException(e.getCause());
        }
      } catch (TimeoutException e) {
        if (earlier > 0) {
          throw new IllegalStateException(
              "see that cassandra runs and start the query again: it did not describe table "
                  + table
                  + " within "
                  + options.writeTimeoutMs()
                  + " ms",
              e);
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IllegalStateException("interrupted while planning the write of table " + table, e);
      }
      SESSION_GENERATION.compareAndSet(generation, generation + 1);
    }
  }

  private static void startDaemon(Runnable work) {
    Thread thread = new Thread(work, "storepulse-cassandra-plan");
    thread.setDaemon(true);
    thread.start();
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
        throw new UnknownTableException(
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
    // After an outage the connector waits up to a minute before it tries to connect again. The generation
    // only makes the settings differ, and with them the session: the connector has one for each set of
    // settings.
    map.put(
        "spark.cassandra.connection.reconnectionDelayMS.max",
        Integer.toString(MAX_RECONNECTION_DELAY_MS + SESSION_GENERATION.get()));
    // The connector's two minutes would outlast the sink's own deadline.
    String requestTimeout = "spark.cassandra.read.timeoutMS";
    if (!new CaseInsensitiveStringMap(options.all()).containsKey(requestTimeout)
        && !session.conf().contains(requestTimeout)) {
      map.put(requestTimeout, Long.toString(Math.min(10_000, options.writeTimeoutMs())));
    }
    return new CaseInsensitiveStringMap(map);
  }

  private static final class UnknownTableException extends IllegalArgumentException {
    UnknownTableException(String message, Exception cause) {
      super(message, cause);
    }
  }

  private record ProjectedWriteInfo(CaseInsensitiveStringMap options, StructType schema)
      implements LogicalWriteInfo {
    @Override
    public String queryId() {
      return UUID.randomUUID().toString();
    }
  }
}
