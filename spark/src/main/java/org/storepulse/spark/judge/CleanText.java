package org.storepulse.spark.judge;

/**
 * Text that is UTF-8 by Unicode's table of well-formed sequences, without control characters (category Cc).
 */
final class CleanText {
  private static final int UNCLEAN = -1;

  private CleanText() {}

  /** How many characters, meaning code points, the text has; -1 where it is not clean. */
  static int chars(byte[] bytes, int at, int length) {
    int end = at + length;
    int chars = 0;
    while (end - at >= Long.BYTES && EightBytes.arePrintable(EightBytes.at(bytes, at))) {
      at += Long.BYTES;
      chars += Long.BYTES;
    }
    while (at < end) {
      byte first = bytes[at];
      if (first >= 0) {
        if (first < ' ' || first == 0x7f) {
          return UNCLEAN;
        }
        at++;
      } else {
        int size = sequence(bytes, at, end, first & 0xff);
        if (size == UNCLEAN) {
          return UNCLEAN;
        }
        at += size;
      }
      chars++;
    }
    return chars;
  }

  /** How many bytes the character takes that begins with {@code first}, which is not ASCII. */
  private static int sequence(byte[] bytes, int at, int end, int first) {
    if (first < 0xc2 || first > 0xf4) {
      return UNCLEAN;
    }
    int size = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (end - at < size) {
      return UNCLEAN;
    }
    int second = bytes[at + 1] & 0xff;
    int least = switch (first) {
      // The control characters from 80 to 9F, and what would be longer than it has to be.
      case 0xc2, 0xe0 -> 0xa0;
      case 0xf0 -> 0x90;
      default -> 0x80;
    };
    int most = switch (first) {
      // Surrogates, and what is beyond Unicode.
      case 0xed -> 0x9f;
      case 0xf4 -> 0x8f;
      default -> 0xbf;
    };
    if (second < least || second > most) {
      return UNCLEAN;
    }
    for (int i = at + 2; i < at + size; i++) {
      // A byte within a character is 10xxxxxx.
      if ((bytes[i] & 0xc0) != 0x80) {
        return UNCLEAN;
      }
    }
    return size;
  }
}
