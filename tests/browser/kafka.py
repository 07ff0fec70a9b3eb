"""Records of the tests' own: a topic that nothing of the line reads, and values that no producer of the line would write."""

import os
import time
import urllib.request
from json import load

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

BROKERS = {"bootstrap.servers": os.environ["KAFKA_BROKERS"]}
NAMESPACE = os.environ["STOREPULSE_NAMESPACE"]
EVENTS = f"{NAMESPACE}.events.g1"


class Topic:
    """A topic of one partition, gone at the end."""

    def __init__(self, name):
        self.name = f"{NAMESPACE}.{name}"
        self.admin = AdminClient(BROKERS)
        self.producer = Producer({**BROKERS, "linger.ms": 20, "queue.buffering.max.messages": 1_000_000})

    def __enter__(self):
        for made in self.admin.create_topics([NewTopic(self.name, 1, 1)]).values():
            made.result(30)
        return self

    def __exit__(self, *_):
        for deleted in self.admin.delete_topics([self.name]).values():
            deleted.result(30)

    def write(self, values):
        """Writes values under one key, and waits until the broker has them."""
        for value in values:
            self.producer.produce(self.name, value, key=b"browser")
            self.producer.poll(0)
        assert self.producer.flush(60) == 0

    def stream(self, value, rate, ended):
        """Writes a value so often a second until an event is set; returns how many it wrote."""
        began, written = time.monotonic(), 0
        while not ended.wait(0.02):
            due = int((time.monotonic() - began) * rate)
            self.write([value] * (due - written))
            written = due
        return written


def event(name):
    """The bytes of one of the line's own events of that name."""
    consumer = Consumer({**BROKERS, "group.id": "browser-tests", "enable.auto.commit": False})
    try:
        partitions = consumer.list_topics(EVENTS, 10).topics[EVENTS].partitions
        consumer.assign([TopicPartition(EVENTS, partition, OFFSET_BEGINNING) for partition in partitions])
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for record in consumer.consume(500, 1):
                # The id of the event and its length lie between: a text before its name.
                if record.error() is None and name.encode() in record.value()[:64]:
                    return record.value()
        raise AssertionError(f"no event {name} in {EVENTS}")
    finally:
        consumer.close()


def beginning(topic, partition, count):
    """The first records of a partition, committed ones alone, as this client reads them."""
    consumer = Consumer({**BROKERS, "group.id": "browser-tests", "enable.auto.commit": False})
    try:
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING)])
        records, deadline = [], time.monotonic() + 60
        while len(records) < count:
            assert time.monotonic() < deadline, f"{len(records)} records in {topic}/{partition}"
            records += [record for record in consumer.consume(count - len(records), 1) if record.error() is None]
        return records
    finally:
        consumer.close()


def schema_id(subject):
    """The id by which records name a subject's newest schema."""
    url = f"{os.environ['SCHEMA_REGISTRY_URL']}/subjects/{subject}/versions/latest"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return load(answer)["id"]


def long(number):
    """A number as Avro writes it: zigzag, seven bits a byte."""
    number = number << 1 if number >= 0 else (-number << 1) - 1
    written = bytearray()
    while number >= 0x80:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*written, number])


def everything(texts, known):
    """Reads every topic of the line to its present end. Returns the topics, how many records there were and how many have the
    bytes `known`, and the places of those that have one of the texts."""
    consumer = Consumer({**BROKERS, "group.id": "browser-tests", "enable.auto.commit": False, "enable.partition.eof": True})
    try:
        topics = {name: topic for name, topic in consumer.list_topics(timeout=10).topics.items() if name.startswith(NAMESPACE)}
        places = [TopicPartition(name, partition, OFFSET_BEGINNING) for name, topic in topics.items() for partition in topic.partitions]
        consumer.assign(places)
        # What is written meanwhile is not waited for: some topics always grow.
        ends = {(place.topic, place.partition): consumer.get_watermark_offsets(place, 10)[1] for place in places}
        open_places = {place for place, end in ends.items() if end > 0}
        count, leaks = {"all": 0, "sought": 0}, []
        deadline = time.monotonic() + 120
        while open_places:
            assert time.monotonic() < deadline, open_places
            for record in consumer.consume(1_000, 1):
                if record.error() is not None:
                    assert record.error().code() == KafkaError._PARTITION_EOF, record.error()
                    open_places.discard((record.topic(), record.partition()))
                    continue
                if record.offset() + 1 >= ends[record.topic(), record.partition()]:
                    open_places.discard((record.topic(), record.partition()))
                content = (record.key() or b"") + b"\0" + (record.value() or b"")
                count["all"] += 1
                count["sought"] += known in content
                if any(text in content for text in texts):
                    leaks.append((record.topic(), record.partition(), record.offset()))
        return sorted(topics), count, leaks
    finally:
        consumer.close()
