package org.storepulse.spark;

import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerApplicationEnd;
import org.apache.spark.util.ShutdownHookManager$;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Ends the Connect server with its Spark context.
 *
 * <p>A context may end while the server lives: the standalone master drops an application after ten executors
 * that failed in a row. Connect 3.5 then goes on answering, and every call fails. Named in
 * {@code spark.extraListeners}, this listener ends the process, so that whoever keeps it running starts
 * another.
 */
public final class ContextEnd extends SparkListener {
  /** What the process ends with: not a crash of the JVM, and not an end that was asked for. */
  public static final int STATUS = 70;

  /** An end in good order runs hooks, which may wait for what is gone. */
  private static final long PATIENCE_MS = 20_000;

  private static final Logger LOG = LoggerFactory.getLogger(ContextEnd.class);

  private final Runnable end;

  /** Called by Spark. */
  public ContextEnd() {
    this(ContextEnd::endProcess);
  }

  ContextEnd(Runnable end) {
    this.end = end;
  }

  @Override
  public void onApplicationEnd(SparkListenerApplicationEnd event) {
    // A process that was asked to end stops its context by itself.
    if (!ShutdownHookManager$.MODULE$.inShutdown()) {
      LOG.error("the spark context has ended, and this server ends with it: the lines before tell why");
      end.run();
    }
  }

  private static void endProcess() {
    // Not from Spark's own thread: the hooks wait for it.
    daemon("storepulse-context-end", () -> System.exit(STATUS));
    daemon("storepulse-context-end-late", ContextEnd::haltLater);
  }

  private static void haltLater() {
    try {
      Thread.sleep(PATIENCE_MS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    Runtime.getRuntime().halt(STATUS);
  }

  private static void daemon(String name, Runnable work) {
    Thread thread = new Thread(work, name);
    thread.setDaemon(true);
    thread.start();
  }
}
