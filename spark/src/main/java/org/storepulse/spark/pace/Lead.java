package org.storepulse.spark.pace;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;

/**
 * What the queries of one job know of each other: whether the one that leads has fallen behind.
 *
 * <p>It has when it takes less than what there is. What it said counts for a while only: one that ended says
 * nothing more.
 */
final class Lead {
  /** How long what the leading query said counts: longer than any of its batches should take. */
  static final long COUNTS_NS = TimeUnit.SECONDS.toNanos(60);

  private static final Map<String, Lead> BY_JOB = new ConcurrentHashMap<>();

  private boolean behind;
  private long toldAt;

  /** The one that all queries of a job share. */
  static Lead of(String job) {
    return BY_JOB.computeIfAbsent(job, name -> new Lead());
  }

  /** The leading query takes so many records less than there are. */
  synchronized void told(long left, long nowNs) {
    behind = left > 0;
    toldAt = nowNs;
  }

  /** Whether the others should wait. */
  synchronized boolean isBehind(long nowNs) {
    return behind && nowNs - toldAt < COUNTS_NS;
  }
}
