"""A collector of a test's own, with one key."""

import base64
import json
import re
import socket
import subprocess
import urllib.request

from processes import STOREPULSE, Process


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Collector:
    """`storepulse collect`, which knows the key `name`."""

    def __init__(self, folder, name, *words):
        made = subprocess.run([STOREPULSE, "collect", "key", name, *words], capture_output=True, text=True, check=True)
        keys = folder / "keys"
        keys.write_text(made.stdout)
        self.key = re.search(r"storepulse_\w+", made.stderr).group(0)
        at = f"127.0.0.1:{free_port()}"
        self.base = f"http://{at}"
        self.process = Process("collect", "--keys", str(keys), "--http", at, "--grpc", "127.0.0.1:0")
        self.process.says(re.escape(at))

    def post(self, path, body):
        """What it answers, as JSON."""
        # Segment's clients send the key as a name without a password, which all of its paths understand.
        named = base64.b64encode(f"{self.key}:".encode()).decode()
        scheme = f"Bearer {self.key}" if path == "/v1/events" else f"Basic {named}"
        headers = {"Content-Type": "application/json", "Authorization": scheme}
        request = urllib.request.Request(f"{self.base}{path}", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def stop(self):
        self.process.stop()
