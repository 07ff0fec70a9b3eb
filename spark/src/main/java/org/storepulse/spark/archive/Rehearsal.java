package org.storepulse.spark.archive;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.expr;
import static org.apache.spark.sql.functions.window;

import java.io.IOException;
import java.net.ServerSocket;
import java.sql.DriverManager;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.TimeoutException;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SaveMode;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.streaming.StreamingQuery;
import org.apache.spark.sql.streaming.StreamingQueryException;
import org.storepulse.spark.PeerInterceptor;
import org.storepulse.spark.SecretInterceptor;

/**
 * Runs what a server and its executors run, once and in one process, so that the JVM's option
 * {@code -XX:ArchiveClassesAtExit} finds their classes in memory. It needs no service: what would connect to
 * one is refused at once, after it has loaded what it needs.
 *
 * <p>The installation runs it by {@code spark-submit}, in an empty folder that it may fill.
 */
public final class Rehearsal {
  private static final Duration DEADLINE = Duration.ofSeconds(120);
  /** The first micro-batch writes state, the second one reads it. */
  private static final int BATCHES = 2;
  /** Nobody listens on it. */
  private static final int REFUSING_PORT = 1;

  private static final String STATE_STORE = "spark.sql.streaming.stateStore.providerClass";
  private static final String ON_DISK =
      "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider";

  private static final String INTERCEPTORS =
      SecretInterceptor.class.getName() + "," + PeerInterceptor.class.getName();

  private Rehearsal() {}

  public static void main(String[] arguments) throws Exception {
    int port = freePort();
    try (SparkSession spark =
        SparkSession.builder()
            .config("spark.ui.enabled", "false")
            .config("spark.plugins", "org.apache.spark.sql.connect.SparkConnectPlugin")
            .config("spark.connect.grpc.interceptor.classes", INTERCEPTORS)
            .config("spark.connect.grpc.binding.port", Integer.toString(port))
            .config("spark.sql.shuffle.partitions", "2")
            .config("spark.cassandra.connection.host", "127.0.0.1")
            .config("spark.cassandra.connection.port", Integer.toString(REFUSING_PORT))
            .getOrCreate()) {
      spark.sparkContext().setLogLevel("WARN");
      stream(spark);
      batch(spark);
      ConnectCall.call(port);
      refused("Kafka", () -> kafka(spark).count());
      refused("Cassandra", () -> cassandra(spark).count());
      String database = "jdbc:postgresql://127.0.0.1:" + REFUSING_PORT + "/none";
      refused("PostgreSQL", () -> DriverManager.getConnection(database));
      System.out.println(NamedClasses.load() + " classes were loaded by their names");
    }
  }

  private static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0)) {
      return socket.getLocalPort();
    }
  }

  private static void stream(SparkSession spark) throws TimeoutException, StreamingQueryException {
    Dataset<Row> records =
        spark
            .readStream()
            .format("rate-micro-batch")
            .option("rowsPerBatch", 200)
            .load()
            .withColumn("money", expr("cast(value as decimal(14,2))"))
            .withWatermark("timestamp", "10 minutes");
    Dataset<Row> counted =
        records
            .groupBy(window(col("timestamp"), "1 minute"), expr("value % 7 as category"))
            .agg(
                expr("count(*)"),
                expr("sum(money)"),
                expr("hll_sketch_agg(cast(value as string), 12)"),
                expr("max(timestamp)"));
    run(counted);
    spark.conf().set(STATE_STORE, ON_DISK);
    run(
        records
            .groupBy(expr("value % 11 as visit"))
            .agg(expr("min(timestamp)"), expr("count_if(value > 3)")));
    spark.conf().unset(STATE_STORE);
    String twice = "explode(array(value, value + 1)) as value";
    run(records.selectExpr(twice, "date_trunc('hour', timestamp) as hour"));
  }

  private static void run(Dataset<Row> rows) throws TimeoutException, StreamingQueryException {
    StreamingQuery query = rows.writeStream().format("noop").outputMode("update").start();
    Instant deadline = Instant.now().plus(DEADLINE);
    while (query.lastProgress() == null || query.lastProgress().batchId() < BATCHES - 1) {
      if (query.awaitTermination(100) || Instant.now().isAfter(deadline)) {
        throw new IllegalStateException("a query of the rehearsal has not run " + BATCHES + " micro-batches");
      }
    }
    query.stop();
  }

  private static void batch(SparkSession spark) {
    spark
        .range(0, 2_000, 1, 2)
        .selectExpr("id", "id % 5 as a", "cast(id % 3 as string) as b")
        .createOrReplaceTempView("rehearsed");
    spark
        .sql(
            "select l.a, l.b, grouping_id() as g, count(distinct l.id) as n,"
                + " sum(cast(r.id as decimal(30,2))) as s,"
                + " to_json(struct(max(l.id) as m)) as j from rehearsed l join rehearsed r on l.id = r.id"
                + " where l.b rlike '^[0-9]+$' group by grouping sets ((l.a), (l.b), ()) order by n desc")
        .write()
        .format("noop")
        .mode(SaveMode.Overwrite)
        .save();
  }

  private static Dataset<Row> kafka(SparkSession spark) {
    return spark
        .read()
        .format("kafka")
        .option("kafka.bootstrap.servers", "127.0.0.1:" + REFUSING_PORT)
        .option("kafka.default.api.timeout.ms", "500")
        .option("kafka.request.timeout.ms", "400")
        .option("fetchOffset.numRetries", "1")
        .option("subscribe", "none")
        .load();
  }

  private static Dataset<Row> cassandra(SparkSession spark) {
    return spark
        .read()
        .format("org.apache.spark.sql.cassandra")
        .option("keyspace", "none")
        .option("table", "none")
        .load();
  }

  /** What is expected to fail; if it does not, somebody else listens, and the classes are loaded as well. */
  private static void refused(String whom, Attempt attempt) {
    try {
      attempt.run();
    } catch (Exception refusal) {
      System.out.println(whom + " is not asked: " + refusal.getClass().getSimpleName());
    }
  }

  @FunctionalInterface
  private interface Attempt {
    void run() throws Exception;
  }
}
