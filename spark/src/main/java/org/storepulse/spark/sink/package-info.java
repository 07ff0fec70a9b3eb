/**
 * The upsert sink: one query, streaming or batch, into several Cassandra tables with a write time per row.
 *
 * <p>Delivery is at least once; a batch that fails is written again as a whole. It converges because every
 * row has a deterministic key and carries its own write time: of two writes to one row the higher write time
 * stays, in any order and however often either is repeated.
 *
 * <p>{@link org.storepulse.spark.sink.UpsertSink} is where to start reading.
 */
package org.storepulse.spark.sink;
