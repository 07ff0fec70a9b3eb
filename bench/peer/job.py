"""The six groupings of the cube in the usual design: job.py BROKERS TOPIC CASSANDRA KEYSPACE FOLDER.

It runs until it is terminated. Each grouping is a streaming query of its own: JSON, a window of a minute with
a watermark, and `foreachBatch`, which appends with the connector. It prints a line of JSON a second: the
records that the slowest query has read, and how many are behind it in Kafka.
"""

import json
import signal
import sys
import threading

from confluent_kafka.admin import AdminClient, NewTopic
from groupings import GROUPINGS, rows, session
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f
from pyspark.sql.streaming import StreamingQuery

SCHEMA = """
    event_id string, event_name string, occurred_at timestamp, user_id string, session_id string,
    returning boolean, gender string, age int, age_band string, country string, city string,
    latitude double, longitude double, device string, channel string, item_id string, item_name string,
    category string, brand string, price decimal(12, 2), currency string, quantity int,
    amount_base decimal(14, 2), order_id string, order_line int, order_lines int"""


def start(
    spark: SparkSession, arguments: list[str], table: str, dimensions: list[str], of_items: bool
) -> StreamingQuery:
    brokers, topic, _, keyspace, folder = arguments
    records = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", brokers)
        .option("subscribe", topic)
        .option("startingOffsets", "earliest")
        .option("maxOffsetsPerTrigger", 200_000)
        .load()
    )
    event = f.from_json(f.col("value").cast("string"), SCHEMA).alias("event")
    events = records.select(event).select("event.*")

    def write(batch: DataFrame, _: int) -> None:
        options = {"keyspace": keyspace, "table": table}
        batch.write.format("org.apache.spark.sql.cassandra").mode("append").options(**options).save()

    return (
        rows(events, table, dimensions, of_items)
        .writeStream.outputMode("update")
        .queryName(table)
        .option("checkpointLocation", f"{folder}/{table}")
        .foreachBatch(write)
        .trigger(processingTime="500 milliseconds")
        .start()
    )


class Read:
    """What a query has read so far."""

    def __init__(self, query: StreamingQuery):
        self.query, self.batches, self.behind = query, {}, 0

    def look(self) -> int:
        for progress in self.query.recentProgress:
            batch = progress["batchId"]
            self.batches[batch] = max(progress["numInputRows"], self.batches.get(batch, 0))
            metrics = [source["metrics"] or {} for source in progress["sources"]]
            self.behind = sum(int(metric.get("maxOffsetsBehindLatest") or 0) for metric in metrics)
        return sum(self.batches.values())


def main() -> None:
    brokers, topic = sys.argv[1:3]
    # As many partitions as the topic of events has.
    admin = AdminClient({"bootstrap.servers": brokers})
    admin.create_topics([NewTopic(topic, 4, 1)])[topic].result()
    host, port = sys.argv[3].split(",")[0].rsplit(":", 1)
    spark = session({"spark.cassandra.connection.host": host, "spark.cassandra.connection.port": port,
                     "spark.sql.streaming.numRecentProgressUpdates": "50"})
    queries = [Read(start(spark, sys.argv[1:], *grouping)) for grouping in GROUPINGS]
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    while not ended.wait(1):
        for query in queries:
            if error := query.query.exception():
                sys.exit(f"job.py: {query.query.name}: {error}")
        read = min(query.look() for query in queries)
        print(json.dumps({"read": read, "behind": max(query.behind for query in queries)}), flush=True)
    for query in queries:
        query.query.stop()
    spark.stop()


if __name__ == "__main__":
    main()
