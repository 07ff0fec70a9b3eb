/**
 * How much a micro-batch reads, and how far it is.
 *
 * <p>Spark fixes the size of a Kafka source's micro-batches when the query starts.
 * {@link org.storepulse.spark.pace.PacedKafka} is that source with a size that follows what the batches
 * before took, and with queries that wait while the one that leads them has fallen behind.
 * {@link org.storepulse.spark.pace.FinishedTasks} tells how many tasks of each query have finished, so that
 * somebody outside can tell a long batch from one that is stuck. Both learn from
 * {@link org.storepulse.spark.pace.QueryWatch}, a listener of the Spark context.
 */
package org.storepulse.spark.pace;
