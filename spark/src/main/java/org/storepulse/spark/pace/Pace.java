package org.storepulse.spark.pace;

/**
 * How many records the next micro-batch of a query reads: as many as batches of late would take the wanted
 * time for.
 *
 * <p>A batch has a cost that does not depend on its records, so small ones say little about large ones: only
 * one that was half full at least changes the size, and at most doubles it.
 */
final class Pace {
  /** Enough that the fixed cost of a batch, seconds on a machine that is overloaded, does not decide. */
  static final long LEAST = 10_000;

  /**
   * A query that has not run yet is compiled by its first batches; what a young shop has fits into one all
   * the same.
   */
  static final long FIRST = 50_000;

  private final long most;
  private final long wantedMs;
  private long size;

  Pace(long most, long wantedMs) {
    this.most = Math.max(1, most);
    this.wantedMs = Math.max(1, wantedMs);
    this.size = within(FIRST);
  }

  /** How many records the next batch may have. */
  synchronized long size() {
    return size;
  }

  /** Takes in what a batch took. */
  synchronized void took(long records, long ms) {
    if (2 * records < size) {
      return;
    }
    long fitting = (long) ((double) records * wantedMs / Math.max(1, ms));
    if (ms > 2 * wantedMs) {
      size = within(fitting);
    } else if (ms > wantedMs) {
      // A little too long may be a neighbour's doing: half-way.
      size = within((size + fitting) / 2);
    } else {
      size = within(Math.max(size, Math.min(fitting, 2 * size)));
    }
  }

  private long within(long wanted) {
    return Math.min(most, Math.max(Math.min(LEAST, most), wanted));
  }
}
