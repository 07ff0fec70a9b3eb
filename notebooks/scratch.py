"""A database and namespace of its own on a running stack, for a run that must not touch anybody's data."""

import os
import sys
import urllib.error
import urllib.request

import psycopg
from confluent_kafka.admin import AdminClient
from psycopg import conninfo, sql

from storepulse_notebook import NotReady, Storepulse


def create(name):
    """Makes the database and prints its URL; the namespace of the same name is made by `storepulse setup`."""
    with psycopg.connect(os.environ["PG_URL"], autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    url, database = os.environ["PG_URL"], conninfo.conninfo_to_dict(os.environ["PG_URL"])["dbname"]
    head, _, tail = url.rpartition(f"/{database}")
    print(f"{head}/{name}{tail}")


def drop(name):
    """Removes all of it; what is not there is no fault."""
    shop = Storepulse("scratch")
    shop.namespace = name
    kafka = AdminClient({"bootstrap.servers": os.environ["KAFKA_BROKERS"]})
    mine = [topic for topic in kafka.list_topics(timeout=10).topics if topic.startswith(f"{name}.")]
    for gone in (kafka.delete_topics(mine) if mine else {}).values():
        gone.result(timeout=30)
    for subject in shop.registry("/subjects"):
        if subject.startswith(f"{name}."):
            for permanent in ("", "?permanent=true"):
                url = f"{os.environ['SCHEMA_REGISTRY_URL'].rstrip('/')}/subjects/{subject}{permanent}"
                try:
                    urllib.request.urlopen(urllib.request.Request(url, method="DELETE"), timeout=10).close()
                except urllib.error.HTTPError as error:
                    if error.code != 404:
                        raise
    try:
        shop.cassandra.execute(f"drop keyspace if exists {name}", timeout=60)
    except NotReady:
        pass
    except Exception as error:  # the rest must go all the same
        print(f"keyspace {name} stays: {error}", file=sys.stderr)
    with psycopg.connect(os.environ["PG_URL"], autocommit=True) as connection:
        slots = connection.execute("select slot_name from pg_replication_slots where database = %s", [name]).fetchall()
        for (slot,) in slots:
            ended = "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = %s and active"
            connection.execute(ended, [slot])
            connection.execute("select pg_drop_replication_slot(%s)", [slot])
        connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


if __name__ == "__main__":
    {"create": create, "drop": drop}[sys.argv[1]](sys.argv[2])
