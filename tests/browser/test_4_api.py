"""The read API answers as `openapi.json` says, whatever it is asked."""

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

from kafka import EVENTS

# Of all operations together.
SECONDS = 240 if os.environ.get("STOREPULSE_LONG_TESTS") else 20
LEFT_OUT = [
    # A key is sent with every request, so that no other is noticed; test_1_access.py asks without.
    "ignored_auth",
    # Which parameters may stand together is told in words, which no generator reads.
    "positive_data_acceptance",
]


def endless(line):
    """Paths whose answer goes on until its reader leaves."""
    with urllib.request.urlopen(f"{line.base}/api/v1/openapi.json", timeout=30) as answer:
        paths = json.load(answer)["paths"]
    told = {path: operation["get"]["responses"]["200"]["content"] for path, operation in paths.items() if "get" in operation}
    return [path for path, content in told.items() if "text/event-stream" in content]


def test_every_answer_is_as_it_is_described(line, tmp_path):
    with line.key("schemathesis") as key:
        names = {"topic": EVENTS, "query": "cube", "subject": f"{EVENTS.rsplit('.', 1)[0]}-value", "version": 1}
        # What exists is asked for most often; the tests of the names themselves make others up.
        (tmp_path / "schemathesis.toml").write_text(
            f"headers = {{ Authorization = {json.dumps(f'Bearer {key}')} }}\n"
            + "[parameters]\n"
            + "".join(f"{json.dumps(f'path.{name}')} = {json.dumps(value)}\n" for name, value in names.items())
        )
        asked = [
            Path(sys.executable).with_name("st"), "run", f"{line.base}/api/v1/openapi.json", "--include-method", "GET",
            "--exclude-checks", ",".join(LEFT_OUT), "--max-time", str(SECONDS),
            "--continue-on-failure", "--workers", "2", "--seed", "1", "--request-timeout", "60",
            *(word for path in endless(line) for word in ("--exclude-path", path)),
        ]
        ended = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS + 300, check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert line.healthy()
