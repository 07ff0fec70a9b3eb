package org.storepulse.spark.judge;

import static org.apache.spark.sql.functions.callUDF;
import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.expr;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.when;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.avro.functions;

/** The two ways to judge records, each as {@code jobs::checked} plans it, from what that crate rendered. */
final class BySql {
  private final JsonNode json;
  private final String rules;
  private final String refusal;
  private final String schema;

  BySql() throws IOException {
    Path resources = Path.of("src/test/resources/judge");
    rules = Files.readString(resources.resolve("rules.json")).strip();
    refusal = Files.readString(resources.resolve("refusal.sql")).strip();
    schema = Files.readString(Path.of("../contracts/avro/shop.events.avsc"));
    json = new ObjectMapper().readTree(rules);
  }

  JsonNode rules() {
    return json;
  }

  String text() {
    return rules;
  }

  /** Records with {@code decoded} and {@code refused}, by the function. */
  Dataset<Row> byFunction(Dataset<Row> records) {
    Column judged = callUDF(Judged.NAME, col("value"), col("headers"), lit(rules));
    return records
        .withColumn("decoded", once(judged))
        .withColumn("refused", col("decoded.reason"));
  }

  /** The same by {@code from_avro} and conditions. */
  Dataset<Row> bySql(Dataset<Row> records) {
    Map<String, String> options = Map.of("mode", "PERMISSIVE", "datetimeRebaseMode", "CORRECTED");
    return records
        .withColumn("decoded", once(functions.from_avro(expr("substring(value, 6)"), schema, options)))
        .withColumn("refused", once(expr(refusal)));
  }

  /** As {@code jobs::checked::once}. */
  private static Column once(Column column) {
    return when(expr("spark_partition_id() >= 0"), column);
  }

  /** The offset, the reason, and every field of what is not refused. */
  Dataset<Row> whole(Dataset<Row> judged) {
    List<Column> columns = new ArrayList<>(List.of(col("offset"), col("refused")));
    for (JsonNode field : json.get("fields")) {
      String name = field.get("name").textValue();
      columns.add(when(col("refused").isNull(), col("decoded." + name)).as(name));
    }
    return judged.select(columns.toArray(Column[]::new));
  }

  /** The fields of what is not refused, as {@code jobs::checked::events} selects them. */
  Dataset<Row> events(Dataset<Row> judged) {
    List<Column> columns = new ArrayList<>();
    for (JsonNode field : json.get("fields")) {
      String name = field.get("name").textValue();
      columns.add(col("decoded." + name).as(name));
    }
    return judged.filter("refused is null").select(columns.toArray(Column[]::new));
  }
}
