package org.storepulse.spark.sink;

import java.util.List;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.connector.write.BatchWrite;
import org.apache.spark.sql.connector.write.DataWriter;
import org.apache.spark.sql.connector.write.DataWriterFactory;
import org.apache.spark.sql.connector.write.PhysicalWriteInfo;
import org.apache.spark.sql.connector.write.Write;
import org.apache.spark.sql.connector.write.WriterCommitMessage;
import org.apache.spark.sql.connector.write.streaming.StreamingDataWriterFactory;
import org.apache.spark.sql.connector.write.streaming.StreamingWrite;
import org.apache.spark.sql.types.StructType;

/**
 * One write of one plan, batch or micro-batch. Rows are in Cassandra when their task commits; the driver's
 * commit only adds up the figures, and there is nothing that an abort could take back: the next attempt
 * writes over it.
 */
final class RoutedWrite implements Write {
  private final SinkOptions options;
  private final StructType rows;
  private final List<TableRoute> routes;
  private final SinkMetrics metrics;

  RoutedWrite(SinkOptions options, StructType rows, List<TableRoute> routes, SinkMetrics metrics) {
    this.options = options;
    this.rows = rows;
    this.routes = routes;
    this.metrics = metrics;
  }

  @Override
  public String description() {
    return UpsertSink.SHORT_NAME + " " + options.routes().tableByRoute();
  }

  @Override
  public StreamingWrite toStreaming() {
    WriterFactory factory = factory(RoutePlanner.eventTimeOrdinal(rows, options));
    return new StreamingWrite() {
      @Override
      public StreamingDataWriterFactory createStreamingWriterFactory(PhysicalWriteInfo info) {
        Failpoint.BEFORE_TASKS.reach();
        return factory;
      }

      @Override
      public void commit(long epochId, WriterCommitMessage[] messages) {
        Failpoint.BEFORE_DRIVER_COMMIT.reach();
        metrics.committed(epochId, messages);
        Failpoint.AFTER_DRIVER_COMMIT.reach();
      }

      @Override
      public void abort(long epochId, WriterCommitMessage[] messages) {}
    };
  }

  @Override
  public BatchWrite toBatch() {
    // A repair writes old events: their age is no lag.
    WriterFactory factory = factory(-1);
    return new BatchWrite() {
      @Override
      public DataWriterFactory createBatchWriterFactory(PhysicalWriteInfo info) {
        return factory;
      }

      @Override
      public void commit(WriterCommitMessage[] messages) {}

      @Override
      public void abort(WriterCommitMessage[] messages) {}
    };
  }

  private WriterFactory factory(int eventTimeOrdinal) {
    int routeOrdinal = TableProjection.indexOf(rows, options.routeColumn(), SinkOptions.ROUTE_COLUMN);
    return new WriterFactory(
        List.copyOf(routes), routeOrdinal, eventTimeOrdinal, options.retries(), options.writeTimeoutMs());
  }

  private record WriterFactory(
      List<TableRoute> routes, int routeOrdinal, int eventTimeOrdinal, int retries, long writeTimeoutMs)
      implements DataWriterFactory, StreamingDataWriterFactory {

    @Override
    public DataWriter<InternalRow> createWriter(int partitionId, long taskId) {
      return new RoutedDataWriter(
          routes,
          route -> CassandraTableWriter.open(route, retries, writeTimeoutMs),
          routeOrdinal,
          eventTimeOrdinal);
    }

    @Override
    public DataWriter<InternalRow> createWriter(int partitionId, long taskId, long epochId) {
      return createWriter(partitionId, taskId);
    }
  }
}
