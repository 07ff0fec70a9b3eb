package org.storepulse.spark.judge;

import java.nio.ByteOrder;
import org.apache.spark.unsafe.Platform;

/**
 * Looks at eight bytes at a time, as one number: the executors' compiler makes no such loops by itself, and
 * most of a record is text. A byte's highest bit tells of it; sums are such that none carries over into the
 * next byte where all are ASCII, and where one is not, its own highest bit says so.
 */
final class EightBytes {
  private static final long EACH = 0x0101_0101_0101_0101L;
  private static final long HIGHEST = 0x80 * EACH;
  private static final boolean BIG_ENDIAN = ByteOrder.nativeOrder() == ByteOrder.BIG_ENDIAN;

  private EightBytes() {}

  /** The eight bytes from {@code at} on, which must be there, the first in the lowest place. */
  static long at(byte[] bytes, int at) {
    long eight = Platform.getLong(bytes, Platform.BYTE_ARRAY_OFFSET + at);
    return BIG_ENDIAN ? Long.reverseBytes(eight) : eight;
  }

  /** Whether all are ASCII and none is a control character. */
  static boolean arePrintable(long eight) {
    // 7F + 1 and everything below 20 + 60 differ from the others in the highest bit.
    long delete = eight + EACH;
    long atLeastSpace = eight + 0x60 * EACH;
    return ((eight | delete | ~atLeastSpace) & HIGHEST) == 0;
  }

  /** Whether all are digits to the base 16 in lower case. */
  static boolean areHex(long eight) {
    // One in each byte from 40 on: a letter, if it is good.
    long letters = eight >>> 6 & EACH;
    // Beyond 9 + 46 or f + 19; and from 0 + 50 or a + 1F on.
    long beyond = eight + 0x46 * EACH - 0x2d * letters;
    long enough = eight + 0x50 * EACH - 0x31 * letters;
    return ((eight | beyond | ~enough) & HIGHEST) == 0;
  }
}
