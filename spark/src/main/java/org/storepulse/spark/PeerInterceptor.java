package org.storepulse.spark;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import org.sparkproject.connect.grpc.Grpc;
import org.sparkproject.connect.grpc.Metadata;
import org.sparkproject.connect.grpc.ServerCall;
import org.sparkproject.connect.grpc.ServerCallHandler;
import org.sparkproject.connect.grpc.ServerInterceptor;
import org.sparkproject.connect.grpc.Status;

/**
 * Lets only callers from allowed addresses reach the Spark Connect server.
 *
 * <p>Connect 3.5 listens on every interface and has no setting for it. Named in
 * {@code spark.connect.grpc.interceptor.classes}, this interceptor looks where a call comes from before
 * anything else is looked at. The environment variable {@value #ENVIRONMENT_VARIABLE} of the server has the
 * list; without it only this machine may call. A list that cannot be read keeps the server from starting.
 */
public final class PeerInterceptor implements ServerInterceptor {
  /** Where the server reads who may call. */
  public static final String ENVIRONMENT_VARIABLE = "STOREPULSE_CONNECT_PEERS";

  private final AllowedPeers allowed;

  /** Reads the list from the environment; called by Spark. */
  public PeerInterceptor() {
    this(System.getenv(ENVIRONMENT_VARIABLE));
  }

  PeerInterceptor(String list) {
    try {
      this.allowed = new AllowedPeers(list == null ? AllowedPeers.DEFAULT : list);
    } catch (IllegalArgumentException e) {
      throw new IllegalStateException(
          "set " + ENVIRONMENT_VARIABLE + " to addresses and networks with commas between them, such as 127.0.0.1,10.1.0.0/16: "
              + e.getMessage(), e);
    }
  }

  @Override
  public <RequestT, ResponseT> ServerCall.Listener<RequestT> interceptCall(
      ServerCall<RequestT, ResponseT> call, Metadata headers, ServerCallHandler<RequestT, ResponseT> next) {
    SocketAddress peer = call.getAttributes().get(Grpc.TRANSPORT_ATTR_REMOTE_ADDR);
    InetAddress address = peer instanceof InetSocketAddress internet ? internet.getAddress() : null;
    if (address != null && allowed.contains(address)) {
      return next.startCall(call, headers);
    }
    call.close(
        Status.PERMISSION_DENIED.withDescription(
            "calls from " + (address == null ? "an unknown address" : address.getHostAddress())
                + " are not allowed here: add it to " + ENVIRONMENT_VARIABLE
                + " in the environment of the spark connect server, and start that anew"),
        new Metadata());
    return new ServerCall.Listener<>() {};
  }
}
