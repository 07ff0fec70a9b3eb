package org.storepulse.spark.sink;

import com.datastax.oss.driver.api.core.CqlSession;
import com.datastax.spark.connector.ColumnName;
import com.datastax.spark.connector.ColumnRef;
import com.datastax.spark.connector.SomeColumns;
import com.datastax.spark.connector.cql.CassandraConnectorConf;
import com.datastax.spark.connector.cql.TableDef;
import com.datastax.spark.connector.datasource.InternalRowWriterFactory;
import com.datastax.spark.connector.writer.AsyncStatementWriter;
import com.datastax.spark.connector.writer.RichStatement;
import com.datastax.spark.connector.writer.TableWriter$;
import com.datastax.spark.connector.writer.WriteConf;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.ProjectingInternalRow;
import org.apache.spark.sql.types.StructType;
import scala.Option;
import scala.collection.JavaConverters;

/**
 * Writes one table with the connector's own statements: it prepares, converts, binds and groups rows of a
 * partition into unlogged batches. Only sending is ours, see {@link StatementExecutor}; and what is not sent
 * yet is dropped, not flushed, when the task is aborted.
 */
final class CassandraTableWriter implements TableWriter {
  /**
   * What the connector makes of a table takes it longer than a small task's rows, and holds nothing of a
   * task.
   */
  private static final Map<Prepared, com.datastax.spark.connector.writer.TableWriter<InternalRow>> PREPARED =
      new ConcurrentHashMap<>();

  /** Tables and plans of one executor are fewer; a server that sees more of them begins anew. */
  private static final int MOST_PREPARED = 256;

  private final ProjectingInternalRow projected;
  private final AsyncStatementWriter<InternalRow> statements;
  private final WriteConf conf;
  private final CqlSession session;
  private final StatementExecutor<RichStatement> executor;

  private CassandraTableWriter(TableRoute route, int retries, long writeTimeoutMs) {
    StructType schema = route.projection().schema();
    List<Object> ordinals = new ArrayList<>();
    Arrays.stream(route.projection().ordinals()).forEach(ordinals::add);
    this.projected = ProjectingInternalRow.apply(schema, JavaConverters.asScalaBuffer(ordinals).toIndexedSeq());
    this.conf = route.conf();
    this.statements = prepared(route).getAsyncWriter();
    this.session = route.connector().openSession();
    this.executor =
        new StatementExecutor<>(
            statement -> session.executeAsync(statement.stmt()), conf.parallelismLevel(), retries, writeTimeoutMs);
  }

  private static com.datastax.spark.connector.writer.TableWriter<InternalRow> prepared(TableRoute route) {
    if (PREPARED.size() > MOST_PREPARED) {
      PREPARED.clear();
    }
    StructType schema = route.projection().schema();
    Prepared key = new Prepared(route.connector().conf(), route.definition(), schema, route.conf());
    return PREPARED.computeIfAbsent(
        key,
        absent -> {
          List<ColumnRef> columns = new ArrayList<>();
          for (String name : schema.fieldNames()) {
            columns.add(new ColumnName(name, Option.empty()));
          }
          return TableWriter$.MODULE$.apply(
              route.connector(),
              route.definition(),
              new SomeColumns(JavaConverters.asScalaBuffer(columns).toSeq()),
              route.conf(),
              false,
              new InternalRowWriterFactory(schema));
        });
  }

  /** All that the connector makes it of. */
  private record Prepared(CassandraConnectorConf cluster, TableDef table, StructType schema, WriteConf conf) {}

  /**
   * Connects and prepares the statement; a node that is not there is tried again as often as a write would
   * be.
   */
  static TableWriter open(TableRoute route, int retries, long writeTimeoutMs) throws IOException {
    for (int earlier = 0; ; earlier++) {
      try {
        return new CassandraTableWriter(route, retries, writeTimeoutMs);
      } catch (Exception e) { // The connector throws checked exceptions that it does not declare.
        if (earlier >= retries || !TransientErrors.test(e)) {
          throw new IOException("opening failed: " + e.getMessage(), e);
        }
      }
      try {
        Thread.sleep(StatementExecutor.backOffMs(earlier));
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new InterruptedIOException("interrupted while connecting to cassandra");
      }
    }
  }

  @Override
  public void write(InternalRow row) throws IOException {
    projected.project(row);
    Option<RichStatement> full;
    try {
      full = statements.groupingBatchBuilderBase().batchRecord(projected);
    } catch (RuntimeException e) {
      throw new IOException("a row does not fit the table: " + e.getMessage(), e);
    }
    if (full.isDefined()) {
      send(full.get());
    }
  }

  @Override
  public void finish() throws IOException {
    for (RichStatement statement :
        JavaConverters.seqAsJavaList(statements.groupingBatchBuilderBase().finish())) {
      send(statement);
    }
    executor.finish();
  }

  @Override
  public void close() {
    executor.cancel();
    session.close();
  }

  private void send(RichStatement statement) throws IOException {
    executor.submit(statement.executeAs(conf.executeAs()));
  }
}
