package org.storepulse.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;

import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkContext;
import org.apache.spark.sql.connect.service.SparkConnectService;
import org.apache.spark.sql.connect.ui.SparkConnectServerListener;
import org.junit.jupiter.api.Test;
import org.sparkproject.connect.grpc.Metadata;
import org.sparkproject.connect.grpc.ServerCall;
import org.sparkproject.connect.grpc.ServerCallHandler;
import scala.reflect.ClassTag;
import scala.reflect.ClassTag$;

class StatementHistoryTest {
  private static final ClassTag<SparkConnectServerListener> LISTENER =
      ClassTag$.MODULE$.apply(SparkConnectServerListener.class);

  /** On a real server: what is removed belongs to Spark and may be named differently in its next release. */
  @Test
  void theListenerIsGoneFromTheFirstCallOnAndCallsGoThrough() {
    SparkConf conf = new SparkConf().setMaster("local[1]").setAppName("statement history");
    Map.of("spark.ui.enabled", "false", "spark.connect.grpc.binding.port", "0").forEach(conf::set);
    StatementHistory interceptor = new StatementHistory();
    passThrough(interceptor);
    SparkContext context = new SparkContext(conf);
    try {
      SparkConnectService.start(context);
      try {
        assertEquals(1, context.listenerBus().findListenersByClass(LISTENER).size());
        List<ServerCall.Listener<Object>> passed =
            IntStream.range(0, 3).mapToObj(call -> passThrough(interceptor)).toList();
        assertEquals(3, passed.size());
        assertEquals(0, context.listenerBus().findListenersByClass(LISTENER).size());
      } finally {
        SparkConnectService.stop(scala.Option.empty(), scala.Option.empty());
      }
    } finally {
      context.stop();
    }
  }

  private static ServerCall.Listener<Object> passThrough(StatementHistory interceptor) {
    ServerCall.Listener<Object> handled = new ServerCall.Listener<>() {};
    ServerCallHandler<Object, Object> server = (call, headers) -> handled;
    ServerCall.Listener<Object> given = interceptor.interceptCall(null, new Metadata(), server);
    assertSame(handled, given);
    return given;
  }
}
