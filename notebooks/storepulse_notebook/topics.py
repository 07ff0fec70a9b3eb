"""Kafka: committed records only, decoded by the schema that each record names."""

import datetime as dt
import io
import json
import time

import fastavro
import pandas as pd
from confluent_kafka import Consumer, KafkaException, TopicPartition

# What no answer may exceed, in s.
DEADLINE_S = 300


def _consumer(brokers):
    return Consumer(
        {
            "bootstrap.servers": brokers,
            # The group is never joined and nothing is committed to it: partitions are assigned by hand.
            "group.id": "storepulse-notebooks",
            "enable.auto.commit": False,
            # What a transaction has not committed does not exist.
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
        }
    )


def names(brokers):
    consumer = _consumer(brokers)
    try:
        return sorted(consumer.list_topics(timeout=10).topics)
    finally:
        consumer.close()


def offsets(brokers, topic):
    """First and next offset of each partition; transaction markers take offsets too."""
    consumer = _consumer(brokers)
    try:
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        ends = [(p, *consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=10)) for p in sorted(partitions)]
    finally:
        consumer.close()
    return pd.DataFrame(ends, columns=["partition", "first_offset", "next_offset"])


def records(brokers, registry, topic, partition=None, start=None, stop=None, since=None, limit=None, keep=None):
    """Decoded records with their coordinates.

    `start` and `stop` are offsets of one partition; `since` is a time of the records, which Kafka finds by
    its index. `keep` chooses by the decoded value. Reads on to the end of the topic as it is at the call.
    """
    consumer, schemas, found = _consumer(brokers), {}, []
    try:
        ends = offsets(brokers, topic)
        if partition is not None:
            ends = ends[ends.partition == partition]
        begin = [TopicPartition(topic, int(p), int(f if start is None else start)) for p, f, _ in ends.values]
        if since is not None:
            at = int(since.timestamp() * 1000)
            begin = consumer.offsets_for_times([TopicPartition(topic, b.partition, at) for b in begin], timeout=10)
        consumer.assign(begin)
        upto = {int(p): int(n if stop is None else stop) for p, _, n in ends.values}
        last = {b.partition: b.offset for b in begin}
        pending = {b.partition for b in begin if 0 <= b.offset < upto[b.partition]}
        give_up = time.monotonic() + DEADLINE_S
        while pending and (limit is None or len(found) < limit):
            if time.monotonic() > give_up:
                raise TimeoutError(f"{topic} was not read to its end within {DEADLINE_S} s: is kafka healthy?")
            for message in consumer.consume(5000, timeout=1):
                if message.error():
                    if message.error().name() != "_PARTITION_EOF":
                        raise KafkaException(message.error())
                    pending.discard(message.partition())
                    continue
                last[message.partition()] = message.offset()
                if message.offset() + 1 >= upto[message.partition()]:
                    pending.discard(message.partition())
                if message.offset() < upto[message.partition()]:
                    value = decode(message.value(), registry, schemas)
                    if keep is None or keep(value):
                        found.append(_row(message, value))
    finally:
        consumer.close()
    return pd.DataFrame(found[:limit])


def _row(message, value):
    headers = {name: content.decode("utf-8", "replace") for name, content in message.headers() or []}
    return {
        "partition": message.partition(),
        "offset": message.offset(),
        "key": (message.key() or b"").decode("utf-8", "replace"),
        "written_at": dt.datetime.fromtimestamp(message.timestamp()[1] / 1000, dt.timezone.utc),
        "bytes": len(message.value() or b""),
        "headers": headers,
        **(value or {}),
    }


def decode(body, registry, schemas):
    """Confluent's wire format: a zero, four bytes of schema id, then Avro."""
    if body is None:
        return None
    if body[:1] != b"\0":
        raise ValueError("not in Confluent's wire format: the first byte is no zero")
    number = int.from_bytes(body[1:5], "big")
    if number not in schemas:
        schemas[number] = fastavro.parse_schema(json.loads(registry(f"/schemas/ids/{number}")["schema"]))
    return fastavro.schemaless_reader(io.BytesIO(body[5:]), schemas[number])
