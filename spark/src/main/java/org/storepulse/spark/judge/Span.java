package org.storepulse.spark.judge;

/** A place in a record's bytes and a length, as one number. */
final class Span {
  private Span() {}

  static long of(int at, int length) {
    return (long) at << 32 | length;
  }

  static int at(long span) {
    return (int) (span >>> 32);
  }

  static int length(long span) {
    return (int) span;
  }
}
