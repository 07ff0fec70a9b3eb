/**
 * Decodes and judges a Kafka record in one pass over its bytes: the SQL function {@code storepulse_judged}.
 *
 * <p>{@link org.storepulse.spark.judge.JudgeExtensions} registers it in every session of a Spark that has
 * this jar. {@link org.storepulse.spark.judge.Judged} is the expression,
 * {@link org.storepulse.spark.judge.Judge} what it calls for each record. What a record is made of, and what
 * its fields may hold, comes with the plan; nothing of a shop's schema stands here. The meaning is that of
 * {@code from_avro} and conditions in SQL, which tests compare it with.
 */
package org.storepulse.spark.judge;
