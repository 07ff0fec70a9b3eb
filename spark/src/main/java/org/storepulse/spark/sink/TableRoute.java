package org.storepulse.spark.sink;

import com.datastax.spark.connector.cql.CassandraConnector;
import com.datastax.spark.connector.cql.TableDef;
import com.datastax.spark.connector.writer.WriteConf;
import java.io.Serializable;

/** One route as planned: what an executor needs to write its table. */
record TableRoute(
    String route,
    String table,
    TableProjection projection,
    CassandraConnector connector,
    TableDef definition,
    WriteConf conf)
    implements Serializable {}
