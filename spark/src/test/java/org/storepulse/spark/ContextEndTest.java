package org.storepulse.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.concurrent.atomic.AtomicInteger;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkContext;
import org.junit.jupiter.api.Test;

class ContextEndTest {
  @Test
  void theProcessIsEndedOnceTheContextHas() {
    AtomicInteger ended = new AtomicInteger();
    SparkConf conf = new SparkConf().setMaster("local[1]").setAppName("context end").set("spark.ui.enabled", "false");
    SparkContext context = new SparkContext(conf);
    context.addSparkListener(new ContextEnd(ended::incrementAndGet));
    assertEquals(0, ended.get());
    context.stop();
    assertEquals(1, ended.get());
  }
}
