package org.storepulse.spark.sink;

import java.util.Map;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.connector.catalog.Table;
import org.apache.spark.sql.connector.catalog.TableProvider;
import org.apache.spark.sql.connector.expressions.Transform;
import org.apache.spark.sql.sources.DataSourceRegister;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.sql.util.CaseInsensitiveStringMap;

/**
 * The data source {@value #SHORT_NAME}: {@code writeStream} in update or append mode, {@code write} in append
 * mode.
 *
 * <p>Spark asks for the table while the query is being started, with the rows' schema and the options at
 * hand. All that can be wrong before the first row is found here, so that {@code start} itself fails: see
 * {@link SinkOptions} and {@link TableProjection} for what is refused. Reading is the connector's own data
 * source's business.
 */
public final class UpsertSink implements TableProvider, DataSourceRegister {
  /** The name to give to {@code format}. */
  public static final String SHORT_NAME = "storepulse-cassandra";

  @Override
  public String shortName() {
    return SHORT_NAME;
  }

  @Override
  public boolean supportsExternalMetadata() {
    return true;
  }

  @Override
  public StructType inferSchema(CaseInsensitiveStringMap options) {
    throw new UnsupportedOperationException(
        SHORT_NAME + " only writes: read the table with the format org.apache.spark.sql.cassandra");
  }

  @Override
  public Table getTable(StructType schema, Transform[] partitioning, Map<String, String> properties) {
    SparkSession session = SparkSession.active();
    if (session.sparkContext().getConf().getBoolean("spark.speculation", false)) {
      throw new IllegalArgumentException(
          "set spark.speculation to false: two copies of a task would write the same rows at the same time");
    }
    SinkOptions options = SinkOptions.parse(properties);
    return new RoutedTable(options, schema, new RoutePlanner(session, options).plan(schema));
  }
}
