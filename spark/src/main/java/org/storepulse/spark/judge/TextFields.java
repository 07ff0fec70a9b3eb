package org.storepulse.spark.judge;

import java.nio.charset.StandardCharsets;
import java.util.List;
import org.apache.spark.sql.types.DataTypes;

/** Fields that are text, each with its own spelling. */
final class TextFields {
  private TextFields() {}

  private abstract static class TextField extends Field {
    private static final long serialVersionUID = 1;

    TextField(String name, boolean nullable) {
      super(name, DataTypes.StringType, nullable);
    }

    @Override
    final long read(AvroBody body) throws Malformed {
      long span = body.readString();
      if (!isGood(body.bytes(), Span.at(span), Span.length(span))) {
        body.refuse();
      }
      return span;
    }

    abstract boolean isGood(byte[] bytes, int at, int length);
  }

  private static boolean isSame(byte[] word, byte[] bytes, int at, int length) {
    if (word.length != length) {
      return false;
    }
    for (int i = 0; i < length; i++) {
      if (word[i] != bytes[at + i]) {
        return false;
      }
    }
    return true;
  }

  /** A UUID in lower case, with hyphens. */
  static final class Uuid extends TextField {
    private static final long serialVersionUID = 1;
    private static final int LENGTH = 36;
    // "-hhhh-hh" and "hh-hhhh-", the eight bytes from the eighth and the sixteenth on: where the hyphens are.
    private static final long FIRST_HYPHENS = 0x0000_ff00_0000_00ffL;
    private static final long OTHER_HYPHENS = 0xff00_0000_00ff_0000L;
    private static final long HYPHENS = 0x2d2d_2d2d_2d2d_2d2dL;
    private static final long ZEROS = 0x3030_3030_3030_3030L;

    Uuid(String name, boolean nullable) {
      super(name, nullable);
    }

    @Override
    boolean isGood(byte[] bytes, int at, int length) {
      if (length != LENGTH) {
        return false;
      }
      long first = EightBytes.at(bytes, at + 8);
      long other = EightBytes.at(bytes, at + 16);
      return (first & FIRST_HYPHENS) == (HYPHENS & FIRST_HYPHENS)
          && (other & OTHER_HYPHENS) == (HYPHENS & OTHER_HYPHENS)
          && EightBytes.areHex(EightBytes.at(bytes, at))
          && EightBytes.areHex(first & ~FIRST_HYPHENS | ZEROS & FIRST_HYPHENS)
          && EightBytes.areHex(other & ~OTHER_HYPHENS | ZEROS & OTHER_HYPHENS)
          && EightBytes.areHex(EightBytes.at(bytes, at + 24))
          && EightBytes.areHex(EightBytes.at(bytes, at + 28));
    }
  }

  /** One of a few words. */
  static final class Words extends TextField {
    private static final long serialVersionUID = 1;
    private final byte[][] words;

    Words(String name, boolean nullable, List<String> words) {
      super(name, nullable);
      this.words = words.stream().map(word -> word.getBytes(StandardCharsets.UTF_8)).toArray(byte[][]::new);
    }

    @Override
    boolean isGood(byte[] bytes, int at, int length) {
      for (byte[] word : words) {
        if (isSame(word, bytes, at, length)) {
          return true;
        }
      }
      return false;
    }
  }

  /** So many upper-case ASCII letters. */
  static final class Letters extends TextField {
    private static final long serialVersionUID = 1;
    private final int count;

    Letters(String name, boolean nullable, int count) {
      super(name, nullable);
      this.count = count;
    }

    @Override
    boolean isGood(byte[] bytes, int at, int length) {
      if (length != count) {
        return false;
      }
      for (int i = at; i < at + length; i++) {
        if (bytes[i] < 'A' || bytes[i] > 'Z') {
          return false;
        }
      }
      return true;
    }
  }

  /** Clean text of 1 to so many characters that is not the word which stands for none. */
  static final class Free extends TextField {
    private static final long serialVersionUID = 1;
    private final int mostChars;
    private final byte[] none;

    Free(String name, boolean nullable, int mostChars, String none) {
      super(name, nullable);
      this.mostChars = mostChars;
      this.none = none.getBytes(StandardCharsets.UTF_8);
    }

    @Override
    boolean isGood(byte[] bytes, int at, int length) {
      int chars = CleanText.chars(bytes, at, length);
      return chars >= 1 && chars <= mostChars && !isSame(none, bytes, at, length);
    }
  }
}
