"""The six groupings of the cube over a topic of events, in batch: plan.py BROKERS TOPIC SCHEMA.

For each line of its input it runs all of them into Spark's noop sink, and prints how many seconds that took.
"""

import sys
import time

from groupings import GROUPINGS, rows, session
from pyspark.sql import functions as f
from pyspark.sql.avro.functions import from_avro

# Before the Avro body: a zero and the schema's id.
BODY_AT = 6


def main() -> None:
    brokers, topic, schema = sys.argv[1:]
    spark = session({})
    for _ in sys.stdin:
        began = time.monotonic()
        records = (
            spark.read.format("kafka")
            .option("kafka.bootstrap.servers", brokers)
            .option("subscribe", topic)
            .option("kafka.isolation.level", "read_committed")
            .load()
        )
        body = f.expr(f"substring(value, {BODY_AT})")
        event = from_avro(body, schema, {"mode": "PERMISSIVE"}).alias("event")
        events = records.select(event).select("event.*")
        for grouping in GROUPINGS:
            rows(events, *grouping).write.format("noop").mode("overwrite").save()
        print(time.monotonic() - began, flush=True)


if __name__ == "__main__":
    main()
