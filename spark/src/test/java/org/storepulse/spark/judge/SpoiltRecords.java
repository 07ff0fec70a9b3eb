package org.storepulse.spark.judge;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.UUID;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.EncoderFactory;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;

/**
 * Kafka records by the rules, whole and spoilt: in their headers, their envelope, one field, or any of their
 * bytes. The seed decides them all. Avro's own encoder writes what it can.
 */
final class SpoiltRecords {
  static final String SHAPE = "offset bigint, value binary, headers array<struct<key: string, value: binary>>";

  private static final int HEADER_BYTES = 5;
  private static final long AT_US = 1_772_409_480_000_000L;

  private final Random random;
  private final JsonNode rules;
  private long offset;

  SpoiltRecords(long seed, JsonNode rules) {
    this.random = new Random(seed);
    this.rules = rules;
  }

  /** So many rows of {@link #SHAPE}: whole ones, or one whole in six and the others spoilt. */
  List<Row> rows(int count, boolean spoilt) {
    List<Row> rows = new ArrayList<>(count);
    for (int i = 0; i < count; i++) {
      rows.add(row(spoilt ? random.nextInt(6) : 0));
    }
    return rows;
  }

  private Row row(int how) {
    int fields = rules.get("fields").size();
    int other = how == 1 || how == 2 || how == 3 ? random.nextInt(fields) : -1;
    byte[] value = value(other);
    Object headers = headers(text(rules.get("header").get("key")), text(rules.get("header").get("value")));
    if (how == 4) {
      value = otherBytes(value);
    } else if (how == 5 && random.nextBoolean()) {
      value = otherEnvelope(value);
    } else if (how == 5) {
      headers = otherHeaders();
    }
    return RowFactory.create(offset++, value, headers);
  }

  private static String text(JsonNode node) {
    return node.textValue();
  }

  private static Object headers(String key, String value) {
    return new Row[] {header(key, value)};
  }

  private static Row header(String key, String value) {
    return RowFactory.create(key, value == null ? null : value.getBytes(StandardCharsets.UTF_8));
  }

  private Object otherHeaders() {
    String key = text(rules.get("header").get("key"));
    String value = text(rules.get("header").get("value"));
    Row good = header(key, value);
    return switch (random.nextInt(10)) {
      case 0 -> null;
      case 1 -> new Row[] {};
      case 2 -> new Row[] {header(key, null)};
      case 3 -> new Row[] {header(null, value)};
      case 4 -> new Row[] {header(key, value + "0")};
      case 5 -> new Row[] {header(key.toUpperCase(), value)};
      case 6 -> new Row[] {null};
      case 7 -> new Row[] {null, header(key, ""), good};
      case 8 -> new Row[] {header("other", "x"), good, good};
      default -> new Row[] {header(value, key), null};
    };
  }

  private byte[] otherEnvelope(byte[] value) {
    switch (random.nextInt(6)) {
      case 0:
        return null;
      case 1:
        return Arrays.copyOf(value, random.nextInt(HEADER_BYTES + 2));
      case 2:
        value[0] = (byte) random.nextInt(256);
        return value;
      case 3:
        byte[] noise = new byte[HEADER_BYTES + random.nextInt(400)];
        random.nextBytes(noise);
        System.arraycopy(value, 0, noise, 0, HEADER_BYTES);
        return noise;
      default:
        value[1 + random.nextInt(4)] ^= (byte) (1 << random.nextInt(8));
        return value;
    }
  }

  private byte[] otherBytes(byte[] whole) {
    byte[] value = whole;
    for (int change = random.nextInt(3); change >= 0 && value.length > HEADER_BYTES; change--) {
      int at = HEADER_BYTES + random.nextInt(value.length - HEADER_BYTES);
      int length = Math.min(1 + random.nextInt(16), value.length - at);
      ByteBuffer out = ByteBuffer.allocate(value.length + length);
      switch (random.nextInt(7)) {
        case 0, 1, 2 -> {
          value[at] ^= (byte) (1 << random.nextInt(8));
          continue;
        }
        case 3 -> {
          value[at] = (byte) random.nextInt(256);
          continue;
        }
        case 4 -> out.put(value, 0, at);
        case 5 -> out.put(value, 0, at).put(value, at + length, value.length - at - length);
        default -> out.put(value, 0, at).put(value, at, length).put(value, at, value.length - at);
      }
      value = Arrays.copyOf(out.array(), out.position());
    }
    return value;
  }

