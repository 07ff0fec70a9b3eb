/**
 * An archive of classes, which Spark's JVMs map into memory: to read the same classes from their jars and to
 * check them takes half of a start.
 */
package org.storepulse.spark.archive;
