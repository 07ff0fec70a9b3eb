"""Relay, job, simulator and console as processes, each of which a test may kill and start again."""

import hmac
import http.client
import json
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
import urllib.request
from contextlib import contextmanager
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from playwright.sync_api import Error as Vanished

STOREPULSE = os.environ["STOREPULSE_BIN"]


def until(what, ask, within_s=120.0, every_s=0.1):
    """Asks until the answer is true, and returns it; what was seen instead is what a failure shows.

    How long it waits is not what a test claims: a busy machine may take so long. For what has to be quick there is `quickest`."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            answer = ask()
        except Vanished as gone:
            # The stream replaces parts of a page, and a script loads it again, while a test looks.
            answer = Seen(gone)
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s} s: {what}; seen instead: {answer!r}")
        time.sleep(every_s)


def quickest(what, attempt, within_s, tries=3):
    """Has something done until it was quick once: what else the machine does may hold up one attempt, and what is slow by
    itself is slow in each. An attempt waits until it is done, and returns how long that took where not all of it counts."""
    took = []
    while not took or took[-1] >= within_s:
        assert len(took) < tries, f"{what}: not within {within_s} s, but after {took}"
        began = time.monotonic()
        told = attempt()
        took.append(time.monotonic() - began if told is None else told)
    return took[-1]


class Seen:
    """An answer that is not the awaited one, as a failure shows it."""

    def __init__(self, *seen):
        self.seen = seen

    def __bool__(self):
        return False

    def __repr__(self):
        return ", ".join(repr(one) for one in self.seen)


class Process:
    """One `storepulse` process whose output is kept."""

    def __init__(self, *words):
        self.words = words
        self.output = tempfile.NamedTemporaryFile("w+", prefix="storepulse-", suffix=".log")
        self.child = subprocess.Popen([STOREPULSE, *words], stdout=self.output, stderr=subprocess.STDOUT)

    @property
    def pid(self):
        return self.child.pid

    def printed(self):
        return Path(self.output.name).read_text()

    def says(self, pattern, within_s=120.0):
        """Waits for words that it prints, and fails with all of them where it ends instead."""

        def look():
            found = re.search(pattern, self.printed())
            if not found and self.child.poll() is not None:
                raise AssertionError(f"{' '.join(self.words)} ended: {self.printed()}")
            return found

        return until(f"{' '.join(self.words)} says {pattern!r}", look, within_s)

    def signal(self, number):
        self.child.send_signal(number)

    def kill(self):
        """As a machine that loses its power."""
        self.child.kill()
        self.child.wait()

    def stop(self, within_s=60.0):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGCONT)
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(within_s)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"{' '.join(self.words)} did not end within {within_s} s: {self.printed()}") from None


def storepulse(*words, within_s=300.0, stdin=None):
    """Runs a command to its end and returns what it printed."""
    ended = subprocess.run(
        [STOREPULSE, *words], input=stdin, capture_output=True, text=True, timeout=within_s, check=False
    )
    assert ended.returncode == 0, f"{' '.join(words)}: {ended.stdout}{ended.stderr}"
    return ended.stdout


def sql(statement):
    """What PostgreSQL answers, fields parted by `|`. The address goes by the environment: arguments are everybody's to read."""
    at = urlsplit(os.environ["PG_URL"])
    address = {
        "PGHOST": at.hostname,
        "PGPORT": str(at.port),
        "PGUSER": at.username,
        "PGPASSWORD": unquote(at.password),
        "PGDATABASE": at.path.lstrip("/"),
    }
    asked = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statement]
    ended = subprocess.run(asked, env=os.environ | address, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, f"{statement}: {ended.stderr}"
    return ended.stdout.strip()


class Hook:
    """Receives what the console has to tell, as an HTTP server of somebody else: each notice that was signed, in order."""

    SECRET = "a-secret-of-the-browser-tests"
    # Of an address that lets in whoever knows it.
    TOKEN = "a-token-of-the-browser-tests"
    # As it is held in production, but for how long it takes. What a page shows in between has to last until a slow machine looks.
    FILE = """
every_ms = 1000
[[target]]
name = "hook"
webhook = "http://127.0.0.1:{port}/hook?token={token}"
secret = "{secret}"
[rule.RelayNotStreaming]
for_s = 10
clear_for_s = 3
[rule.NothingTakenIn]
for_s = 3
clear_for_s = 2
[rule.Blind]
raise_at = 3
clear_for_s = 1
"""

    def __init__(self):
        self.notices = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                signed = f"{self.headers['X-Storepulse-Timestamp']}.".encode() + body
                expected = hmac.new(Hook.SECRET.encode(), signed, "sha256").hexdigest()
                good = self.headers["X-Storepulse-Signature"] == f"sha256={expected}"
                if good:
                    hook.notices.append((self.headers["Idempotency-Key"], json.loads(body)))
                self.send_response(204 if good else 401)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.folder = tempfile.TemporaryDirectory(prefix="storepulse-alerts-")
        self.file = str(Path(self.folder.name) / "alerts.toml")
        Path(self.file).write_text(self.FILE.format(port=self.server.server_port, secret=self.SECRET, token=self.TOKEN))

    def told(self, rule):
        """The states of a rule that were told, in order; each notice has a key of its own."""
        keys = [key for key, notice in self.notices if notice.get("rule") == rule]
        assert len(keys) == len(set(keys)), keys
        return [notice["state"] for _, notice in self.notices if notice.get("rule") == rule]

    def last(self, rule):
        """The newest notice of a rule."""
        return [notice for _, notice in self.notices if notice.get("rule") == rule][-1]

    def forget(self):
        """What was told so far: a rule may fire in more than one test."""
        self.notices.clear()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.folder.cleanup()


class Line:
    """The line of the tests' namespace."""

    def __init__(self, rate=200):
        self.rate = rate
        self.processes = {}
        self.base = None
        self.listen = None
        self.hook = Hook()

    def start(self, name):
        words = {
            "relay": ("relay", "run"),
            "job": ("job", "run", "--beside-pct", "60"),
            "simulator": ("simulate", "--rate", str(self.rate), "--duration", "forever", "--seed", "5"),
            "console": (
                *("console", "--listen", self.listen or "127.0.0.1:0", "--no-link"),
                *("--rates", self.rates(), "--alerts", self.hook.file),
            ),
        }[name]
        process = self.processes[name] = Process(*words)
        if name == "console":
            self.base = process.says(r"(http://\S+)").group(1).rstrip("/")
            self.listen = self.base.removeprefix("http://")
            until("the console answers", self.healthy)
        if name == "relay":
            process.says("streaming|rows flow|events and")
        return process

    @staticmethod
    def rates():
        """Rates of the currency that simulated shoppers have none for, around today."""
        days = [date.today() + timedelta(days=days) for days in (-2, -1, 0, 1)]
        file = Path(tempfile.gettempdir()) / f"rates-{os.environ['STOREPULSE_NAMESPACE']}.csv"
        file.write_text("".join(f"{day},XXX,0.5\n" for day in days))
        return str(file)

    def healthy(self):
        try:
            with urllib.request.urlopen(f"{self.base}/healthz", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def make_whole(self):
        """Starts what does not run, and fails where something has ended though nobody stopped it."""
        ended = [name for name, process in self.processes.items() if process.child.poll() is not None]
        printed = {name: self.processes.pop(name).printed()[-4_000:] for name in ended}
        for name in ("console", "relay", "job", "simulator"):
            if name not in self.processes:
                self.start(name)
        assert not printed, printed

    def kill(self, name):
        self.processes.pop(name).kill()

    def stop(self, name):
        process = self.processes.pop(name, None)
        if process:
            process.stop()

    def stop_all(self):
        for name in ("simulator", "console", "job", "relay"):
            self.stop(name)
        self.hook.close()

    def link(self, role="operator"):
        """A link that lets somebody in once."""
        printed = storepulse("console", "link", "--role", role)
        path = re.search(r"/enter\?ticket=\S+", printed).group(0)
        return f"{self.base}{path}"

    @contextmanager
    def key(self, name):
        """A key of a program, good until the block ends."""
        try:
            yield re.search(r"^\S{40,}$", storepulse("console", "key", "add", name), re.M).group(0)
        finally:
            storepulse("console", "key", "revoke", name)

    def session(self, role="viewer"):
        """The cookie of somebody who followed a link, for requests that no browser makes."""
        ticket = self.link(role).split("ticket=")[1]
        connection = http.client.HTTPConnection(self.listen, timeout=30)
        form = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
        connection.request("POST", "/enter", body=f"ticket={ticket}", headers=form)
        answer = connection.getresponse()
        assert answer.status == 303, answer.read()
        cookies = [value for name, value in answer.getheaders() if name.lower() == "set-cookie"]
        return next(cookie.split(";")[0] for cookie in cookies if "session" in cookie)


class Service:
    """A service of the shared stack that is frozen or killed, and comes back: the others of the suite need it again."""

    def __init__(self, name):
        self.pids = tree(next(service["pid"] for service in services() if service["name"] == name))

    def freeze(self):
        for pid in self.pids:
            os.kill(pid, signal.SIGSTOP)

    def thaw(self):
        for pid in self.pids:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass

    def kill(self):
        for pid in self.pids:
            os.kill(pid, signal.SIGKILL)

    @staticmethod
    def bring_back():
        """Starts what was killed; what runs is left alone."""
        storepulse("stack", "up", "--no-console")


def services():
    """What the shared stack runs."""
    return json.loads(storepulse_or_sick("stack", "status", "--json"))


def storepulse_or_sick(*words):
    return subprocess.run([STOREPULSE, *words], capture_output=True, text=True, timeout=60, check=False).stdout


def memory_bytes(pid):
    """What a process has in memory of its own."""
    # One that has ended and was not waited for has none.
    kib = re.search(r"RssAnon:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(kib.group(1)) * 1_024 if kib else 0


def tree(pid):
    """A process and all that it started: PostgreSQL's sessions are processes of their own."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(grandchild for child in children for grandchild in tree(int(child)))]
