package org.storepulse.spark.pace;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.apache.spark.sql.connector.read.InputPartition;
import org.apache.spark.sql.connector.read.PartitionReaderFactory;
import org.apache.spark.sql.connector.read.streaming.MicroBatchStream;
import org.apache.spark.sql.connector.read.streaming.Offset;
import org.apache.spark.sql.connector.read.streaming.ReadLimit;
import org.apache.spark.sql.connector.read.streaming.ReadMaxRows;
import org.apache.spark.sql.connector.read.streaming.ReportsSourceMetrics;
import org.apache.spark.sql.connector.read.streaming.SupportsAdmissionControl;
import org.apache.spark.sql.execution.streaming.LongOffset;
import org.apache.spark.sql.util.CaseInsensitiveStringMap;
import org.junit.jupiter.api.Test;

class PacedStreamTest {
  private final Topic topic = new Topic();
  private final Lead lead = new Lead();
  private long seconds;

  private PacedStream stream(boolean leads) {
    PaceOptions options = new PaceOptions("job", leads, 4_000, 30_000, 200_000);
    return PacedStream.of(topic, options, lead, () -> TimeUnit.SECONDS.toNanos(seconds), () -> Optional.empty());
  }

  private static long take(PacedStream stream, long start) {
    LongOffset end = (LongOffset) stream.latestOffset(new LongOffset(start), stream.getDefaultReadLimit());
    return end.offset() - start;
  }

  @Test
  void aBatchTakesWhatItsPaceSays() {
    topic.end = 1_000_000;
    PacedStream cube = stream(true);
    assertEquals(Pace.FIRST, take(cube, 0));
    cube.pace().took(Pace.FIRST, 5_000);
    assertEquals(45_000, take(cube, Pace.FIRST));
  }

  @Test
  void theOthersWaitWhileTheOneThatLeadsIsBehindAndNotForEver() {
    PacedStream cube = stream(true);
    PacedStream beside = stream(false);
    topic.end = 1_000_000;
    assertEquals(Pace.FIRST, take(beside, 0), "nobody has told anything");
    take(cube, 0);
    assertEquals(0, take(beside, 0));
    assertEquals(1_000_000, topic.latest, "it learns where the topic ends");
    seconds = 29;
    assertEquals(0, take(beside, 0));
    seconds = 30;
    assertEquals(Pace.FIRST / 4, take(beside, 0), "a small one now and then");
    assertEquals(0, take(beside, Pace.LEAST));
    take(cube, 999_000);
    assertEquals(Pace.FIRST, take(beside, 0), "the cube has caught up");
  }

  @Test
  void aQueryThatLeadsAndIsGoneHoldsNobodyUp() {
    topic.end = 1_000_000;
    take(stream(true), 0);
    PacedStream beside = stream(false);
    assertEquals(0, take(beside, 0));
    seconds = 60;
    assertEquals(Pace.FIRST, take(beside, 0));
  }

  @Test
  void optionsThatAreMissingAreNamed() {
    Map<String, String> whole =
        Map.of("pace.job", "j", "pace.wanted.ms", "4000", "pace.longest.wait.ms", "1", "maxOffsetsPerTrigger", "5");
    assertEquals(5, PaceOptions.parse(new CaseInsensitiveStringMap(whole)).most());
    for (String name : whole.keySet()) {
      Map<String, String> without = new java.util.HashMap<>(whole);
      without.remove(name);
      IllegalArgumentException error =
          assertThrows(
              IllegalArgumentException.class, () -> PaceOptions.parse(new CaseInsensitiveStringMap(without)));
      assertEquals(true, error.getMessage().contains(name), error.getMessage());
    }
  }

  /** A topic of one partition, as Spark's source reads it. */
  private static final class Topic implements MicroBatchStream, SupportsAdmissionControl, ReportsSourceMetrics {
    private long end;
    private long latest;

    @Override
    public Offset latestOffset(Offset start, ReadLimit limit) {
      latest = end;
      return new LongOffset(Math.min(end, ((LongOffset) start).offset() + ((ReadMaxRows) limit).maxRows()));
    }

    @Override
    public Map<String, String> metrics(Optional<Offset> consumed) {
      long left = latest - ((LongOffset) consumed.orElseThrow()).offset();
      return Map.of("maxOffsetsBehindLatest", Long.toString(left));
    }

    @Override
    public Offset latestOffset() {
      throw new UnsupportedOperationException();
    }

    @Override
    public Offset initialOffset() {
      return new LongOffset(0);
    }

    @Override
    public Offset deserializeOffset(String json) {
      return new LongOffset(Long.parseLong(json));
    }

    @Override
    public InputPartition[] planInputPartitions(Offset start, Offset end) {
      return new InputPartition[0];
    }

    @Override
    public PartitionReaderFactory createReaderFactory() {
      throw new UnsupportedOperationException();
    }

    @Override
    public void commit(Offset end) {}

    @Override
    public void stop() {}
  }
}
