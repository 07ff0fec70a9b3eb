"""The six groupings of the cube in the usual design: job.py BROKERS TOPIC CASSANDRA KEYSPACE FOLDER, until it is terminated.

Each grouping is a streaming query of its own: JSON, a window of a minute with a watermark, and `foreachBatch`, which appends with the
connector. It prints a line of JSON a second: the records that the slowest query has read, and how many are behind it in Kafka.
"""

import json
import signal
import sys
import threading

from confluent_kafka.admin import AdminClient, NewTopic
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f
from pyspark.sql.streaming import StreamingQuery

SCHEMA = """
    event_id string, event_name string, occurred_at timestamp, user_id string, session_id string, returning boolean, gender string,
    age int, age_band string, country string, city string, latitude double, longitude double, device string, channel string,
    item_id string, item_name string, category string, brand string, price decimal(12, 2), currency string, quantity int,
    amount_base decimal(14, 2), order_id string, order_line int, order_lines int"""
# Table, dimensions, whether it is about products.
GROUPINGS = [
    ("activity_by_minute", [], False),
    ("activity_by_country", ["country"], False),
    ("demographics_by_minute", ["gender", "age_band"], False),
    ("sales_by_product", ["item_id", "item_name"], True),
    ("sales_by_category", ["category"], True),
    ("engagement_by_channel", ["channel", "device"], False),
]
WATERMARK = "10 minutes"


def of(name: str, column: str) -> f.Column:
    return f.coalesce(f.sum(f.when(f.col("event_name") == name, f.col(column))), f.lit(0))


def count(name: str) -> f.Column:
    return f.count(f.when(f.col("event_name") == name, True))


def measures(of_items: bool) -> list:
    gross, refunds = of("purchase", "amount_base"), of("refund", "amount_base")
    both = [
        f.count("*").alias("events"),
        count("view_item").alias("item_views"),
        count("add_to_cart").alias("cart_adds"),
        of("purchase", "quantity").alias("units"),
        gross.alias("gross"),
        refunds.alias("refunds"),
        (gross - refunds).alias("net"),
        f.max("occurred_at").alias("last_occurred_at"),
    ]
    if of_items:
        return [*both, count("purchase").alias("order_lines")]
    return [
        *both,
        count("session_start").alias("session_starts"),
        f.approx_count_distinct("session_id", 0.02).alias("sessions"),
        f.approx_count_distinct("user_id", 0.02).alias("users"),
        count("begin_checkout").alias("checkouts"),
        f.count(f.when((f.col("event_name") == "purchase") & (f.col("order_line") == 1), True)).alias("orders"),
    ]


def rows(events: DataFrame, table: str, dimensions: list[str], of_items: bool) -> DataFrame:
    wanted = events.where("item_id is not null") if of_items else events
    grouped = wanted.withWatermark("occurred_at", WATERMARK).groupBy(f.window("occurred_at", "1 minute"), *dimensions)
    start = f.col("window.start")
    hour = [f.hour(start).alias("hour")] if table == "sales_by_product" else []
    keys = [start.cast("date").alias("day"), *hour, start.alias("minute")]
    return grouped.agg(*measures(of_items)).select(*keys, "*").drop("window")


def start(spark: SparkSession, arguments: list[str], table: str, dimensions: list[str], of_items: bool) -> StreamingQuery:
    brokers, topic, _, keyspace, folder = arguments
    records = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", brokers)
        .option("subscribe", topic)
        .option("startingOffsets", "earliest")
        .option("maxOffsetsPerTrigger", 200_000)
        .load()
    )
    events = records.select(f.from_json(f.col("value").cast("string"), SCHEMA).alias("event")).select("event.*")

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
            self.batches[progress["batchId"]] = max(progress["numInputRows"], self.batches.get(progress["batchId"], 0))
            metrics = [source["metrics"] or {} for source in progress["sources"]]
            self.behind = sum(int(metric.get("maxOffsetsBehindLatest") or 0) for metric in metrics)
        return sum(self.batches.values())


def main() -> None:
    brokers, topic = sys.argv[1:3]
    # As many partitions as the topic of events has.
    AdminClient({"bootstrap.servers": brokers}).create_topics([NewTopic(topic, 4, 1)])[topic].result()
    host, port = sys.argv[3].split(",")[0].rsplit(":", 1)
    spark = (
        SparkSession.builder.master("local[2]")
        .appName("bench-peer")
        .config("spark.cassandra.connection.host", host)
        .config("spark.cassandra.connection.port", port)
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", 2)
        .config("spark.sql.streaming.numRecentProgressUpdates", 50)
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )
    queries = [Read(start(spark, sys.argv[1:], *grouping)) for grouping in GROUPINGS]
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    while not ended.wait(1):
        for query in queries:
            if error := query.query.exception():
                sys.exit(f"job.py: {query.query.name}: {error}")
        print(json.dumps({"read": min(query.look() for query in queries), "behind": max(query.behind for query in queries)}), flush=True)
    for query in queries:
        query.query.stop()
    spark.stop()


if __name__ == "__main__":
    main()
