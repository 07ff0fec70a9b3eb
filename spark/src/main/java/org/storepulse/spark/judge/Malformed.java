package org.storepulse.spark.judge;

/**
 * The bytes are no Avro of the schema. There is one, without a stack: whole topics may be of such records.
 */
final class Malformed extends Exception {
  private static final long serialVersionUID = 1;

  static final Malformed BODY = new Malformed();

  private Malformed() {
    super("not avro of this schema", null, false, false);
  }
}
