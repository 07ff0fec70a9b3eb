package org.storepulse.spark.pace;

import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import org.apache.spark.SparkContext;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.connector.read.InputPartition;
import org.apache.spark.sql.connector.read.PartitionReaderFactory;
import org.apache.spark.sql.connector.read.streaming.MicroBatchStream;
import org.apache.spark.sql.connector.read.streaming.Offset;
import org.apache.spark.sql.connector.read.streaming.ReadLimit;
import org.apache.spark.sql.connector.read.streaming.ReportsSourceMetrics;
import org.apache.spark.sql.connector.read.streaming.SupportsAdmissionControl;
import scala.Option;

/** Spark's stream of a Kafka topic; this decides how far a micro-batch goes. */
final class PacedStream implements MicroBatchStream, SupportsAdmissionControl, ReportsSourceMetrics {
  /** Spark's own figure: the records that the partition that is furthest behind has after an offset. */
  private static final String BEHIND = "maxOffsetsBehindLatest";

  private final MicroBatchStream kafka;
  private final PaceOptions options;
  private final Pace pace;
  private final Lead lead;
  private final LongSupplier nanoTime;
  private final Supplier<Optional<String>> query;
  private Long waitsSince;

  private PacedStream(
      MicroBatchStream kafka,
      PaceOptions options,
      Lead lead,
      LongSupplier nanoTime,
      Supplier<Optional<String>> query) {
    this.kafka = kafka;
    this.options = options;
    this.pace = new Pace(options.most(), options.wantedMs());
    this.lead = lead;
    this.nanoTime = nanoTime;
    this.query = query;
  }

  static PacedStream of(MicroBatchStream kafka, PaceOptions options) {
    return of(kafka, options, Lead.of(options.job()), System::nanoTime, PacedStream::queryOfThread);
  }

  static PacedStream of(
      MicroBatchStream kafka,
      PaceOptions options,
      Lead lead,
      LongSupplier nanoTime,
      Supplier<Optional<String>> query) {
    if (!(kafka instanceof SupportsAdmissionControl) || !(kafka instanceof ReportsSourceMetrics)) {
      throw new IllegalStateException("spark's kafka source does not let its batches be cut: " + kafka.getClass());
    }
    return new PacedStream(kafka, options, lead, nanoTime, query);
  }

  Pace pace() {
    return pace;
  }

  @Override
  public Offset latestOffset(Offset start, ReadLimit limit) {
    follow();
    long now = nanoTime.getAsLong();
    long size = options.leads() ? pace.size() : sizeBeside(now);
    // Of no size: no further than the start, and the source learns where the topic ends.
    Offset end = ((SupportsAdmissionControl) kafka).latestOffset(start, ReadLimit.maxRows(size));
    if (options.leads()) {
      lead.told(left(end), now);
    }
    Option<SparkSession> session = SparkSession.getActiveSession();
    if (session.isDefined() && end != null) {
      CodeGeneration.choose(session.get(), CodeGeneration.records(start, end));
    }
    return end;
  }

  /** How much a query takes that does not lead: nothing while the leading one is behind, but not for ever. */
  private long sizeBeside(long now) {
    if (!lead.isBehind(now)) {
      waitsSince = null;
      return pace.size();
    }
    if (waitsSince == null) {
      waitsSince = now;
    }
    if (now - waitsSince < TimeUnit.MILLISECONDS.toNanos(options.longestWaitMs())) {
      return 0;
    }
    waitsSince = null;
    return Math.max(1, Math.min(pace.size(), Math.max(Pace.LEAST, pace.size() / 4)));
  }

  private long left(Offset end) {
    String behind = metrics(Optional.ofNullable(end)).get(BEHIND);
    return behind == null ? 0 : Long.parseLong(behind);
  }

  /** Each time: the end of an earlier run of the query may be told late. */
  private void follow() {
    query.get().ifPresent(id -> QueryWatch.follow(id, pace));
  }

  /** The thread that asks is the query's, and knows its id. */
  private static Optional<String> queryOfThread() {
    return Optional.ofNullable(SparkContext.getOrCreate().getLocalProperty(QueryWatch.QUERY_ID));
  }

  @Override
  public ReadLimit getDefaultReadLimit() {
    // Asked for once, when the query starts: how much it is then is decided batch by batch.
    return ReadLimit.maxRows(options.most());
  }

  @Override
  public Offset reportLatestOffset() {
    return ((SupportsAdmissionControl) kafka).reportLatestOffset();
  }

  @Override
  public Map<String, String> metrics(Optional<Offset> consumed) {
    return ((ReportsSourceMetrics) kafka).metrics(consumed);
  }

  @Override
  public Offset latestOffset() {
    return kafka.latestOffset();
  }

  @Override
  public Offset initialOffset() {
    return kafka.initialOffset();
  }

  @Override
  public Offset deserializeOffset(String json) {
    return kafka.deserializeOffset(json);
  }

  @Override
  public InputPartition[] planInputPartitions(Offset start, Offset end) {
    return kafka.planInputPartitions(start, end);
  }

  @Override
  public PartitionReaderFactory createReaderFactory() {
    return kafka.createReaderFactory();
  }

  @Override
  public void commit(Offset end) {
    kafka.commit(end);
  }

  @Override
  public void stop() {
    kafka.stop();
  }

  @Override
  public String toString() {
    return kafka.toString();
  }
}
