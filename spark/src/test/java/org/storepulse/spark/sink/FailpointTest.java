package org.storepulse.spark.sink;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(30)
class FailpointTest {
  @TempDir Path folder;

  private final AtomicInteger halts = new AtomicInteger();

  @Test
  void withoutTheVariableNothingIsArmed() {
    assertNull(System.getenv(Failpoint.ENVIRONMENT_VARIABLE));
    for (Failpoint place : Failpoint.values()) {
      place.reach();
    }
  }

  @Test
  void theArmedPlaceHaltsOneProcessOnce() throws Exception {
    Path file = Files.writeString(folder.resolve("failpoint"), "sink-between-tables\n");
    reach(Failpoint.BEFORE_FINISH, file);
    assertEquals(0, halts.get());
    reach(Failpoint.BETWEEN_TABLES, file);
    assertEquals(1, halts.get());
    assertTrue(Files.exists(folder.resolve("failpoint.reached")));
    reach(Failpoint.BETWEEN_TABLES, file);
    assertEquals(1, halts.get(), "the process that is started instead goes on");
  }

  @Test
  void aHeldThreadGoesOnWhenItIsLetGo() throws Exception {
    Path file = Files.writeString(folder.resolve("failpoint"), "sink-before-finish:hold");
    Path reached = folder.resolve("failpoint.reached");
    CompletableFuture<Void> held = CompletableFuture.runAsync(() -> reach(Failpoint.BEFORE_FINISH, file));
    while (!Files.exists(reached)) {
      Thread.onSpinWait();
    }
    assertFalse(held.isDone());
    Files.delete(reached);
    held.get(10, TimeUnit.SECONDS);
    assertEquals(0, halts.get());
  }

  private void reach(Failpoint place, Path file) {
    place.reach(file, halts::incrementAndGet);
  }
}
