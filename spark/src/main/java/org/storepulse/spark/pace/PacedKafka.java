package org.storepulse.spark.pace;

import java.util.Map;
import java.util.Set;
import org.apache.spark.sql.connector.catalog.SupportsRead;
import org.apache.spark.sql.connector.catalog.Table;
import org.apache.spark.sql.connector.catalog.TableCapability;
import org.apache.spark.sql.connector.catalog.TableProvider;
import org.apache.spark.sql.connector.expressions.Transform;
import org.apache.spark.sql.connector.metric.CustomMetric;
import org.apache.spark.sql.connector.metric.CustomTaskMetric;
import org.apache.spark.sql.connector.read.Scan;
import org.apache.spark.sql.connector.read.ScanBuilder;
import org.apache.spark.sql.connector.read.streaming.MicroBatchStream;
import org.apache.spark.sql.kafka010.KafkaSourceProvider;
import org.apache.spark.sql.sources.DataSourceRegister;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.sql.util.CaseInsensitiveStringMap;

/**
 * The data source {@value #SHORT_NAME}, for {@code readStream}: Spark's Kafka source with micro-batches whose
 * size follows what the ones before took. See {@link PaceOptions} for the options that it takes beside
 * Kafka's.
 *
 * <p>Offsets are those of Spark's source, so that a checkpoint of the one can be continued with the other.
 */
public final class PacedKafka implements TableProvider, DataSourceRegister {
  /** The name to give to {@code format}. */
  public static final String SHORT_NAME = "storepulse-kafka";

  private final TableProvider kafka = new KafkaSourceProvider();

  @Override
  public String shortName() {
    return SHORT_NAME;
  }

  @Override
  public StructType inferSchema(CaseInsensitiveStringMap options) {
    return kafka.inferSchema(options);
  }

  @Override
  public Table getTable(StructType schema, Transform[] partitioning, Map<String, String> properties) {
    PaceOptions options = PaceOptions.parse(new CaseInsensitiveStringMap(properties));
    return new PacedTable(kafka.getTable(schema, partitioning, properties), options);
  }

  private record PacedTable(Table kafka, PaceOptions options) implements Table, SupportsRead {
    @Override
    public String name() {
      return kafka.name();
    }

    @Override
    @SuppressWarnings("deprecation") // Its replacement, columns(), falls back to it.
    public StructType schema() {
      return kafka.schema();
    }

    @Override
    public Set<TableCapability> capabilities() {
      return Set.of(TableCapability.MICRO_BATCH_READ);
    }

    @Override
    public ScanBuilder newScanBuilder(CaseInsensitiveStringMap given) {
      Scan scan = ((SupportsRead) kafka).newScanBuilder(given).build();
      return () -> new PacedScan(scan, options);
    }
  }

  private record PacedScan(Scan kafka, PaceOptions options) implements Scan {
    @Override
    public StructType readSchema() {
      return kafka.readSchema();
    }

    @Override
    public String description() {
      return kafka.description();
    }

    @Override
    public MicroBatchStream toMicroBatchStream(String checkpoint) {
      QueryWatch.attach();
      return PacedStream.of(kafka.toMicroBatchStream(checkpoint), options);
    }

    @Override
    public CustomMetric[] supportedCustomMetrics() {
      return kafka.supportedCustomMetrics();
    }

    @Override
    public CustomTaskMetric[] reportDriverMetrics() {
      return kafka.reportDriverMetrics();
    }
  }
}
