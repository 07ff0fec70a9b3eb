package org.storepulse.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.sparkproject.connect.grpc.Metadata;
import org.sparkproject.connect.grpc.MethodDescriptor;
import org.sparkproject.connect.grpc.ServerCall;
import org.sparkproject.connect.grpc.Status;

class SecretInterceptorTest {
  private static final String SECRET = "0123456789abcdef";

  @Test
  void theRightSecretReachesTheServer() {
    Outcome outcome = call(SECRET);
    assertTrue(outcome.reached);
    assertNull(outcome.closed);
  }

  @Test
  void aWrongSecretIsRefusedAndNotEchoed() {
    Outcome outcome = call("0123456789abcdeX");
    assertEquals(false, outcome.reached);
    assertEquals(Status.Code.UNAUTHENTICATED, outcome.closed.getCode());
    assertTrue(outcome.closed.getDescription().contains("wrong secret"), outcome.closed.getDescription());
    assertEquals(false, outcome.closed.getDescription().contains(SECRET));
  }

  @Test
  void aPrefixOfTheSecretIsRefused() {
    assertEquals(Status.Code.UNAUTHENTICATED, call(SECRET.substring(1)).closed.getCode());
    assertEquals(Status.Code.UNAUTHENTICATED, call("").closed.getCode());
  }

  @Test
  void aMissingHeaderIsRefusedWithWhatToSet() {
    Outcome outcome = call(null);
    assertEquals(false, outcome.reached);
    assertEquals(Status.Code.UNAUTHENTICATED, outcome.closed.getCode());
    assertTrue(outcome.closed.getDescription().contains(SecretInterceptor.HEADER));
    assertTrue(outcome.closed.getDescription().contains(SecretInterceptor.ENVIRONMENT_VARIABLE));
  }

  @Test
  void theServerDoesNotStartWithoutAUsableSecret() {
    assertThrows(IllegalStateException.class, () -> new SecretInterceptor(null));
    assertThrows(IllegalStateException.class, () -> new SecretInterceptor(""));
    assertThrows(IllegalStateException.class, () -> new SecretInterceptor(SECRET.substring(1)));
  }

  private static final class Outcome {
    boolean reached;
    Status closed;
  }

  private static Outcome call(String presented) {
    Metadata headers = new Metadata();
    if (presented != null) {
      headers.put(Metadata.Key.of(SecretInterceptor.HEADER, Metadata.ASCII_STRING_MARSHALLER), presented);
    }
    AtomicBoolean reached = new AtomicBoolean();
    Outcome outcome = new Outcome();
    ServerCall<Object, Object> call =
        new ServerCall<Object, Object>() {
          @Override
          public void request(int messageCount) {}

          @Override
          public void sendHeaders(Metadata sent) {}

          @Override
          public void sendMessage(Object message) {}

          @Override
          public void close(Status status, Metadata trailers) {
            outcome.closed = status;
          }

          @Override
          public boolean isCancelled() {
            return false;
          }

          @Override
          public MethodDescriptor<Object, Object> getMethodDescriptor() {
            return null;
          }
        };
    new SecretInterceptor(SECRET)
        .interceptCall(
            call,
            headers,
            (accepted, seen) -> {
              reached.set(true);
              return new ServerCall.Listener<Object>() {};
            });
    outcome.reached = reached.get();
    return outcome;
  }
}
