"""A subject of somebody else's in the registry."""

import json
import os
import urllib.request

SUBJECT = f"{os.environ['STOREPULSE_NAMESPACE']}.stranger-value"


def schema(*fields):
    return json.dumps({"type": "record", "name": "Stranger", "fields": list(fields)})


FIELD = {"name": "x", "type": "int"}
WITHOUT_DEFAULT = {"name": "brand", "type": "string"}
WITH_DEFAULT = {"name": "brand", "type": ["null", "string"], "default": None}


def ask(method, path, body=None):
    request = urllib.request.Request(
        f"{os.environ['SCHEMA_REGISTRY_URL']}{path}", method=method, data=body and json.dumps(body).encode(),
        headers={"Content-Type": "application/vnd.schemaregistry.v1+json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def make():
    """Version 1, held to what the contract's are."""
    ask("POST", f"/subjects/{SUBJECT}/versions", {"schema": schema(FIELD)})
    ask("PUT", f"/config/{SUBJECT}", {"compatibility": "BACKWARD_TRANSITIVE"})


def versions():
    return ask("GET", f"/subjects/{SUBJECT}/versions")


def remove():
    ask("DELETE", f"/subjects/{SUBJECT}")
