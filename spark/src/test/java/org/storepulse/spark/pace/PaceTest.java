package org.storepulse.spark.pace;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class PaceTest {
  private static final long MOST = 200_000;
  private static final long WANTED_MS = 4_000;

  /** What a batch takes on a machine that has a fixed cost and a rate. */
  private static long ms(long records, long perSecond) {
    return 500 + records * 1000 / perSecond;
  }

  private static long settled(Pace pace, long perSecond) {
    for (int batch = 0; batch < 20; batch++) {
      pace.took(pace.size(), ms(pace.size(), perSecond));
    }
    return pace.size();
  }

  @Test
  void batchesComeToTakeTheWantedTime() {
    for (long perSecond : new long[] {4_000, 10_000, 40_000}) {
      long took = ms(settled(new Pace(MOST, WANTED_MS), perSecond), perSecond);
      assertTrue(Math.abs(took - WANTED_MS) < WANTED_MS / 5, perSecond + " records/s: " + took + " ms");
    }
  }

  @Test
  void theSizeHasBounds() {
    assertEquals(MOST, settled(new Pace(MOST, WANTED_MS), 1_000_000));
    assertEquals(Pace.LEAST, settled(new Pace(MOST, WANTED_MS), 10));
    assertEquals(500, settled(new Pace(500, WANTED_MS), 10));
  }

  @Test
  void oneBatchThatTookMuchTooLongIsFollowedAtOnce() {
    Pace pace = new Pace(MOST, WANTED_MS);
    settled(pace, 30_000);
    pace.took(pace.size(), 10 * WANTED_MS);
    assertTrue(pace.size() < 12_000, pace.size() + " records");
  }

  @Test
  void smallBatchesDoNotTellWhatLargeOnesTake() {
    Pace pace = new Pace(MOST, WANTED_MS);
    pace.took(10, 700);
    assertEquals(Pace.FIRST, pace.size());
    pace.took(0, 60_000);
    assertEquals(Pace.FIRST, pace.size());
    pace.took(10, 60_000);
    assertEquals(Pace.FIRST, pace.size());
    pace.took(Pace.FIRST, 5_000);
    assertEquals(45_000, pace.size(), "half-way to 40,000");
  }
}
