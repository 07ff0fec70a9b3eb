package org.storepulse.spark;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import org.sparkproject.connect.grpc.Metadata;
import org.sparkproject.connect.grpc.ServerCall;
import org.sparkproject.connect.grpc.ServerCallHandler;
import org.sparkproject.connect.grpc.ServerInterceptor;
import org.sparkproject.connect.grpc.Status;

/**
 * Lets only callers that know the secret reach the Spark Connect server.
 *
 * <p>Connect 3.5 listens on every interface and authenticates nobody, although a plan can run any code on the
 * cluster. Named in {@code spark.connect.grpc.interceptor.classes}, this interceptor compares the header
 * {@value #HEADER} of every call with the environment variable {@value #ENVIRONMENT_VARIABLE} of the server.
 * Both sides are hashed first, so that the comparison takes the same time whatever the header's content or
 * length.
 *
 * <p>Without a usable secret the server does not start: an open server is never the fallback.
 */
public final class SecretInterceptor implements ServerInterceptor {
  /** The header that carries the secret; a connection string of the client sets it as a parameter. */
  public static final String HEADER = "x-storepulse-secret";

  /** Where the server reads the secret. */
  public static final String ENVIRONMENT_VARIABLE = "STOREPULSE_CONNECT_SECRET";

  /** Shorter secrets are refused. */
  public static final int MIN_SECRET_BYTES = 16;

  private static final Metadata.Key<String> KEY = Metadata.Key.of(HEADER, Metadata.ASCII_STRING_MARSHALLER);

  private final byte[] expectedHash;

  /** Reads the secret from the environment; called by Spark. */
  public SecretInterceptor() {
    this(System.getenv(ENVIRONMENT_VARIABLE));
  }

  SecretInterceptor(String secret) {
    if (secret == null) {
      throw new IllegalStateException(
          "set the environment variable " + ENVIRONMENT_VARIABLE + " for the spark connect server: it is not set");
    }
    byte[] bytes = secret.getBytes(StandardCharsets.UTF_8);
    if (bytes.length < MIN_SECRET_BYTES) {
      throw new IllegalStateException(
          "set " + ENVIRONMENT_VARIABLE + " to at least " + MIN_SECRET_BYTES + " bytes: it has " + bytes.length);
    }
    this.expectedHash = sha256(bytes);
  }

  @Override
  public <RequestT, ResponseT> ServerCall.Listener<RequestT> interceptCall(
      ServerCall<RequestT, ResponseT> call, Metadata headers, ServerCallHandler<RequestT, ResponseT> next) {
    String presented = headers.get(KEY);
    if (presented != null
        && MessageDigest.isEqual(expectedHash, sha256(presented.getBytes(StandardCharsets.UTF_8)))) {
      return next.startCall(call, headers);
    }
    String cause = presented == null ? "the call carries no secret" : "the call carries a wrong secret";
    call.close(
        Status.UNAUTHENTICATED.withDescription(
            cause
                + ": set the connection parameter "
                + HEADER
                + " (sc://host:port/;"
                + HEADER
                + "=<secret>) to the server's "
                + ENVIRONMENT_VARIABLE),
        new Metadata());
    return new ServerCall.Listener<>() {};
  }

  private static byte[] sha256(byte[] bytes) {
    try {
      return MessageDigest.getInstance("SHA-256").digest(bytes);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every java platform has SHA-256", e);
    }
  }
}
