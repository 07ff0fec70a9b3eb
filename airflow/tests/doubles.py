"""What stands before a service so that it can be away: nobody else's service is stopped for a test."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import threading
from contextlib import suppress
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID


class Gate:
    """A way to a server that refuses connections until it is opened, on one port throughout."""

    def __init__(self, host: str, port: int) -> None:
        self.to = (host, port)
        self.port = 0
        self._bind()

    def _bind(self) -> None:
        # Bound and not listening: nobody else gets the port, and whoever connects is refused.
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", self.port))
        self.port = self.socket.getsockname()[1]

    def open(self) -> None:
        self.socket.listen()
        self.accepting = threading.Thread(target=self._accept, daemon=True)
        self.accepting.start()

    def close(self) -> None:
        """Ends the listening alone: connections that stand go on."""
        # Wakes the thread, which would keep the port otherwise.
        self.socket.shutdown(socket.SHUT_RD)
        self.accepting.join()
        self.socket.close()
        self._bind()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.socket.accept()
                with suppress(OSError):
                    upstream = socket.create_connection(self.to)
                    for pair in ((client, upstream), (upstream, client)):
                        threading.Thread(target=_copy, args=pair, daemon=True).start()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


class UsersApi:
    """Serves pages as randomuser.me does: stored profiles, each seed's under ids of its own."""

    def __init__(self, profiles: list[dict[str, Any]]) -> None:
        self.profiles = profiles
        self.failing = False
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked = parse_qs(urlsplit(self.path).query)
                seed, number = asked["seed"][0], int(asked.get("page", ["1"])[0])
                if api.failing:
                    status, body = 500, {"error": "Uh oh, something has gone wrong."}
                else:
                    status, body = 200, api.page(seed, int(asked["results"][0]), number)
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json; charset=utf-8")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return self.server.server_address[1]

    def page(self, seed: str, results: int, number: int) -> dict[str, Any]:
        users = []
        for index in range(results):
            profile = self.profiles[index % len(self.profiles)]
            login = {**profile["login"], "uuid": login_uuid(seed, number, index)}
            users.append({**profile, "login": login, "dob": aged(profile["dob"]), "registered": aged(profile["registered"])})
        return {"results": users, "info": {"seed": seed, "results": results, "page": number, "version": "1.4"}}


class Hook:
    """Somebody who is told: takes what is signed with a secret, as often as it was not told to fail."""

    SECRET = "a-secret-of-the-tests-of-airflow"

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.took: list[tuple[str, dict[str, Any]]] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                signed = f"{self.headers['X-Storepulse-Timestamp']}.".encode() + body
                expected = "sha256=" + hmac.new(hook.SECRET.encode(), signed, "sha256").hexdigest()
                if self.headers["X-Storepulse-Signature"] != expected:
                    status = 401
                elif hook.failures > 0:
                    hook.failures, status = hook.failures - 1, 503
                else:
                    hook.took.append((self.headers["Idempotency-Key"], json.loads(body)))
                    status = 204
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def file(self, path: Path) -> str:
        """A file of alerts that names it, as `storepulse console --alerts` reads it."""
        url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        path.write_text(f'[[target]]\nname = "hook"\nwebhook = "{url}"\nsecret = "{self.SECRET}"\n')
        path.chmod(0o600)
        return str(path)


def login_uuid(seed: str, page: int, index: int) -> str:
    return str(UUID(bytes=hashlib.md5(f"{seed}/{page}/{index}".encode()).digest(), version=4))


def aged(event: dict[str, Any]) -> dict[str, Any]:
    """With the age that the API computes on request, and that is not stored."""
    since = datetime.now(timezone.utc) - datetime.fromisoformat(event["date"])
    return {**event, "age": int(since.days / 365.25)}
