package org.storepulse.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.sparkproject.connect.grpc.ManagedChannel;
import org.sparkproject.connect.grpc.Server;
import org.sparkproject.connect.grpc.ServerServiceDefinition;
import org.sparkproject.connect.grpc.Status;
import org.sparkproject.connect.grpc.StatusRuntimeException;
import org.sparkproject.connect.grpc.netty.NettyServerBuilder;
import org.sparkproject.connect.grpc.stub.ServerCalls;

/** By real connections to a server that listens on every interface, as Connect's does. */
class PeerInterceptorTest {
  @Test
  void anAllowedAddressIsServed() throws Exception {
    assertEquals(4, call(null, "127.0.0.1"));
    assertEquals(4, call("127.0.0.0/8", "127.0.0.2"));
  }

  @Test
  void anotherAddressIsRefusedWithWhatToSet() {
    StatusRuntimeException refused = assertThrows(StatusRuntimeException.class, () -> call(null, "127.0.0.2"));
    assertEquals(Status.Code.PERMISSION_DENIED, refused.getStatus().getCode());
    String said = refused.getStatus().getDescription();
    assertTrue(said.contains("127.0.0.2") && said.contains(PeerInterceptor.ENVIRONMENT_VARIABLE), said);
  }

  /** Calls from an address of this machine; the length of the answer. */
  private static int call(String allowed, String from) throws Exception {
    ServerServiceDefinition service =
        ServerServiceDefinition.builder("test")
            .addMethod(Callers.method("test/echo"), ServerCalls.asyncUnaryCall((request, answer) -> {
              answer.onNext(request);
              answer.onCompleted();
            }))
            .build();
    Server server =
        NettyServerBuilder.forPort(0).addService(service).intercept(new PeerInterceptor(allowed)).build().start();
    ManagedChannel channel = Callers.channel(server.getPort(), from);
    try {
      return Callers.call(channel, "test/echo", new byte[4]).length;
    } finally {
      channel.shutdownNow();
      server.shutdownNow();
    }
  }
}
