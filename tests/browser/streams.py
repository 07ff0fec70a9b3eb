"""An event stream by hand."""

import json
import re
import socket


class Stream:
    """Read only as fast as a test says."""

    def __init__(self, line, cookie, path="/events?pages=live&tz=UTC"):
        host, port = line.listen.rsplit(":", 1)
        self.socket = socket.socket()
        # The kernel shall not read for it: as small as it goes.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        self.socket.connect((host, int(port)))
        self.socket.settimeout(60)
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: {line.listen}\r\nCookie: {cookie}\r\n\r\n".encode())
        self.text = b""

    def take(self, size):
        part = self.socket.recv(size)
        assert part, f"the stream has ended after {self.text[-500:]!r}"
        self.text += part

    def body(self):
        """What has come so far, in one piece."""
        return re.sub(rb"\r\n[0-9a-f]+\r\n", b"", self.text.split(b"\r\n\r\n", 1)[-1])

    def events(self):
        """Every whole event so far, its version and the panels that came with it."""
        for event in self.body().split(b"\n\n")[:-1]:
            fields = dict(line.split(b": ", 1) for line in event.split(b"\n") if b": " in line)
            if fields.get(b"event") == b"panels":
                yield int(fields[b"id"].split(b".")[1]), [part["p"] for part in json.loads(fields[b"data"])]

    def close(self):
        self.socket.close()
