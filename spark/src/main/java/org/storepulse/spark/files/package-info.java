/**
 * How Spark reaches the checkpoint's files where the checkpoint is on a local disk.
 *
 * <p>Hadoop without its native library, which is not on Maven Central, starts a process for each permission
 * it sets ({@code chmod}) and for each file it looks at before a rename ({@code readlink}): over forty a
 * micro-batch of two partitions, measured at about half of its time on two cores. The classes here do the
 * same by system calls of Java's own. Checkpoints on any other file system never come here.
 */
package org.storepulse.spark.files;