  /** A value whose field at this place breaks its rule or its type, or none where there is no such place. */
  private byte[] value(int other) {
    try {
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      BinaryEncoder out = EncoderFactory.get().directBinaryEncoder(bytes, null);
      bytes.write(ByteBuffer.allocate(HEADER_BYTES).put((byte) 0).putInt(rules.get("schema_id").intValue()).array());
      long happened = AT_US + random.nextInt(300_000_000);
      int index = 0;
      for (JsonNode field : rules.get("fields")) {
        boolean spoilt = index++ == other;
        if (field.get("nullable").booleanValue()) {
          if (spoilt && random.nextInt(4) == 0) {
            write(bytes, branch());
          } else if (!spoilt && random.nextInt(4) == 0) {
            out.writeIndex(0);
            continue;
          } else {
            out.writeIndex(1);
          }
        }
        if (spoilt) {
          spoiltField(field, out, bytes, happened);
        } else {
          wholeField(field, out, happened);
        }
      }
      return bytes.toByteArray();
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  private static void write(ByteArrayOutputStream out, byte[] bytes) {
    out.write(bytes, 0, bytes.length);
  }

  private byte[] branch() {
    return switch (random.nextInt(5)) {
      case 0 -> new byte[] {4};
      case 1 -> new byte[] {1};
      case 2 -> new byte[] {(byte) 0x82, 0};
      case 3 -> new byte[] {(byte) 0x82, (byte) 0x80, (byte) 0x80, (byte) 0x80, 0x10};
      default -> new byte[] {(byte) random.nextInt(128)};
    };
  }

  private void wholeField(JsonNode field, BinaryEncoder out, long happened) throws IOException {
    switch (text(field.get("type"))) {
      case "uuid" -> out.writeString(new UUID(random.nextLong(), random.nextLong()).toString());
      case "words" -> out.writeString(text(field.get("words").get(random.nextInt(field.get("words").size()))));
      case "letters" -> out.writeString(letters(field.get("count").intValue()));
      case "text" -> {
        int chars = 1 + random.nextInt(Math.min(30, field.get("max_chars").intValue()));
        // Most of a shop's text is of one alphabet.
        out.writeString(random.nextInt(4) == 0 ? clean(chars) : "Winter jacket with a hood, 2 XL".substring(0, chars));
      }
      case "boolean" -> out.writeBoolean(random.nextBoolean());
      case "int", "date" -> out.writeInt(field.get("least").intValue() + random.nextInt(100));
      case "timestamp" -> {
        boolean received = text(field.get("name")).equals(text(rules.get("ahead").get("received")));
        out.writeLong(received ? happened + random.nextInt(661_000_000) - 61_000_000 : happened);
      }
      case "double" -> out.writeDouble(random.nextInt(1_800) / 10.0 - 90);
      default -> {
        int digits = 1 + random.nextInt(field.get("precision").intValue());
        out.writeBytes(new BigInteger(3 * digits, random).toByteArray());
      }
    }
  }

  private String letters(int count) {
    StringBuilder letters = new StringBuilder();
    for (int i = 0; i < count; i++) {
      letters.append((char) ('A' + random.nextInt(26)));
    }
    return letters.toString();
  }

  private String clean(int chars) {
    String[] pool = {"a", "Z", " ", "é", "\u00a0", "Ł", "\u20ac", "\ufffd", "\ud7ff", "\ue000", "\ufffe", "😀", "\u2028"};
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < chars; i++) {
      text.append(pool[random.nextInt(pool.length)]);
    }
    return text.toString();
  }

  private void spoiltField(JsonNode field, BinaryEncoder out, ByteArrayOutputStream bytes, long happened)
      throws IOException {
    switch (text(field.get("type"))) {
      case "boolean" -> bytes.write(random.nextInt(256));
      case "int", "date" -> spoiltNumber(field, out, bytes, Integer.MIN_VALUE, Integer.MAX_VALUE);
      case "timestamp" -> {
        if (random.nextInt(3) == 0) {
          out.writeLong(happened - 60_000_000 + random.nextInt(3) - 1);
        } else {
          spoiltNumber(field, out, bytes, Long.MIN_VALUE, Long.MAX_VALUE);
        }
      }
      case "double" -> out.writeDouble(spoiltDouble(field));
      case "decimal" -> out.writeBytes(spoiltDecimal(field.get("precision").intValue()));
      default -> out.writeBytes(spoiltText(field));
    }
  }

  private void spoiltNumber(JsonNode field, BinaryEncoder out, ByteArrayOutputStream bytes, long lowest, long highest)
      throws IOException {
    boolean isLong = highest == Long.MAX_VALUE;
    long least = field.get("least").longValue();
    long most = field.get("most").longValue();
    long[] values = {least, least - 1, most, most == highest ? most : most + 1, lowest, highest, 0, -1, random.nextLong()};
    long value = values[random.nextInt(values.length)];
    switch (random.nextInt(4)) {
      // Longer than it has to be, and with more bits than the type has.
      case 0 -> write(bytes, varint(isLong ? value : (int) value, isLong ? 10 : 5, random.nextInt(3) - 1));
      default -> {
        if (isLong) {
          out.writeLong(value);
        } else {
          out.writeInt((int) value);
        }
      }
    }
  }

  /** A number in so many bytes and a few more, with noise in the bits that no type has. */
  private byte[] varint(long value, int most, int more) {
    byte[] bytes = new byte[most + more];
    long zigzag = value << 1 ^ value >> 63;
    for (int i = 0; i < bytes.length; i++) {
      bytes[i] = (byte) (zigzag >>> Math.min(63, 7 * i) & 0x7f | 0x80);
    }
    bytes[bytes.length - 1] = (byte) (random.nextBoolean() ? bytes[bytes.length - 1] & 0x7f : random.nextInt(128));
    return bytes;
  }

  private double spoiltDouble(JsonNode field) {
    double least = field.get("least").doubleValue();
    double most = field.get("most").doubleValue();
    double[] values = {
      least, most, Math.nextDown(least), Math.nextUp(most), -0.0, Double.MIN_VALUE, Double.NaN,
      Double.longBitsToDouble(0xfff8_0000_0000_0001L), Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY,
      Double.longBitsToDouble(random.nextLong())
    };
    return values[random.nextInt(values.length)];
  }

  private byte[] spoiltDecimal(int precision) {
    BigInteger beyond = BigInteger.TEN.pow(precision);
    BigInteger[] values = {
      beyond, beyond.subtract(BigInteger.ONE), beyond.negate(), BigInteger.ONE.subtract(beyond), BigInteger.ZERO,
      BigInteger.ONE.negate(), BigInteger.valueOf(Long.MIN_VALUE), BigInteger.valueOf(Long.MAX_VALUE)
    };
    byte[] value = values[random.nextInt(values.length)].toByteArray();
    switch (random.nextInt(4)) {
      case 0:
        byte[] noise = new byte[random.nextInt(24)];
        random.nextBytes(noise);
        return noise;
      case 1:
        // Bytes before it that say nothing, and from the ninth on are not looked at.
        byte[] longer = new byte[value.length + 1 + random.nextInt(12)];
        Arrays.fill(longer, random.nextInt(3) == 0 ? (byte) 0x5a : (byte) (value[0] >> 7));
        System.arraycopy(value, 0, longer, longer.length - value.length, value.length);
        return longer;
      default:
        return value;
    }
  }

  private byte[] spoiltText(JsonNode field) {
    int[][] pieces = {
      {0xed, 0xa0, 0x80}, {0xed, 0xbf, 0xbf}, {0xed, 0x9f, 0xbf}, {0xc0, 0x80}, {0xc1, 0xbf}, {0xe0, 0x80, 0x80},
      {0xe0, 0xa0, 0x80}, {0xe0, 0x9f, 0xbf}, {0xf0, 0x80, 0x80, 0x80}, {0xf0, 0x8f, 0xbf, 0xbf},
      {0xf0, 0x90, 0x80, 0x80}, {0xf4, 0x8f, 0xbf, 0xbf}, {0xf4, 0x90, 0x80, 0x80}, {0xf5, 0x80, 0x80, 0x80},
      {0xe2, 0x82}, {0xf0, 0x9f, 0x98}, {0xc3}, {0x80}, {0xbf}, {0xff}, {0xfe}, {0xc2, 0x80}, {0xc2, 0x9f},
      {0xc2, 0xa0}, {0x7f}, {0}, {0x1f}, {0x0a}, {0x20}, {0x2c}, {0xef, 0xbb, 0xbf}, {0xef, 0xbf, 0xbe},
      {random.nextInt(256)}, {random.nextInt(256), random.nextInt(256), random.nextInt(256)}
    };
    int[] piece = pieces[random.nextInt(pieces.length)];
    byte[] whole = wholeText(field).getBytes(StandardCharsets.UTF_8);
    switch (random.nextInt(7)) {
      case 0:
        return Arrays.copyOf(whole, random.nextInt(whole.length + 1));
      case 1:
        return new String(whole, StandardCharsets.UTF_8).toUpperCase().getBytes(StandardCharsets.UTF_8);
      case 2:
        JsonNode most = field.get("max_chars");
        int chars = (most == null ? 36 : most.intValue()) + random.nextInt(3) - 1;
        return (random.nextBoolean() ? "x".repeat(chars) : clean(chars)).getBytes(StandardCharsets.UTF_8);
      case 3:
        JsonNode not = field.get("not");
        return (not == null ? "unknown" : text(not)).getBytes(StandardCharsets.UTF_8);
      default:
        int at = random.nextInt(3) == 0 ? whole.length : random.nextInt(whole.length + 1);
        int cut = random.nextBoolean() ? at : Math.min(whole.length, at + piece.length);
        ByteBuffer text = ByteBuffer.allocate(whole.length + piece.length - (cut - at)).put(whole, 0, at);
        for (int each : piece) {
          text.put((byte) each);
        }
        return text.put(whole, cut, whole.length - cut).array();
    }
  }

  private String wholeText(JsonNode field) {
    return switch (text(field.get("type"))) {
      case "uuid" -> new UUID(random.nextLong(), random.nextLong()).toString();
      case "words" -> text(field.get("words").get(random.nextInt(field.get("words").size())));
      case "letters" -> letters(field.get("count").intValue());
      default -> clean(1 + random.nextInt(20));
    };
  }
}
