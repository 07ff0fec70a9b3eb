package org.storepulse.spark.sink;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.concurrent.locks.LockSupport;

/**
 * The places between two steps of a commit where a test can let the process die, or hold it until the test
 * has killed another one.
 *
 * <p>The environment variable {@value #ENVIRONMENT_VARIABLE} names a file; only a stack that belongs to a
 * test sets it. Without it a place costs one comparison. With it, the file arms one place: {@code <place>}
 * halts the process as {@code kill -9} would, {@code <place>:hold} holds the thread for as long as
 * {@code <file>.reached} is there. Whoever reaches the place first takes the file by renaming it to that
 * name, so that one arming has one victim and the process that is started instead does not die as well.
 */
enum Failpoint {
  /** Driver: the micro-batch is planned and none of its tasks runs yet. */
  BEFORE_TASKS("sink-before-tasks"),
  /** Executor: the task has handed over all its rows, and no table is finished. */
  BEFORE_FINISH("sink-before-finish"),
  /** Executor: one table has every row of the task, and the next is not finished. */
  BETWEEN_TABLES("sink-between-tables"),
  /** Executor: every table is finished, and the driver does not know. */
  AFTER_FINISH("sink-after-finish"),
  /** Driver: every task has committed, and the driver has not. */
  BEFORE_DRIVER_COMMIT("sink-before-driver-commit"),
  /** Driver: the sink is done, and the batch is not in the checkpoint's commit log. */
  AFTER_DRIVER_COMMIT("sink-after-driver-commit");

  /** Names the file that arms a place. */
  static final String ENVIRONMENT_VARIABLE = "STOREPULSE_FAILPOINT_FILE";

  /** What a process killed by SIGKILL leaves as its status. */
  static final int HALTED = 137;

  private static final String HOLD = ":hold";
  private static final Path FILE = fromEnvironment();

  private final String place;

  Failpoint(String place) {
    this.place = place;
  }

  /** Dies or waits here when this place is armed. */
  void reach() {
    if (FILE != null) {
      reach(FILE, () -> Runtime.getRuntime().halt(HALTED));
    }
  }

  void reach(Path file, Runnable halt) {
    try {
      String armed = Files.readString(file).trim();
      boolean hold = armed.equals(place + HOLD);
      if (!hold && !armed.equals(place)) {
        return;
      }
      Path reached = file.resolveSibling(file.getFileName() + ".reached");
      Files.move(file, reached, StandardCopyOption.ATOMIC_MOVE);
      if (!hold) {
        halt.run();
      }
      while (hold && Files.exists(reached)) {
        LockSupport.parkNanos(10_000_000);
      }
    } catch (NoSuchFileException e) {
      // Nothing is armed, or another thread was there first.
    } catch (IOException e) {
      throw new IllegalStateException("the file of failpoints cannot be used: " + file, e);
    }
  }

  private static Path fromEnvironment() {
    String file = System.getenv(ENVIRONMENT_VARIABLE);
    return file == null || file.isBlank() ? null : Path.of(file);
  }
}
