package org.storepulse.spark.sink;

import java.io.Serializable;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * Counts of lags in milliseconds, in buckets that grow with the value; two histograms merge by addition.
 *
 * <p>Exact below 32 ms; above, a bucket is at most 1/16 of its lower bound wide, and a percentile is the
 * upper bound of its bucket, so it is at most 6.25 % too high and never too low. Negative lags, of a clock
 * that is behind, count as zero.
 */
final class LagHistogram implements Serializable {
  private static final int EXACT = 32;
  private static final int PER_OCTAVE_BITS = 4;

  /** Bucket to count; few buckets are ever used, so a message stays small. */
  private final TreeMap<Integer, Long> buckets = new TreeMap<>();

  private long count;
  private long maxMs;

  void record(long lagMs) {
    long value = Math.max(0, lagMs);
    buckets.merge(bucket(value), 1L, Long::sum);
    count++;
    maxMs = Math.max(maxMs, value);
  }

  void add(LagHistogram other) {
    other.buckets.forEach((bucket, counted) -> buckets.merge(bucket, counted, Long::sum));
    count += other.count;
    maxMs = Math.max(maxMs, other.maxMs);
  }

  long count() {
    return count;
  }

  long maxMs() {
    return maxMs;
  }

  /** The lag that the given share of rows, from 0 to 1, does not exceed; 0 when there are none. */
  long percentileMs(double share) {
    long wanted = Math.max(1, (long) Math.ceil(share * count));
    long seen = 0;
    for (Map.Entry<Integer, Long> entry : buckets.entrySet()) {
      seen += entry.getValue();
      if (seen >= wanted) {
        return Math.min(upperBound(entry.getKey()), maxMs);
      }
    }
    return 0;
  }

  /** {@code upper bound in ms:count} of each bucket in use, with commas between. */
  String encode() {
    return buckets.entrySet().stream()
        .map(entry -> upperBound(entry.getKey()) + ":" + entry.getValue())
        .collect(Collectors.joining(","));
  }

  static int bucket(long value) {
    if (value < EXACT) {
      return (int) value;
    }
    int exponent = 63 - Long.numberOfLeadingZeros(value);
    int step = (int) (value >>> (exponent - PER_OCTAVE_BITS)) & ((1 << PER_OCTAVE_BITS) - 1);
    return EXACT + ((exponent - 5) << PER_OCTAVE_BITS) + step;
  }

  static long upperBound(int bucket) {
    if (bucket < EXACT) {
      return bucket;
    }
    int exponent = 5 + ((bucket - EXACT) >>> PER_OCTAVE_BITS);
    long step = (bucket - EXACT) & ((1 << PER_OCTAVE_BITS) - 1);
    return (((1L << PER_OCTAVE_BITS) + step + 1) << (exponent - PER_OCTAVE_BITS)) - 1;
  }
}
