package org.storepulse.spark.judge;

import java.io.Serializable;
import java.util.Arrays;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.util.ArrayData;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.unsafe.types.UTF8String;

/**
 * Judges records: Confluent's envelope first, then the header that names the topic's generation, then the
 * Avro body, then the ranges of its fields, and last whether the record is of the future. The first that
 * fails is the reason.
 *
 * <p>It has no state of its own, and may be used by many threads.
 */
public final class Judge implements Serializable {
  private static final long serialVersionUID = 1;

  /** Confluent's wire format: a zero, the schema's id, the body. */
  private static final byte MAGIC = 0;
  private static final int HEADER_BYTES = 5;

  /** What a record must carry. */
  record Envelope(int schemaId, UTF8String headerKey, byte[] headerValue) implements Serializable {}

  /** How far the instant in one field may be ahead of that in another, by their places among the fields. */
  record Ahead(int happened, int received, long mostMicros) implements Serializable {}

  /** What each refusal is called. */
  record Reasons(
      String magic, String schema, String generation, String undecodable, String range, String future)
      implements Serializable {}

  private final Envelope envelope;
  private final Field[] fields;
  private final Ahead ahead;
  // Asked for by plans only: tasks do without.
  private final transient StructType type;

  private final JudgedRow badMagic;
  private final JudgedRow unknownSchema;
  private final JudgedRow foreignGeneration;
  private final JudgedRow undecodable;
  private final JudgedRow outOfRange;
  private final JudgedRow future;

  Judge(Envelope envelope, Field[] fields, Ahead ahead, Reasons reasons) {
    if (fields.length > Long.SIZE) {
      throw new IllegalArgumentException("at most " + Long.SIZE + " fields, not " + fields.length);
    }
    this.envelope = envelope;
    this.fields = fields.clone();
    this.ahead = ahead;
    StructType type = new StructType().add("reason", DataTypes.StringType);
    for (Field field : fields) {
      type = type.add(field.name(), field.type());
    }
    this.type = type;
    this.badMagic = refused(reasons.magic);
    this.unknownSchema = refused(reasons.schema);
    this.foreignGeneration = refused(reasons.generation);
    this.undecodable = refused(reasons.undecodable);
    this.outOfRange = refused(reasons.range);
    this.future = refused(reasons.future);
  }

  private JudgedRow refused(String reason) {
    return JudgedRow.refused(UTF8String.fromString(reason), fields.length);
  }

  StructType type() {
    return type;
  }

  /** Judges one record. Generated code calls this. */
  public InternalRow judge(byte[] value, ArrayData headers) {
    if (value == null || value.length < HEADER_BYTES || value[0] != MAGIC) {
      return badMagic;
    }
    if (schemaId(value) != envelope.schemaId) {
      return unknownSchema;
    }
    if (!hasHeader(headers)) {
      return foreignGeneration;
    }
    AvroBody body = new AvroBody(value, HEADER_BYTES);
    Field[] fields = this.fields;
    long[] cells = new long[fields.length];
    long absent = 0;
    try {
      for (int i = 0; i < fields.length; i++) {
        Field field = fields[i];
        if (field.nullable() && !body.isPresent()) {
          absent |= 1L << i;
        } else {
          cells[i] = field.read(body);
        }
      }
    } catch (Malformed e) {
      return undecodable;
    }
    if (!body.isInRange()) {
      return outOfRange;
    }
    if (cells[ahead.received] - cells[ahead.happened] < -ahead.mostMicros) {
      return future;
    }
    return new JudgedRow(null, value, cells, absent);
  }

  private static int schemaId(byte[] value) {
    return (value[1] & 0xff) << 24 | (value[2] & 0xff) << 16 | (value[3] & 0xff) << 8 | value[4] & 0xff;
  }

  private boolean hasHeader(ArrayData headers) {
    if (headers == null) {
      return false;
    }
    int count = headers.numElements();
    for (int i = 0; i < count; i++) {
      if (headers.isNullAt(i)) {
        continue;
      }
      InternalRow header = headers.getStruct(i, 2);
      if (!header.isNullAt(0)
          && !header.isNullAt(1)
          && envelope.headerKey.equals(header.getUTF8String(0))
          && Arrays.equals(envelope.headerValue, header.getBinary(1))) {
        return true;
      }
    }
    return false;
  }
}
