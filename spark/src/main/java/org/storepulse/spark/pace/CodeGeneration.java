package org.storepulse.spark.pace;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.connector.read.streaming.Offset;

/**
 * Whether the next micro-batch runs in generated code.
 *
 * <p>Every task writes the source of its projections anew, only to find them compiled: a third of what a
 * small batch takes of an executor. The same expressions interpreted cost a little more a row, and nothing
 * before the first row. Rows are the same bytes either way, so that state may be read by the one and have
 * been written by the other.
 */
final class CodeGeneration {
  /** From so many records on, generated code is faster: measured with two cores, see docs/performance.md. */
  static final long WORTH_IT = 1_000;

  static final String PROJECTIONS = "spark.sql.codegen.factoryMode";
  static final String STAGES = "spark.sql.codegen.wholeStage";

  private static final ObjectMapper JSON = new ObjectMapper();

  private CodeGeneration() {}

  /** Sets what the next batch of a stream's session uses. */
  static void choose(SparkSession session, long records) {
    boolean generated = records >= WORTH_IT;
    session.conf().set(PROJECTIONS, generated ? "FALLBACK" : "NO_CODEGEN");
    session.conf().set(STAGES, generated);
  }

  /** How many records lie between two offsets; all that an offset names of a partition are numbers. */
  static long records(Offset start, Offset end) {
    return sum(end) - (start == null ? 0 : sum(start));
  }

  private static long sum(Offset offset) {
    try {
      return sum(JSON.readTree(offset.json()));
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("an offset is no JSON: " + offset.json(), e);
    }
  }

  private static long sum(JsonNode node) {
    long total = node.isNumber() ? node.asLong() : 0;
    for (JsonNode below : node) {
      total += sum(below);
    }
    return total;
  }
}
