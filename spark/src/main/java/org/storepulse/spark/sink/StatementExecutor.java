package org.storepulse.spark.sink;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Semaphore;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;

/**
 * Sends statements with a bound on how many are under way, how often each is sent again, and how long nothing
 * may be acknowledged.
 *
 * <p>It stands where the connector has an executor that sends again for ever, and at once, when no node is
 * there. After the first failure that is not overcome nothing more is sent: the batch will be written again
 * as a whole.
 */
final class StatementExecutor<S> {
  private static final long FIRST_BACK_OFF_MS = 50;
  private static final long MAX_BACK_OFF_MS = 5_000;

  private final Function<S, CompletionStage<?>> send;
  private final int concurrency;
  private final int retries;
  private final long timeoutMs;
  private final Semaphore permits;
  private final AtomicReference<IOException> failure = new AtomicReference<>();

  StatementExecutor(Function<S, CompletionStage<?>> send, int concurrency, int retries, long timeoutMs) {
    this.send = send;
    this.concurrency = concurrency;
    this.retries = retries;
    this.timeoutMs = timeoutMs;
    this.permits = new Semaphore(concurrency);
  }

  /** Sends a statement, waiting while too many are under way. */
  void submit(S statement) throws IOException {
    acquire();
    attempt(statement, 0);
  }

  /** Returns when every statement is acknowledged. */
  void finish() throws IOException {
    for (int i = 0; i < concurrency; i++) {
      acquire();
    }
    throwIfFailed();
  }

  /** Nothing is sent again from here on. */
  void cancel() {
    failure.compareAndSet(null, new IOException("the write was cancelled"));
  }

  private void acquire() throws IOException {
    throwIfFailed();
    try {
      if (!permits.tryAcquire(timeoutMs, TimeUnit.MILLISECONDS)) {
        failure.compareAndSet(
            null,
            new IOException(
                "cassandra acknowledged nothing for "
                    + timeoutMs
                    + " ms: see that it runs, or raise "
                    + SinkOptions.WRITE_TIMEOUT_MS));
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("interrupted while waiting for cassandra");
    }
    throwIfFailed();
  }

  private void throwIfFailed() throws IOException {
    IOException failed = failure.get();
    if (failed != null) {
      throw failed;
    }
  }

  private void attempt(S statement, int earlier) {
    if (failure.get() != null) {
      permits.release();
      return;
    }
    CompletionStage<?> answer;
    try {
      answer = send.apply(statement);
    } catch (RuntimeException e) {
      answer = CompletableFuture.failedStage(e);
    }
    answer.whenComplete(
        (ignored, error) -> {
          if (error == null) {
            permits.release();
          } else if (failure.get() == null && earlier < retries && TransientErrors.test(error)) {
            CompletableFuture.delayedExecutor(backOffMs(earlier), TimeUnit.MILLISECONDS)
                .execute(() -> attempt(statement, earlier + 1));
          } else {
            Throwable cause = error instanceof CompletionException && error.getCause() != null ? error.getCause() : error;
            failure.compareAndSet(
                null,
                new IOException(
                    cause.getClass().getSimpleName()
                        + ": "
                        + cause.getMessage()
                        + (earlier == 0 ? "" : " (sent again " + earlier + " times, the option " + SinkOptions.RETRIES + ")"),
                    cause));
            permits.release();
          }
        });
  }

  /** Doubles with every attempt; between half of it and all, so that tasks do not come back together. */
  static long backOffMs(int earlier) {
    long full = Math.min(MAX_BACK_OFF_MS, FIRST_BACK_OFF_MS << Math.min(earlier, 16));
    return full / 2 + ThreadLocalRandom.current().nextLong(full / 2 + 1);
  }
}
