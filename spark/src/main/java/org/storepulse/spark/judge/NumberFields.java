package org.storepulse.spark.judge;

import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.DecimalType;

/** Fields that are numbers, each between two bounds, both inclusive. */
final class NumberFields {
  private NumberFields() {}

  /** A boolean, of which each is good. */
  static final class Bool extends Field {
    private static final long serialVersionUID = 1;

    Bool(String name, boolean nullable) {
      super(name, DataTypes.BooleanType, nullable);
    }

    @Override
    long read(AvroBody body) throws Malformed {
      return body.readBoolean() ? 1 : 0;
    }
  }

  /** An int or a day since 1970. */
  static final class Int extends Field {
    private static final long serialVersionUID = 1;
    private final long least;
    private final long most;

    Int(String name, DataType type, boolean nullable, long least, long most) {
      super(name, type, nullable);
      this.least = least;
      this.most = most;
    }

    @Override
    long read(AvroBody body) throws Malformed {
      int value = body.readInt();
      if (value < least || value > most) {
        body.refuse();
      }
      return value;
    }
  }

  /** An instant in µs since 1970. */
  static final class Instant extends Field {
    private static final long serialVersionUID = 1;
    private final long least;
    private final long most;

    Instant(String name, boolean nullable, long least, long most) {
      super(name, DataTypes.TimestampType, nullable);
      this.least = least;
      this.most = most;
    }

    @Override
    long read(AvroBody body) throws Malformed {
      long value = body.readLong();
      if (value < least || value > most) {
        body.refuse();
      }
      return value;
    }
  }

  /** A double; not a number is out of every bound. */
  static final class Real extends Field {
    private static final long serialVersionUID = 1;
    private final double least;
    private final double most;

    Real(String name, boolean nullable, double least, double most) {
      super(name, DataTypes.DoubleType, nullable);
      this.least = least;
      this.most = most;
    }

    @Override
    long read(AvroBody body) throws Malformed {
      long bits = body.readDoubleBits();
      double value = Double.longBitsToDouble(bits);
      if (!(value >= least && value <= most)) {
        body.refuse();
      }
      return bits;
    }
  }

  /** A decimal of at most 18 digits, as its unscaled value in big-endian two's complement. */
  static final class Decimal extends Field {
    private static final long serialVersionUID = 1;
    private static final int MOST_DIGITS = 18;
    private final long beyond;
    private final long least;

    /** {@code least} is unscaled. */
    Decimal(String name, boolean nullable, int precision, int scale, long least) {
      super(name, new DecimalType(precision, scale), nullable);
      if (precision > MOST_DIGITS) {
        throw new IllegalArgumentException(name + " has more than " + MOST_DIGITS + " digits");
      }
      long beyond = 1;
      for (int digit = 0; digit < precision; digit++) {
        beyond *= 10;
      }
      this.beyond = beyond;
      this.least = least;
    }

    @Override
    long read(AvroBody body) throws Malformed {
      long span = body.readBytes();
      int length = Span.length(span);
      if (length == 0) {
        throw Malformed.BODY;
      }
      byte[] bytes = body.bytes();
      int at = Span.at(span);
      // Of more than eight bytes the last eight count: that is what from_avro makes of them.
      long unscaled = bytes[at];
      for (int i = at + 1; i < at + length; i++) {
        unscaled = unscaled << 8 | bytes[i] & 0xff;
      }
      if (unscaled <= -beyond || unscaled >= beyond) {
        throw Malformed.BODY;
      }
      if (unscaled < least) {
        body.refuse();
      }
      return unscaled;
    }
  }
}
