package org.storepulse.spark.pace;

import java.util.Map;
import java.util.Set;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.expressions.GenericInternalRow;
import org.apache.spark.sql.connector.catalog.SupportsRead;
import org.apache.spark.sql.connector.catalog.Table;
import org.apache.spark.sql.connector.catalog.TableCapability;
import org.apache.spark.sql.connector.catalog.TableProvider;
import org.apache.spark.sql.connector.expressions.Transform;
import org.apache.spark.sql.connector.read.LocalScan;
import org.apache.spark.sql.connector.read.ScanBuilder;
import org.apache.spark.sql.sources.DataSourceRegister;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.sql.util.CaseInsensitiveStringMap;
import org.apache.spark.unsafe.types.UTF8String;

/**
 * The data source {@value #SHORT_NAME}: how many tasks of each streaming query have finished.
 *
 * <p>The driver answers by itself, without a job: one that waits for a free core would tell nothing.
 */
public final class FinishedTasks implements TableProvider, DataSourceRegister {
  /** The name to give to {@code format}. */
  public static final String SHORT_NAME = "storepulse-finished-tasks";

  private static final StructType SCHEMA =
      new StructType()
          .add("query_id", DataTypes.StringType, false)
          .add("finished_tasks", DataTypes.LongType, false);

  @Override
  public String shortName() {
    return SHORT_NAME;
  }

  @Override
  public StructType inferSchema(CaseInsensitiveStringMap options) {
    return SCHEMA;
  }

  @Override
  public Table getTable(StructType schema, Transform[] partitioning, Map<String, String> properties) {
    QueryWatch.attach();
    return new Counts();
  }

  private static final class Counts implements Table, SupportsRead {
    @Override
    public String name() {
      return SHORT_NAME;
    }

    @Override
    @SuppressWarnings("deprecation") // Its replacement, columns(), falls back to it.
    public StructType schema() {
      return SCHEMA;
    }

    @Override
    public Set<TableCapability> capabilities() {
      return Set.of(TableCapability.BATCH_READ);
    }

    @Override
    public ScanBuilder newScanBuilder(CaseInsensitiveStringMap options) {
      return Answer::new;
    }
  }

  private static final class Answer implements LocalScan {
    @Override
    public StructType readSchema() {
      return SCHEMA;
    }

    @Override
    public InternalRow[] rows() {
      return QueryWatch.finishedTasks().entrySet().stream()
          .map(of -> new GenericInternalRow(new Object[] {UTF8String.fromString(of.getKey()), of.getValue()}))
          .toArray(InternalRow[]::new);
    }
  }
}
