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

    Uuid(String name, boolean nullable) {
      super(name, nullable);
    }

    @Override
    boolean isGood(byte[] bytes, int at, int length) {
      return length == LENGTH
          && isHex(bytes, at, 8)
          && bytes[at + 8] == '-'
          && isHex(bytes, at + 9, 4)
          && bytes[at + 13] == '-'
          && isHex(bytes, at + 14, 4)
          && bytes[at + 18] == '-'
          && isHex(bytes, at + 19, 4)
          && bytes[at + 23] == '-'
          && isHex(bytes, at + 24, 12);
    }

    private static boolean isHex(byte[] bytes, int at, int count) {
      for (int i = at; i < at + count; i++) {
        byte digit = bytes[i];
        if ((digit < '0' || digit > '9') && (digit < 'a' || digit > 'f')) {
          return false;
        }
      }
      return true;
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
