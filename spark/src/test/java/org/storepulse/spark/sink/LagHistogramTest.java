package org.storepulse.spark.sink;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

class LagHistogramTest {
  @Test
  void bucketsAreContiguousAndNarrow() {
    for (int bucket = 1; bucket < 700; bucket++) {
      long low = LagHistogram.upperBound(bucket - 1) + 1;
      long high = LagHistogram.upperBound(bucket);
      assertEquals(bucket, LagHistogram.bucket(low));
      assertEquals(bucket, LagHistogram.bucket(high));
      assertTrue((high - low) * 16 <= low, low + ".." + high);
    }
  }

  @Test
  void percentilesAreNeverTooLowAndLittleTooHigh() {
    Random random = new Random(7);
    LagHistogram histogram = new LagHistogram();
    LagHistogram other = new LagHistogram();
    long[] lags = new long[10_000];
    for (int i = 0; i < lags.length; i++) {
      lags[i] = (long) Math.exp(random.nextDouble() * 12);
      (i % 3 == 0 ? other : histogram).record(lags[i]);
    }
    histogram.add(other);
    Arrays.sort(lags);
    assertEquals(lags.length, histogram.count());
    assertEquals(lags[lags.length - 1], histogram.maxMs());
    assertEquals(histogram.maxMs(), histogram.percentileMs(1));
    for (double share : new double[] {0.01, 0.5, 0.9, 0.99, 0.999}) {
      long exact = lags[(int) Math.ceil(share * lags.length) - 1];
      long told = histogram.percentileMs(share);
      assertTrue(told >= exact && told <= exact * 1.0625 + 1, share + ": " + exact + " told as " + told);
    }
  }

  @Test
  void emptyAndNegativeLags() {
    LagHistogram histogram = new LagHistogram();
    assertEquals(0, histogram.percentileMs(0.99));
    assertEquals("", histogram.encode());
    histogram.record(-5);
    histogram.record(3);
    histogram.record(3);
    assertEquals("0:1,3:2", histogram.encode());
    assertEquals(3, histogram.percentileMs(0.5));
  }
}
