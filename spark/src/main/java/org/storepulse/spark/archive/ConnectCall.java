package org.storepulse.spark.archive;

import java.util.Iterator;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import org.apache.spark.connect.proto.ExecutePlanRequest;
import org.apache.spark.connect.proto.ExecutePlanResponse;
import org.apache.spark.connect.proto.Plan;
import org.apache.spark.connect.proto.Relation;
import org.apache.spark.connect.proto.SQL;
import org.apache.spark.connect.proto.SparkConnectServiceGrpc;
import org.apache.spark.connect.proto.UserContext;
import org.sparkproject.connect.grpc.ManagedChannel;
import org.sparkproject.connect.grpc.Metadata;
import org.sparkproject.connect.grpc.netty.NettyChannelBuilder;
import org.sparkproject.connect.grpc.stub.MetadataUtils;
import org.storepulse.spark.SecretInterceptor;

/** One statement through the server of this process, which asks for the secret like any other. */
final class ConnectCall {
  private static final Metadata.Key<String> SECRET =
      Metadata.Key.of(SecretInterceptor.HEADER, Metadata.ASCII_STRING_MARSHALLER);

  private static final String STATEMENT =
      "select b, count(*) as n from range(10) lateral view explode(array(id)) as b group by b";

  private ConnectCall() {}

  static void call(int port) {
    ManagedChannel channel =
        NettyChannelBuilder.forAddress("127.0.0.1", port).usePlaintext().build();
    try {
      Metadata secret = new Metadata();
      secret.put(SECRET, System.getenv(SecretInterceptor.ENVIRONMENT_VARIABLE));
      Iterator<ExecutePlanResponse> answers =
          SparkConnectServiceGrpc.newBlockingStub(channel)
              .withDeadlineAfter(60, TimeUnit.SECONDS)
              .withInterceptors(MetadataUtils.newAttachHeadersInterceptor(secret))
              .executePlan(request(STATEMENT));
      while (answers.hasNext()) {
        answers.next();
      }
    } finally {
      channel.shutdownNow();
    }
  }

  private static ExecutePlanRequest request(String statement) {
    Relation relation = Relation.newBuilder().setSql(SQL.newBuilder().setQuery(statement)).build();
    return ExecutePlanRequest.newBuilder()
        .setSessionId(UUID.randomUUID().toString())
        .setUserContext(UserContext.newBuilder().setUserId("rehearsal"))
        .setPlan(Plan.newBuilder().setRoot(relation))
        .build();
  }
}
