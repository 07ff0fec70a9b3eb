package org.storepulse.spark.judge;

import java.io.Serializable;
import org.apache.spark.sql.types.DataType;

/** One field of a record: how it is read, and what it may hold. */
abstract class Field implements Serializable {
  private static final long serialVersionUID = 1;

  private final String name;
  // Asked for by plans only: tasks do without.
  private final transient DataType type;
  private final boolean nullable;

  /** {@code nullable}: whether it is a union of null and its type. */
  Field(String name, DataType type, boolean nullable) {
    this.name = name;
    this.type = type;
    this.nullable = nullable;
  }

  final String name() {
    return name;
  }

  final DataType type() {
    return type;
  }

  final boolean nullable() {
    return nullable;
  }

  /**
   * Reads the value that is there, and tells the body where it breaks the field's rule. The answer is the
   * cell that {@link JudgedRow} keeps: a number, a double's bits, or the {@link Span} of a text.
   */
  abstract long read(AvroBody body) throws Malformed;
}
