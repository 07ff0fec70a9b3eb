package org.storepulse.spark.sink;

import java.io.IOException;
import org.apache.spark.sql.catalyst.InternalRow;

/** Writes rows of one task to one table. */
interface TableWriter {
  /** Takes a row; failures of earlier rows may show only in {@link #finish}. */
  void write(InternalRow row) throws IOException;

  /** Sends what is still held back and returns when everything is acknowledged. */
  void finish() throws IOException;

  /** Drops what is not sent yet and lets go of the connection; after {@link #finish} only the latter. */
  void close();
}
