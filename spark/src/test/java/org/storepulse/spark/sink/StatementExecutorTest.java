package org.storepulse.spark.sink;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.datastax.oss.driver.api.core.DriverTimeoutException;
import com.datastax.oss.driver.api.core.NoNodeAvailableException;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class StatementExecutorTest {
  @Test
  void sendsAgainUntilItSucceeds() throws IOException {
    AtomicInteger sent = new AtomicInteger();
    StatementExecutor<String> executor =
        new StatementExecutor<>(
            statement ->
                sent.incrementAndGet() < 4
                    ? CompletableFuture.failedFuture(new DriverTimeoutException("no answer"))
                    : CompletableFuture.completedFuture(statement),
            2,
            3,
            20_000);
    executor.submit("a");
    executor.finish();
    assertEquals(4, sent.get());
  }

  @Test
  void givesUpAfterTheRetries() throws IOException {
    AtomicInteger sent = new AtomicInteger();
    StatementExecutor<String> executor =
        new StatementExecutor<>(
            statement -> {
              sent.incrementAndGet();
              return CompletableFuture.failedFuture(new NoNodeAvailableException());
            },
            2,
            2,
            20_000);
    executor.submit("a");
    String message = assertThrows(IOException.class, executor::finish).getMessage();
    assertTrue(message.contains("NoNodeAvailable") && message.contains("again 2 times"), message);
    assertEquals(3, sent.get());
  }

  @Test
  void whatCannotSucceedIsNotSentAgainAndNothingAfterIt() {
    AtomicInteger sent = new AtomicInteger();
    StatementExecutor<String> executor =
        new StatementExecutor<>(
            statement -> {
              sent.incrementAndGet();
              throw new IllegalStateException("unconfigured table");
            },
            2,
            10,
            20_000);
    assertThrows(
        IOException.class,
        () -> {
          executor.submit("a");
          executor.submit("b");
        });
    assertThrows(IOException.class, executor::finish);
    assertEquals(1, sent.get());
  }

  @Test
  void aSilentNodeEndsTheWrite() throws IOException {
    StatementExecutor<String> executor = new StatementExecutor<>(statement -> new CompletableFuture<>(), 1, 10, 50);
    executor.submit("a");
    String message = assertThrows(IOException.class, () -> executor.submit("b")).getMessage();
    assertTrue(message.contains("acknowledged nothing for 50 ms"), message);
    assertThrows(IOException.class, executor::finish);
  }

  @Test
  void keepsToItsConcurrencyAndWaitsForAll() throws Exception {
    List<CompletableFuture<Void>> answers = new CopyOnWriteArrayList<>();
    StatementExecutor<String> executor =
        new StatementExecutor<>(
            statement -> {
              CompletableFuture<Void> answer = new CompletableFuture<>();
              answers.add(answer);
              return answer;
            },
            2,
            0,
            20_000);
    executor.submit("a");
    executor.submit("b");
    CompletableFuture<Void> third =
        CompletableFuture.runAsync(
            () -> {
              try {
                executor.submit("c");
                executor.finish();
              } catch (IOException e) {
                throw new IllegalStateException(e);
              }
            });
    assertEquals(2, answers.size());
    answers.get(0).complete(null);
    answers.get(1).complete(null);
    while (answers.size() < 3) {
      Thread.onSpinWait();
    }
    assertEquals(false, third.isDone());
    answers.get(2).complete(null);
    third.get();
  }

  @Test
  void backsOffLongerEachTimeUpToABound() {
    for (int earlier = 0; earlier < 100; earlier++) {
      long full = Math.min(5_000, 50L << Math.min(earlier, 16));
      long backOff = StatementExecutor.backOffMs(earlier);
      assertTrue(backOff >= full / 2 && backOff <= full, earlier + ": " + backOff);
    }
  }
}
