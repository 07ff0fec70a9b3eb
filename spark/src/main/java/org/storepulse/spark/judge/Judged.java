package org.storepulse.spark.judge;

import java.io.Serializable;
import java.util.List;
import java.util.Objects;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.analysis.TypeCheckResult;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.Literal;
import org.apache.spark.sql.catalyst.expressions.codegen.Block;
import org.apache.spark.sql.catalyst.expressions.codegen.CodeBlock;
import org.apache.spark.sql.catalyst.expressions.codegen.CodegenContext;
import org.apache.spark.sql.catalyst.expressions.codegen.ExprCode;
import org.apache.spark.sql.catalyst.expressions.codegen.FalseLiteral$;
import org.apache.spark.sql.catalyst.expressions.codegen.JavaCode;
import org.apache.spark.sql.catalyst.util.ArrayData;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.unsafe.types.UTF8String;
import scala.collection.IndexedSeq;
import scala.collection.JavaConverters;
import scala.collection.Seq;

/**
 * {@code storepulse_judged(value, headers, rules)}: a Kafka record's fields, and why it is refused.
 *
 * <p>The result is a struct of {@code reason}, null where the record is good, and of the fields that
 * {@code rules} names, all null where it is not. {@code rules} is a constant, the JSON that
 * {@link JudgeRules} reads.
 */
public final class Judged extends Expression implements Serializable {
  private static final long serialVersionUID = 1;

  static final String NAME = "storepulse_judged";

  private final Expression value;
  private final Expression headers;
  private final String rules;
  private transient Judge judge;

  /** Public, and in the order of {@link #productElement}: Spark copies expressions by reflection. */
  public Judged(Expression value, Expression headers, String rules) {
    this.value = Objects.requireNonNull(value);
    this.headers = Objects.requireNonNull(headers);
    this.rules = Objects.requireNonNull(rules);
  }

  static Judged of(Seq<Expression> arguments) {
    if (arguments.size() != 3) {
      throw new IllegalArgumentException(NAME + " takes value, headers and rules, not " + arguments.size() + " words");
    }
    if (!(arguments.apply(2) instanceof Literal literal && literal.value() instanceof UTF8String rules)) {
      throw new IllegalArgumentException(NAME + ": the rules are a constant string");
    }
    Judged judged = new Judged(arguments.apply(0), arguments.apply(1), rules.toString());
    // Rules that cannot be read end the analysis and no task.
    judged.judge();
    return judged;
  }

  private Judge judge() {
    // Two tasks of one process may both make one: they are equal.
    if (judge == null) {
      judge = JudgeRules.read(rules);
    }
    return judge;
  }

  @Override
  public DataType dataType() {
    return judge().type();
  }

  @Override
  public boolean nullable() {
    return false;
  }

  @Override
  public TypeCheckResult checkInputDataTypes() {
    boolean good = value.dataType().equals(DataTypes.BinaryType) && isHeaders(headers.dataType());
    if (good) {
      return TypeCheckResult.TypeCheckSuccess$.MODULE$;
    }
    return new TypeCheckResult.TypeCheckFailure(
        NAME
            + " takes a binary value and headers of array<struct<key: string, value: binary>>, not "
            + value.dataType().catalogString()
            + " and "
            + headers.dataType().catalogString());
  }

  private static boolean isHeaders(DataType type) {
    return type instanceof ArrayType array
        && array.elementType() instanceof StructType header
        && header.length() == 2
        && header.fields()[0].dataType().equals(DataTypes.StringType)
        && header.fields()[1].dataType().equals(DataTypes.BinaryType);
  }

  @Override
  public Object eval(InternalRow input) {
    return judge().judge((byte[]) value.eval(input), (ArrayData) headers.eval(input));
  }

  @Override
  public ExprCode doGenCode(CodegenContext context, ExprCode result) {
    ExprCode value = this.value.genCode(context);
    ExprCode headers = this.headers.genCode(context);
    String judge = context.addReferenceObj("judge", judge(), Judge.class.getName());
    List<String> text =
        List.of(InternalRow.class.getName() + " ", " = " + judge + ".judge(", " ? null : ", ", ", " ? null : ", ");");
    List<JavaCode> names =
        List.of(result.value(), value.isNull(), value.value(), headers.isNull(), headers.value());
    Block call = new CodeBlock(seq(text), seq(names));
    Block code = value.code().$plus(headers.code()).$plus(call);
    return result.copy(code, FalseLiteral$.MODULE$, result.value());
  }

  private static <T> Seq<T> seq(List<T> list) {
    return JavaConverters.asScalaBuffer(list).toList();
  }

  @Override
  public Seq<Expression> children() {
    return seq(List.of(value, headers));
  }

  @Override
  public Expression withNewChildrenInternal(IndexedSeq<Expression> children) {
    Judged copy = new Judged(children.apply(0), children.apply(1), rules);
    // The optimizer makes dozens of copies a micro-batch.
    copy.judge = judge;
    return copy;
  }

  @Override
  public String prettyName() {
    return NAME;
  }

  @Override
  public String sql() {
    return toString();
  }

  /** Without the rules, which are long and the same in every plan. */
  @Override
  public String toString() {
    return NAME + "(" + value + ", " + headers + ")";
  }

  @Override
  public int productArity() {
    return 3;
  }

  @Override
  public Object productElement(int n) {
    return switch (n) {
      case 0 -> value;
      case 1 -> headers;
      case 2 -> rules;
      default -> throw new IndexOutOfBoundsException(n);
    };
  }

  @Override
  public boolean canEqual(Object other) {
    return other instanceof Judged;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Judged that
        && value.equals(that.value)
        && headers.equals(that.headers)
        && rules.equals(that.rules);
  }

  @Override
  public int hashCode() {
    return Objects.hash(value, headers, rules);
  }
}
