package org.storepulse.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.sparkproject.connect.grpc.ManagedChannel;
import org.sparkproject.connect.grpc.Status;
import org.sparkproject.connect.grpc.StatusRuntimeException;

/**
 * The Spark Connect server at {@code -Dconnect.port=} on this machine, which nobody may use who does not
 * belong there.
 */
@EnabledIfSystemProperty(named = "connect.port", matches = "[0-9]+")
class ConnectDoorTest {
  private static final int PORT = Integer.getInteger("connect.port", 0);

  @Test
  void anotherAddressIsRefusedBeforeItsSecretIsLookedAt() {
    assertEquals(Status.Code.PERMISSION_DENIED, refusal("127.0.0.2"));
  }

  @Test
  void anAllowedAddressIsAskedForTheSecret() {
    assertEquals(Status.Code.UNAUTHENTICATED, refusal("127.0.0.1"));
  }

  private static Status.Code refusal(String from) {
    ManagedChannel channel = Callers.channel(PORT, from);
    try {
      return assertThrows(
              StatusRuntimeException.class,
              () -> Callers.call(channel, "spark.connect.SparkConnectService/AnalyzePlan", new byte[0]))
          .getStatus()
          .getCode();
    } finally {
      channel.shutdownNow();
    }
  }
}
