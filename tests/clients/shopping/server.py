"""Tells the day of standard input by an unmodified Python client: server.py segment|rudder URL. The key is in
KEY.

Prints when it began, by its own clock, in microseconds since 1970."""

import json
import os
import sys
from datetime import datetime, timedelta, timezone

vendor, url = sys.argv[1:]
if vendor == "segment":
    from segment.analytics.client import Client
else:
    from rudderstack.analytics.client import Client

failed = []
# Few messages a request, so that the day is many of them.
told = Client(os.environ["KEY"], host=url, gzip=True, upload_size=5, upload_interval=0.1,
              on_error=lambda error, batch: failed.append(repr(error)))
began = datetime.now(timezone.utc)
for part in json.load(sys.stdin):
    for step in part["steps"]:
        common = {"user_id": part["shopper"], "timestamp": began - timedelta(seconds=step["ago_s"])}
        match step["call"]:
            case "identify":
                told.identify(traits=step["traits"], **common)
            case "page":
                told.page(name=step["name"], **common)
            case "track":
                told.track(event=step["event"], properties=step["properties"], **common)
    told.flush()
told.shutdown()
if failed:
    sys.exit(f"{vendor}: {failed}")
print(round(began.timestamp() * 1e6))
