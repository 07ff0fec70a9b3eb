package org.storepulse.spark;

import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.spark.SparkContext;
import org.apache.spark.sql.connect.service.SparkConnectService$;
import org.apache.spark.sql.connect.ui.SparkConnectServerListener;
import org.sparkproject.connect.grpc.Metadata;
import org.sparkproject.connect.grpc.ServerCall;
import org.sparkproject.connect.grpc.ServerCallHandler;
import org.sparkproject.connect.grpc.ServerInterceptor;

/**
 * Turns off the list of statements that Spark Connect keeps for its page in the UI.
 *
 * <p>Connect 3.5 forgets a statement only once it has seen it finish, and a question about a streaming query
 * never does: the list grew by every question of the supervisor for as long as the server lived, and was
 * sorted whole at each one. There is no setting for it. Named in
 * {@code spark.connect.grpc.interceptor.classes}, for an interceptor is called once the server is up; the
 * page stays empty.
 */
public final class StatementHistory implements ServerInterceptor {
  private final AtomicBoolean off = new AtomicBoolean();

  @Override
  public <RequestT, ResponseT> ServerCall.Listener<RequestT> interceptCall(
      ServerCall<RequestT, ResponseT> call, Metadata headers, ServerCallHandler<RequestT, ResponseT> next) {
    if (!off.get()) {
      turnOff();
    }
    return next.startCall(call, headers);
  }

  private void turnOff() {
    SparkConnectServerListener listener = SparkConnectService$.MODULE$.listener();
    // Null for the first moments: the server takes calls before it makes the listener.
    if (listener != null && off.compareAndSet(false, true)) {
      SparkContext.getOrCreate().removeSparkListener(listener);
    }
  }
}
