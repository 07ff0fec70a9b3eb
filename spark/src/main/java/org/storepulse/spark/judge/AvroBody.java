package org.storepulse.spark.judge;

/**
 * An Avro body that is read field by field, exactly as Avro's own decoder reads it: numbers may be longer
 * than they have to be, their bits beyond 32 or 64 are dropped, and what follows the last field is passed
 * over.
 */
final class AvroBody {
  /** Avro's own limits, set for the whole process: what is longer does not decode. */
  private static final int MOST_STRING_BYTES = limit("org.apache.avro.limits.string.maxLength");
  private static final int MOST_BYTES = limit("org.apache.avro.limits.bytes.maxLength");

  private final byte[] bytes;
  private int at;
  private boolean inRange = true;

  AvroBody(byte[] bytes, int from) {
    this.bytes = bytes;
    this.at = from;
  }

  private static int limit(String property) {
    int most = Integer.getInteger(property, Integer.MAX_VALUE - 8);
    return most < 0 ? Integer.MAX_VALUE - 8 : most;
  }

  byte[] bytes() {
    return bytes;
  }

  /** Says that a field that was read breaks its rule; the fields after it must decode all the same. */
  void refuse() {
    inRange = false;
  }

  boolean isInRange() {
    return inRange;
  }

  /** Reads the branch of a union of null and something. */
  boolean isPresent() throws Malformed {
    return switch (readInt()) {
      case 0 -> false;
      case 1 -> true;
      default -> throw Malformed.BODY;
    };
  }

  int readInt() throws Malformed {
    byte first = next();
    return first >= 0 ? first >>> 1 ^ -(first & 1) : readLongerInt(first);
  }

  private int readLongerInt(byte first) throws Malformed {
    int zigzag = first & 0x7f;
    for (int shift = 7; shift < 35; shift += 7) {
      byte next = next();
      zigzag |= (next & 0x7f) << shift;
      if (next >= 0) {
        return zigzag >>> 1 ^ -(zigzag & 1);
      }
    }
    throw Malformed.BODY;
  }

  long readLong() throws Malformed {
    byte first = next();
    return first >= 0 ? first >>> 1 ^ -(first & 1) : readLongerLong(first);
  }

  private long readLongerLong(byte first) throws Malformed {
    long zigzag = first & 0x7f;
    for (int shift = 7; shift < 70; shift += 7) {
      byte next = next();
      zigzag |= (next & 0x7fL) << shift;
      if (next >= 0) {
        return zigzag >>> 1 ^ -(zigzag & 1);
      }
    }
    throw Malformed.BODY;
  }

  boolean readBoolean() throws Malformed {
    return next() == 1;
  }

  /** Reads a double's eight bytes, the lowest first. */
  long readDoubleBits() throws Malformed {
    if (bytes.length - at < Double.BYTES) {
      throw Malformed.BODY;
    }
    long bits = 0;
    for (int i = Double.BYTES - 1; i >= 0; i--) {
      bits = bits << 8 | bytes[at + i] & 0xff;
    }
    at += Double.BYTES;
    return bits;
  }

  /** Reads a string: its place in the bytes and its length, as {@link Span} has them. */
  long readString() throws Malformed {
    return readSpan(MOST_STRING_BYTES);
  }

  /** Reads bytes: their place and length, as {@link Span} has them. */
  long readBytes() throws Malformed {
    return readSpan(MOST_BYTES);
  }

  private long readSpan(int most) throws Malformed {
    long length = readLong();
    if (length < 0 || length > most || length > bytes.length - at) {
      throw Malformed.BODY;
    }
    long span = Span.of(at, (int) length);
    at += (int) length;
    return span;
  }

  private byte next() throws Malformed {
    if (at >= bytes.length) {
      throw Malformed.BODY;
    }
    return bytes[at++];
  }
}
