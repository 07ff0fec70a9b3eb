package org.storepulse.spark.pace;

import org.apache.spark.sql.util.CaseInsensitiveStringMap;

/**
 * What {@link PacedKafka} is told beside Kafka's own options.
 *
 * @param job whose queries wait for each other; a name that no other job has
 * @param leads whether this query is the one that the others wait for
 * @param wantedMs how long a micro-batch should take
 * @param longestWaitMs how long a query waits at most for the one that leads
 * @param most the most records of a micro-batch, Kafka's own {@code maxOffsetsPerTrigger}
 */
record PaceOptions(String job, boolean leads, long wantedMs, long longestWaitMs, long most) {
  static final String JOB = "pace.job";
  static final String LEADS = "pace.leads";
  static final String WANTED_MS = "pace.wanted.ms";
  static final String LONGEST_WAIT_MS = "pace.longest.wait.ms";
  static final String MOST = "maxOffsetsPerTrigger";

  static PaceOptions parse(CaseInsensitiveStringMap options) {
    String job = options.get(JOB);
    if (job == null || job.isBlank()) {
      throw new IllegalArgumentException("set " + JOB + " to the name of the job whose queries wait for each other");
    }
    return new PaceOptions(
        job,
        options.getBoolean(LEADS, false),
        positive(options, WANTED_MS),
        positive(options, LONGEST_WAIT_MS),
        positive(options, MOST));
  }

  private static long positive(CaseInsensitiveStringMap options, String name) {
    long value = options.getLong(name, 0);
    if (value <= 0) {
      throw new IllegalArgumentException("set " + name + " to a number above 0");
    }
    return value;
  }
}
