package org.storepulse.spark.judge;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.unsafe.types.UTF8String;

/**
 * Reads the rules that come with a plan. In JSON: {@code schema_id}; {@code header} with {@code key} and
 * {@code value}; {@code reasons}, the names of {@link Judge.Reasons}; {@code ahead} with the names {@code
 * happened} and {@code received} of two fields and {@code most_us}; {@code fields} in the schema's order,
 * each with {@code name}, {@code nullable}, {@code type} and what that type needs. A rule that is not known
 * is an error: it must not go unjudged.
 */
final class JudgeRules {
  private static final ObjectMapper JSON = new ObjectMapper();

  private JudgeRules() {}

  static Judge read(String text) {
    try {
      JsonNode rules = JSON.readTree(text);
      only(rules, "schema_id", "header", "reasons", "ahead", "fields");
      Field[] fields = fields(rules.required("fields"));
      return new Judge(envelope(rules), fields, ahead(rules.required("ahead"), fields), reasons(rules.required("reasons")));
    } catch (JsonProcessingException e) {
      throw new IllegalArgumentException("the rules are no JSON", e);
    }
  }

  private static Judge.Envelope envelope(JsonNode rules) {
    JsonNode header = rules.required("header");
    only(header, "key", "value");
    return new Judge.Envelope(
        (int) whole(rules, "schema_id"),
        UTF8String.fromString(text(header, "key")),
        text(header, "value").getBytes(StandardCharsets.UTF_8));
  }

  private static Judge.Ahead ahead(JsonNode ahead, Field[] fields) {
    only(ahead, "happened", "received", "most_us");
    return new Judge.Ahead(
        instant(fields, text(ahead, "happened")), instant(fields, text(ahead, "received")), whole(ahead, "most_us"));
  }

  private static int instant(Field[] fields, String name) {
    for (int i = 0; i < fields.length; i++) {
      if (fields[i].name().equals(name) && fields[i] instanceof NumberFields.Instant && !fields[i].nullable()) {
        return i;
      }
    }
    throw new IllegalArgumentException("no instant that is always there is called " + name);
  }

  private static Judge.Reasons reasons(JsonNode reasons) {
    only(reasons, "magic", "schema", "generation", "undecodable", "range", "future");
    return new Judge.Reasons(
        text(reasons, "magic"),
        text(reasons, "schema"),
        text(reasons, "generation"),
        text(reasons, "undecodable"),
        text(reasons, "range"),
        text(reasons, "future"));
  }

  private static Field[] fields(JsonNode list) {
    List<Field> fields = new ArrayList<>();
    list.forEach(field -> fields.add(field(field)));
    return fields.toArray(Field[]::new);
  }

  private static Field field(JsonNode field) {
    String name = text(field, "name");
    boolean nullable = field.required("nullable").booleanValue();
    String type = text(field, "type");
    return switch (type) {
      case "uuid" -> {
        only(field, "name", "nullable", "type");
        yield new TextFields.Uuid(name, nullable);
      }
      case "words" -> {
        only(field, "name", "nullable", "type", "words");
        List<String> words = new ArrayList<>();
        field.required("words").forEach(word -> words.add(word.textValue()));
        yield new TextFields.Words(name, nullable, words);
      }
      case "letters" -> {
        only(field, "name", "nullable", "type", "count");
        yield new TextFields.Letters(name, nullable, (int) whole(field, "count"));
      }
      case "text" -> {
        only(field, "name", "nullable", "type", "max_chars", "not");
        yield new TextFields.Free(name, nullable, (int) whole(field, "max_chars"), text(field, "not"));
      }
      case "boolean" -> {
        only(field, "name", "nullable", "type");
        yield new NumberFields.Bool(name, nullable);
      }
      case "int", "date" -> {
        only(field, "name", "nullable", "type", "least", "most");
        var spark = type.equals("int") ? DataTypes.IntegerType : DataTypes.DateType;
        yield new NumberFields.Int(name, spark, nullable, whole(field, "least"), whole(field, "most"));
      }
      case "timestamp" -> {
        only(field, "name", "nullable", "type", "least", "most");
        yield new NumberFields.Instant(name, nullable, whole(field, "least"), whole(field, "most"));
      }
      case "double" -> {
        only(field, "name", "nullable", "type", "least", "most");
        yield new NumberFields.Real(name, nullable, whole(field, "least"), whole(field, "most"));
      }
      case "decimal" -> {
        only(field, "name", "nullable", "type", "precision", "scale", "least");
        int precision = (int) whole(field, "precision");
        yield new NumberFields.Decimal(name, nullable, precision, (int) whole(field, "scale"), whole(field, "least"));
      }
      default -> throw new IllegalArgumentException("field " + name + " has the unknown type " + type);
    };
  }

  private static void only(JsonNode node, String... known) {
    Set<String> names = new HashSet<>(List.of(known));
    node.fieldNames().forEachRemaining(name -> {
      if (!names.remove(name)) {
        throw new IllegalArgumentException("the rules have " + name + ", which this jar does not know");
      }
    });
    if (!names.isEmpty()) {
      throw new IllegalArgumentException("the rules lack " + names);
    }
  }

  private static String text(JsonNode node, String name) {
    JsonNode value = node.required(name);
    if (!value.isTextual()) {
      throw new IllegalArgumentException(name + " is no text: " + value);
    }
    return value.textValue();
  }

  private static long whole(JsonNode node, String name) {
    JsonNode value = node.required(name);
    if (!value.canConvertToExactIntegral() || !value.canConvertToLong()) {
      throw new IllegalArgumentException(name + " is no whole number: " + value);
    }
    return value.longValue();
  }
}
