"""Relay, job, simulator and console as processes, each of which a test may kill and start again."""

import os
import re
import signal
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

STOREPULSE = os.environ["STOREPULSE_BIN"]


def until(what, ask, within_s=60.0, every_s=0.1):
    """Asks until the answer is true, and returns it; what was seen instead is what a failure shows."""
    deadline = time.monotonic() + within_s
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s} s: {what}; seen instead: {answer!r}")
        time.sleep(every_s)


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


class Line:
    """The line of the tests' namespace."""

    def __init__(self):
        self.processes = {}
        self.base = None
        self.listen = None

    def start(self, name):
        words = {
            "relay": ("relay", "run"),
            "job": ("job", "run", "--beside-pct", "60"),
            "simulator": ("simulate", "--rate", "200", "--duration", "forever", "--seed", "5"),
            "console": ("console", "--listen", self.listen or "127.0.0.1:0", "--no-link"),
        }[name]
        process = self.processes[name] = Process(*words)
        if name == "console":
            self.base = process.says(r"(http://\S+)").group(1).rstrip("/")
            self.listen = self.base.removeprefix("http://")
            until("the console answers", self.healthy)
        if name == "relay":
            process.says("streaming|rows flow|events and")
        return process

    def healthy(self):
        try:
            with urllib.request.urlopen(f"{self.base}/healthz", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def kill(self, name):
        self.processes.pop(name).kill()

    def stop(self, name):
        process = self.processes.pop(name, None)
        if process:
            process.stop()

    def stop_all(self):
        for name in ("simulator", "console", "job", "relay"):
            self.stop(name)

    def link(self, role="operator"):
        """A link that lets somebody in once."""
        printed = storepulse("console", "link", "--role", role)
        path = re.search(r"/enter\?ticket=\S+", printed).group(0)
        return f"{self.base}{path}"


class Service:
    """A service of the shared stack that is frozen and thawed: the others of the suite need it again."""

    def __init__(self, name):
        import json

        services = json.loads(storepulse_or_sick("stack", "status", "--json"))
        self.pids = tree(next(service["pid"] for service in services if service["name"] == name))

    def freeze(self):
        for pid in self.pids:
            os.kill(pid, signal.SIGSTOP)

    def thaw(self):
        for pid in self.pids:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass


def storepulse_or_sick(*words):
    return subprocess.run([STOREPULSE, *words], capture_output=True, text=True, timeout=60, check=False).stdout


def tree(pid):
    """A process and all that it started: PostgreSQL's sessions are processes of their own."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(grandchild for child in children for grandchild in tree(int(child)))]
