"""Connections, from the environment that `storepulse stack env` prints. Each is opened when first needed."""

import datetime as dt
import decimal
import functools
import json
import os
import pathlib
import urllib.request
import uuid

import pandas as pd

from . import topics

NEEDED = ["PG_URL", "KAFKA_BROKERS", "SCHEMA_REGISTRY_URL", "CASSANDRA_CONTACT_POINTS", "SPARK_REMOTE"]

# Stands where a country is not known (contracts::event).
UNKNOWN_COUNTRY = "ZZ"

# A record belongs to its window when it came on time, or when a repair of the window has seen it.
BELONGS = """(ingested_at - occurred_at between interval '-1 minute' and interval '10 minutes'
  or exists (select from ops.repair where family = 'cube' and occurred_at >= from_minute and occurred_at < to_minute
             and pg_visible_in_snapshot(tx, snapshot)))"""


class NotReady(Exception):
    """Something that the notebook shows is not there yet; the text says what to do."""

    # Jupyter would print the whole stack for a message that is meant for a reader.
    def _render_traceback_(self):
        return [f"not ready: {self}"]


class Storepulse:
    """One installation, by its namespace."""

    def __init__(self, notebook):
        missing = [name for name in NEEDED if not os.environ.get(name)]
        if missing:
            raise NotReady(
                f"{', '.join(missing)} not set: start JupyterLab by `make notebooks`, "
                'or load the addresses with `eval "$(storepulse stack env)"` first'
            )
        self.notebook = notebook
        self.namespace = os.environ.get("STOREPULSE_NAMESPACE") or "shop"
        self._figures = {}

    # --- PostgreSQL ---

    @functools.cached_property
    def postgres(self):
        import psycopg

        return psycopg.connect(os.environ["PG_URL"], autocommit=True, options="-c timezone=UTC")

    def sql(self, query, **parameters):
        """Rows of PostgreSQL. Parameters are written `%(name)s`; money stays decimal."""
        with self.postgres.cursor() as cursor:
            cursor.execute(query, parameters or None)
            return pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description])

    @functools.cached_property
    def currency(self):
        found = self.sql("select value from ops.setting where name = 'base_currency'")
        return found.value[0] if len(found) else "EUR"

    # --- Cassandra ---

    @functools.cached_property
    def cassandra(self):
        from cassandra import ConsistencyLevel
        from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
        from cassandra.policies import RoundRobinPolicy
        from cassandra.query import tuple_factory

        points = [point.rsplit(":", 1) for point in os.environ["CASSANDRA_CONTACT_POINTS"].split(",")]
        profile = ExecutionProfile(
            load_balancing_policy=RoundRobinPolicy(),
            consistency_level=ConsistencyLevel.LOCAL_QUORUM,
            row_factory=tuple_factory,
            request_timeout=60,
        )
        cluster = Cluster(
            [host for host, _ in points],
            port=int(points[0][1]),
            execution_profiles={EXEC_PROFILE_DEFAULT: profile},
            protocol_version=5,
        )
        session = cluster.connect()
        if self.namespace not in cluster.metadata.keyspaces:
            raise NotReady(f"Cassandra has no keyspace {self.namespace}: `make run-job` first")
        session.set_keyspace(self.namespace)
        return session

    def cql(self, query, *parameters):
        """Rows of Cassandra. Parameters are written `?`; times are UTC."""
        found = self.cassandra.execute(self.cassandra.prepare(query) if parameters else query, parameters or None)
        rows = pd.DataFrame([[_plain(value) for value in row] for row in found], columns=found.column_names)
        for name in set(rows) & TIMES:
            rows[name] = pd.to_datetime(rows[name], utc=True)
        return rows

    @property
    def tables(self):
        """The tables of the keyspace and the questions they answer."""
        return self.cassandra.cluster.metadata.keyspaces[self.namespace].tables

    def has(self, name):
        return name in self.tables

    def read(self, name, day=None, **key):
        """A whole table, or one day of it: partition by partition, as any reader should."""
        if not self.has(name):
            raise NotReady(f"the keyspace has no table {name}: `storepulse setup`, then `make run-job`")
        columns = [column.name for column in self.tables[name].partition_key]
        partitions = self.cql(f"select distinct {', '.join(columns)} from {name}")
        if day is not None:
            partitions = partitions[partitions["day"] == day]
        for column, value in key.items():
            partitions = partitions[partitions[column] == value]
        where = " and ".join(f"{column} = ?" for column in columns)
        parts = [self.cql(f"select * from {name} where {where}", *row) for row in partitions.itertuples(index=False)]
        parts = [part for part in parts if len(part)]
        if not parts:
            raise NotReady(f"nothing has arrived in {name} yet: `make run-job` first")
        return pd.concat(parts, ignore_index=True)

    def busiest_day(self):
        """The day with most events among the last 31 that have any."""
        days = sorted(self.cql("select distinct day from activity_by_minute").get("day", []))[-31:]
        if not days:
            raise NotReady("nothing has arrived in Cassandra yet: `make run-job` first")
        events = {day: self.cql("select events from activity_by_minute where day = ?", day).events.sum() for day in days}
        return max(days, key=lambda day: (events[day], day))

    # --- Kafka and the registry ---

    @functools.cached_property
    def events_topic(self):
        found = self.sql("select max(generation) as generation from ops.topic_generation")
        return f"{self.namespace}.events.g{found.generation[0]}"

    def registry(self, path):
        with urllib.request.urlopen(os.environ["SCHEMA_REGISTRY_URL"].rstrip("/") + path, timeout=10) as answer:
            return json.load(answer)

    def offsets(self, topic):
        return topics.offsets(os.environ["KAFKA_BROKERS"], topic)

    def records(self, topic, **span):
        """Committed records of a topic, decoded. See `topics.records`."""
        return topics.records(os.environ["KAFKA_BROKERS"], self.registry, topic, **span)

    @property
    def topics(self):
        names = topics.names(os.environ["KAFKA_BROKERS"])
        return [name for name in names if name.startswith(f"{self.namespace}.")]

    # --- Spark ---

    @functools.cached_property
    def spark(self):
        """A session of its own on the Connect server that runs the job."""
        from pyspark.sql import SparkSession

        return SparkSession.builder.remote(os.environ["SPARK_REMOTE"]).getOrCreate()

    def spark_rest(self, path):
        """Spark's own REST API, on the page of the application."""
        host, port, app = (self.spark.conf.get(f"spark.{name}") for name in ("driver.host", "ui.port", "app.id"))
        with urllib.request.urlopen(f"http://{host}:{port}/api/v1/applications/{app}{path}", timeout=30) as answer:
            return json.load(answer)

    def plan(self):
        """The plan of the metric cube that is in force."""
        found = self.sql("select * from ops.job_plan where query = 'cube' and retired_at is null order by revision")
        if not len(found):
            raise NotReady("no Spark job has run: `make run-job` first")
        return found.iloc[-1]

    # --- figures ---

    def figure(self, name, value):
        """Notes a figure that the notebook shows, for the tests to compare; returns it."""
        self._figures[name] = value
        folder = os.environ.get("STOREPULSE_FIGURES")
        if folder:
            path = pathlib.Path(folder) / f"{self.notebook}.json"
            path.write_text(json.dumps(self._figures, default=_json, indent=1))
        return value


TIMES = {"minute", "hour_start", "as_of", "started_at", "ended_at", "occurred_at", "last_occurred_at", "ingested_minute"}


def _plain(value):
    import cassandra.util

    return value.date() if isinstance(value, cassandra.util.Date) else value


def _json(value):
    if isinstance(value, (decimal.Decimal, uuid.UUID, dt.date, dt.datetime)):
        return str(value)
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} is no figure")
