package org.storepulse.spark.judge;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

class EightBytesTest {
  @Test
  void tellsEveryPairOfNeighboursAsOneByOne() {
    for (int place = 0; place < 7; place++) {
      for (int pair = 0; pair < 1 << 16; pair++) {
        byte[] bytes = "0a9f5b3c".getBytes(StandardCharsets.US_ASCII);
        bytes[place] = (byte) (pair >> 8);
        bytes[place + 1] = (byte) pair;
        long eight = EightBytes.at(bytes, 0);
        boolean hex = isHex(bytes[place]) && isHex(bytes[place + 1]);
        boolean printable = isPrintable(bytes[place]) && isPrintable(bytes[place + 1]);
        int at = place;
        int both = pair;
        assertEquals(hex, EightBytes.areHex(eight), () -> "hex " + both + " at " + at);
        assertEquals(printable, EightBytes.arePrintable(eight), () -> "printable " + both + " at " + at);
      }
    }
  }

  private static boolean isHex(byte digit) {
    return "0123456789abcdef".indexOf(digit) >= 0;
  }

  private static boolean isPrintable(byte one) {
    return one >= 0x20 && one != 0x7f;
  }
}
