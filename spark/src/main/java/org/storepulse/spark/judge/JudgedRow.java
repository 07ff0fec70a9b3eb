package org.storepulse.spark.judge;

import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.expressions.SpecializedGettersReader;
import org.apache.spark.sql.catalyst.util.ArrayData;
import org.apache.spark.sql.catalyst.util.MapData;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.Decimal;
import org.apache.spark.unsafe.types.CalendarInterval;
import org.apache.spark.unsafe.types.UTF8String;

/**
 * What was made of a record: the reason, then the fields. Texts are places in the record's own bytes, and
 * become objects when they are asked for. It never changes.
 */
final class JudgedRow extends InternalRow {
  private static final long serialVersionUID = 1;
  private static final long ALL = -1L;

  private final UTF8String reason;
  private final byte[] bytes;
  private final long[] cells;
  private final long absent;

  /** {@code absent} has a bit for each field that is null. */
  JudgedRow(UTF8String reason, byte[] bytes, long[] cells, long absent) {
    this.reason = reason;
    this.bytes = bytes;
    this.cells = cells;
    this.absent = absent;
  }

  static JudgedRow refused(UTF8String reason, int fields) {
    return new JudgedRow(reason, new byte[0], new long[fields], ALL);
  }

  @Override
  public int numFields() {
    return 1 + cells.length;
  }

  @Override
  public boolean isNullAt(int ordinal) {
    return ordinal == 0 ? reason == null : (absent >>> ordinal - 1 & 1) != 0;
  }

  private long cell(int ordinal) {
    return cells[ordinal - 1];
  }

  @Override
  public boolean getBoolean(int ordinal) {
    return cell(ordinal) != 0;
  }

  @Override
  public int getInt(int ordinal) {
    return (int) cell(ordinal);
  }

  @Override
  public long getLong(int ordinal) {
    return cell(ordinal);
  }

  @Override
  public double getDouble(int ordinal) {
    return Double.longBitsToDouble(cell(ordinal));
  }

  @Override
  public Decimal getDecimal(int ordinal, int precision, int scale) {
    return isNullAt(ordinal) ? null : Decimal.createUnsafe(cell(ordinal), precision, scale);
  }

  @Override
  public UTF8String getUTF8String(int ordinal) {
    if (ordinal == 0 || isNullAt(ordinal)) {
      return ordinal == 0 ? reason : null;
    }
    long span = cell(ordinal);
    return UTF8String.fromBytes(bytes, Span.at(span), Span.length(span));
  }

  @Override
  public Object get(int ordinal, DataType type) {
    return SpecializedGettersReader.read(this, ordinal, type, true, true);
  }

  @Override
  public InternalRow copy() {
    return this;
  }

  @Override
  public void setNullAt(int ordinal) {
    throw new UnsupportedOperationException("a judged row never changes");
  }

  @Override
  public void update(int ordinal, Object value) {
    throw new UnsupportedOperationException("a judged row never changes");
  }

  private static UnsupportedOperationException noSuchType() {
    return new UnsupportedOperationException("no field of a record has this type");
  }

  @Override
  public byte getByte(int ordinal) {
    throw noSuchType();
  }

  @Override
  public short getShort(int ordinal) {
    throw noSuchType();
  }

  @Override
  public float getFloat(int ordinal) {
    throw noSuchType();
  }

  @Override
  public byte[] getBinary(int ordinal) {
    throw noSuchType();
  }

  @Override
  public CalendarInterval getInterval(int ordinal) {
    throw noSuchType();
  }

  @Override
  public InternalRow getStruct(int ordinal, int numFields) {
    throw noSuchType();
  }

  @Override
  public ArrayData getArray(int ordinal) {
    throw noSuchType();
  }

  @Override
  public MapData getMap(int ordinal) {
    throw noSuchType();
  }
}
