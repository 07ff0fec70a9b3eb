package org.storepulse.spark.pace;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.expressions.BoundReference;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.GenericInternalRow;
import org.apache.spark.sql.catalyst.expressions.InterpretedUnsafeProjection;
import org.apache.spark.sql.catalyst.expressions.UnsafeProjection;
import org.apache.spark.sql.catalyst.expressions.codegen.GenerateUnsafeProjection;
import org.apache.spark.sql.execution.streaming.LongOffset;
import org.apache.spark.sql.types.Decimal;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.unsafe.types.UTF8String;
import org.junit.jupiter.api.Test;
import scala.collection.JavaConverters;
import scala.collection.Seq;

class CodeGenerationTest {
  private static final StructType COLUMNS =
      StructType.fromDDL(
          "w struct<start: timestamp, end: timestamp>, a string, b string, i int, l bigint, s smallint, x boolean,"
              + " d double, money decimal(14,2), wide decimal(38,10), bytes binary, day date,"
              + " visit struct<id: string, money: decimal(30,2), at: timestamp>");

  /**
   * State is found by the bytes of its key: a batch must find what another one wrote, whichever way either
   * ran.
   */
  @Test
  void rowsAreTheSameBytesGeneratedAndInterpreted() {
    List<Expression> references = new ArrayList<>();
    for (StructField field : COLUMNS.fields()) {
      references.add(new BoundReference(references.size(), field.dataType(), true));
    }
    Seq<Expression> expressions = JavaConverters.asScalaBuffer(references).toSeq();
    UnsafeProjection generated = GenerateUnsafeProjection.generate(expressions, false);
    UnsafeProjection interpreted = InterpretedUnsafeProjection.createProjection(expressions);
    Random random = new Random(11);
    for (int row = 0; row < 50_000; row++) {
      InternalRow values = row(COLUMNS, random);
      byte[] bytes = generated.apply(values).copy().getBytes();
      int number = row;
      assertArrayEquals(bytes, interpreted.apply(values).copy().getBytes(), () -> "row " + number + ": " + values);
    }
  }

  @Test
  void recordsAreCountedOverAllPartitions() {
    assertEquals(7, CodeGeneration.records(new LongOffset(3), new LongOffset(10)));
    assertEquals(10, CodeGeneration.records(null, new LongOffset(10)));
    assertEquals(
        11,
        CodeGeneration.records(
            new Text("{\"shop.events\":{\"0\":5,\"1\":9}}"), new Text("{\"shop.events\":{\"0\":12,\"1\":13}}")));
  }

  private static InternalRow row(StructType type, Random random) {
    Object[] values = new Object[type.length()];
    for (int i = 0; i < values.length; i++) {
      values[i] = random.nextInt(4) == 0 ? null : value(type.fields()[i], random);
    }
    return new GenericInternalRow(values);
  }

  private static Object value(StructField field, Random random) {
    if (field.dataType() instanceof StructType inner) {
      return row(inner, random);
    }
    return switch (field.dataType().sql()) {
      case "STRING" -> UTF8String.fromString("é".repeat(random.nextInt(12)) + random.nextInt(100));
      case "INT", "DATE" -> random.nextInt();
      case "BIGINT", "TIMESTAMP" -> random.nextLong();
      case "SMALLINT" -> (short) random.nextInt();
      case "BOOLEAN" -> random.nextBoolean();
      case "DOUBLE" -> random.nextGaussian();
      case "BINARY" -> bytes(random);
      case "DECIMAL(14,2)" -> decimal(new BigInteger(40, random), 14, 2);
      case "DECIMAL(30,2)" -> decimal(new BigInteger(90, random), 30, 2);
      case "DECIMAL(38,10)" -> decimal(new BigInteger(random.nextInt(120), random).negate(), 38, 10);
      default -> throw new IllegalArgumentException(field.dataType().sql());
    };
  }

  private static Decimal decimal(BigInteger unscaled, int precision, int scale) {
    return Decimal.apply(new BigDecimal(unscaled, scale), precision, scale);
  }

  private static byte[] bytes(Random random) {
    byte[] bytes = new byte[random.nextInt(20)];
    random.nextBytes(bytes);
    return bytes;
  }

  private static final class Text extends org.apache.spark.sql.connector.read.streaming.Offset {
    private final String json;

    Text(String json) {
      this.json = json;
    }

    @Override
    public String json() {
      return json;
    }
  }
}
