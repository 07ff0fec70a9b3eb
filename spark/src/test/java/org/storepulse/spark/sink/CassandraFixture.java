package org.storepulse.spark.sink;

import com.datastax.oss.driver.api.core.CqlSession;
import com.datastax.oss.driver.api.core.config.DefaultDriverOption;
import com.datastax.oss.driver.api.core.config.DriverConfigLoader;
import java.net.InetSocketAddress;
import java.time.Duration;

/** The Cassandra at {@code -Dcassandra.port=} on 127.0.0.1, with a keyspace that lives as long as this. */
final class CassandraFixture implements AutoCloseable {
  static final int PORT = Integer.getInteger("cassandra.port", 0);

  final String keyspace = "spark_sink_" + Long.toString(System.nanoTime(), 36);
  final CqlSession cql;

  CassandraFixture() {
    DriverConfigLoader config =
        DriverConfigLoader.programmaticBuilder()
            .withDuration(DefaultDriverOption.REQUEST_TIMEOUT, Duration.ofSeconds(20))
            .withBoolean(DefaultDriverOption.REQUEST_WARN_IF_SET_KEYSPACE, false)
            .build();
    cql =
        CqlSession.builder()
            .addContactPoint(new InetSocketAddress("127.0.0.1", PORT))
            .withLocalDatacenter(System.getProperty("cassandra.dc", "datacenter1"))
            .withConfigLoader(config)
            .build();
    cql.execute(
        "create keyspace " + keyspace + " with replication = {'class': 'SimpleStrategy', 'replication_factor': 1}");
    cql.execute("use " + keyspace);
  }

  @Override
  public void close() {
    try (cql) {
      cql.execute("drop keyspace " + keyspace);
    }
  }
}
