package org.storepulse.spark.sink;

import com.datastax.oss.driver.api.core.AllNodesFailedException;
import com.datastax.oss.driver.api.core.DriverTimeoutException;
import com.datastax.oss.driver.api.core.NodeUnavailableException;
import com.datastax.oss.driver.api.core.connection.BusyConnectionException;
import com.datastax.oss.driver.api.core.connection.ClosedConnectionException;
import com.datastax.oss.driver.api.core.connection.ConnectionInitException;
import com.datastax.oss.driver.api.core.connection.HeartbeatException;
import com.datastax.oss.driver.api.core.servererrors.BootstrappingException;
import com.datastax.oss.driver.api.core.servererrors.OverloadedException;
import com.datastax.oss.driver.api.core.servererrors.UnavailableException;
import com.datastax.oss.driver.api.core.servererrors.WriteTimeoutException;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.CompletionException;

/**
 * Which failures of a write may be gone at the next attempt. Sending again is always safe, since every write
 * carries its own time; this only keeps what can never succeed (a dropped table, a wrong type) from being
 * tried again.
 */
final class TransientErrors {
  private static final List<Class<? extends Throwable>> TRANSIENT =
      List.of(
          WriteTimeoutException.class,
          UnavailableException.class,
          OverloadedException.class,
          BootstrappingException.class,
          DriverTimeoutException.class,
          BusyConnectionException.class,
          ClosedConnectionException.class,
          ConnectionInitException.class,
          HeartbeatException.class,
          NodeUnavailableException.class);

  private TransientErrors() {}

  static boolean test(Throwable error) {
    if (error instanceof AllNodesFailedException all) {
      // Without any node's error: no node could be reached.
      return all.getAllErrors().values().stream().flatMap(List::stream).allMatch(TransientErrors::test);
    }
    if (TRANSIENT.stream().anyMatch(type -> type.isInstance(error))) {
      return true;
    }
    boolean wrapper = error instanceof CompletionException || error instanceof IOException;
    return wrapper && error.getCause() != null && test(error.getCause());
  }
}
