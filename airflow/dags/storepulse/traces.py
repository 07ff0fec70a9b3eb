"""Removes runs from Airflow that hold an id: their parameters, and their logs.

Over Airflow's own API, as somebody at the page would: tasks have no way to its database.
"""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import Request, urlopen

from airflow.configuration import conf

log = logging.getLogger(__name__)

CALL_LIMIT_S = 60
USER = "admin"


class Api:
    """Airflow's API, logged in as the one account there is."""

    def __init__(self) -> None:
        # Where tasks find it already, in containers too.
        self.root = conf.get("core", "execution_api_server_url").split("/execution")[0]
        self.token = ""
        passwords = json.loads(Path(conf.get("core", "simple_auth_manager_passwords_file")).read_text())
        self.token = self.call("POST", "/auth/token", {"username": USER, "password": passwords[USER]})["access_token"]

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        with urlopen(Request(self.root + path, data, headers, method=method), timeout=CALL_LIMIT_S) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def runs(self, dag: str, state: str) -> list[str]:
        path = f"/api/v2/dags/{dag}/dagRuns?limit=100&state={state}"
        return [run["dag_run_id"] for run in self.call("GET", path)["dag_runs"]]


def remove_run(api: Api, dag: str, run: str) -> None:
    """Removes a run with all that hangs on it. Logs first: without the run nobody would find them again."""
    logs = Path(conf.get("logging", "base_log_folder")) / f"dag_id={dag}" / f"run_id={run}"
    shutil.rmtree(logs, ignore_errors=True)
    if logs.exists():
        raise OSError(f"{logs} cannot be removed")
    api.call("DELETE", f"/api/v2/dags/{dag}/dagRuns/{quote(run, safe='')}")
    log.info("removed %s of %s", run, dag)
