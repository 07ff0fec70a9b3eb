"""Runs the `storepulse` command inside a task."""

from __future__ import annotations

import json
import logging
import os
import shlex
import signal
import subprocess
import threading
from collections import deque
from pathlib import Path
from typing import Any, TextIO

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from storepulse.redaction import without_ids

log = logging.getLogger(__name__)

# How much of what a failed command printed goes into the error.
LAST_LINES = 15
# A command ends its transaction and its Spark query in this time, or is killed.
STOP_LIMIT_S = 30
# What the command's parser answers to words it does not know: trying again would change nothing.
USAGE_ERROR = 2


def storepulse(*words: str) -> str:
    """Runs `storepulse <words>`, its output going to the task's log as it comes, and returns what it printed.

    The command ends with the task, in whatever way that ends: on a time-out or a mark in the page it is asked
    to stop and given time for it, and where the task itself is killed the kernel asks for us.
    """
    program = os.environ.get("STOREPULSE_BIN")
    if not program or not Path(program).is_file():
        raise AirflowFailException(
            f"STOREPULSE_BIN names no command ({program}): run `make airflow`, which builds and names it"
        )
    # Airflow masks secrets in the task's log, but not always in what it copies to its own output.
    shown = without_ids(shlex.join(["storepulse", *words]))
    log.info("running %s", shown)
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "TERM", program, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    last: deque[str] = deque(maxlen=LAST_LINES)
    errors = threading.Thread(target=_tell, args=(process.stderr, last), daemon=True)
    errors.start()
    try:
        printed = _tell(process.stdout, last)
        status = process.wait()
        errors.join()
    finally:
        _stop(process, shown)
    if status == 0:
        return "\n".join(printed)
    end = "\n".join(last)
    how = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
    failure = AirflowFailException if status == USAGE_ERROR else AirflowException
    raise failure(f"`{shown}` ended with {how}; the end of its output:\n{end}")


def storepulse_json(*words: str) -> dict[str, Any]:
    """Runs a command that prints one JSON document, and reads it."""
    printed = storepulse(*words, "--json")
    try:
        return json.loads(printed)
    except json.JSONDecodeError as error:
        raise AirflowFailException(
            f"`storepulse {words[0]}` printed no JSON ({error}): is STOREPULSE_BIN of this checkout?"
        ) from error


def _tell(stream: TextIO, last: deque[str]) -> list[str]:
    lines = []
    for line in stream:
        line = line.rstrip()
        log.info("%s", line if len(line) <= 2_000 else f"{line[:2_000]}… ({len(line)} characters)")
        last.append(line[:2_000])
        lines.append(line)
    return lines


def _stop(process: subprocess.Popen[str], shown: str) -> None:
    if process.poll() is not None:
        return
    log.warning("stopping %s", shown)
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        log.error("%s does not stop in %s s: killed", shown, STOP_LIMIT_S)
        process.kill()
        process.wait()
