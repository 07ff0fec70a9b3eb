"""What stops is named with its time and its reason, the rest goes on, and nothing has to be loaded again."""

import os
import re
import signal
import time

import pytest

from conftest import picture
from pages import value
from processes import Seen, Service, sql, until
from streams import Stream


def hop(page, name):
    return page.locator(f'.hop[data-key="{name}"]')


def test_the_console_killed_comes_back_by_itself(visitor, line):
    page = visitor("/")
    until("orders are counted", lambda: (value(page, "orders") or 0) > 0)
    line.kill("console")
    until("the strip says that the console is away", lambda: page.locator("#strip .lost").count(), within_s=15)
    before = value(page, "orders")
    line.start("console")
    until("figures move again", lambda: (value(page, "orders") or 0) > before, within_s=60)
    assert page.locator("#strip").count() == 1


def test_a_quiet_shop_is_idle_and_not_stale(visitor, line):
    line.stop("simulator")
    live, flow = visitor("/"), visitor("/flow")
    until("nothing is waiting", lambda: "nothing is waiting" in live.locator("main").inner_text(), within_s=120)
    # The last micro-batch under load may have trailed; what is quiet is not held to it.
    until("no hop is late or stands still", lambda: not flow.locator(".hop.stopped, .hop.late").count(), within_s=120)
    line.start("simulator")


def test_a_relay_that_is_killed_is_red_with_time_and_reason(visitor, line):
    page = visitor("/flow")
    until("the relay runs", lambda: "runs" in hop(page, "relay").get_attribute("class"))
    line.kill("relay")
    until("its hop is red", lambda: "stopped" in hop(page, "relay").get_attribute("class"), within_s=20)
    assert re.search(r"since \d\d:\d\d:\d\d", hop(page, "relay").inner_text()), hop(page, "relay").inner_text()
    picture(page, "flow-relay-killed")
    line.start("relay")
    until("it runs again", lambda: "runs" in hop(page, "relay").get_attribute("class"), within_s=60)


def offsets_behind(page):
    """How far Spark is behind Kafka, and whether the page says that it grows."""
    told = re.search(r"([\d,]+) offsets behind(, \+)?", hop(page, "spark").inner_text())
    return (int(told.group(1).replace(",", "")), bool(told.group(2))) if told else (0, False)


@pytest.mark.skipif(not os.environ.get("STOREPULSE_LONG_TESTS"), reason="Spark takes minutes to come back: STOREPULSE_LONG_TESTS=1")
def test_a_spark_connect_that_is_killed_is_told_with_what_it_said_and_its_lag(visitor, line):
    live, flow, jobs = visitor("/"), visitor("/flow"), visitor("/jobs")
    header = jobs.locator('[id="jobs.header"]')
    until("orders are counted", lambda: (value(live, "orders") or 0) > 0, within_s=240)

    def runs():
        return "Job running" in header.inner_text() and "runs" in hop(flow, "spark").get_attribute("class")

    until("the job runs", runs, within_s=120)
    connect = Service("spark-connect")
    connect.kill()
    try:
        until("the job is restarting", lambda: "Job restarting" in header.inner_text(), within_s=90)
        until("its hop does not run", lambda: "runs" not in hop(flow, "spark").get_attribute("class"), within_s=30)
        until("Spark is said to fall behind", lambda: offsets_behind(flow)[1], within_s=60)
        before, _ = offsets_behind(flow)
        until("it falls further behind", lambda: offsets_behind(flow)[0] > before + 200, within_s=60)
        picture(flow, "flow-spark-killed")
        picture(jobs, "jobs-spark-killed")

        # No query ended with an exception of its own: what Spark's client said is the whole of it.
        told = "select detail from ops.job_run order by started_at desc limit 1"
        said = header.locator("p > code")
        until("what Spark said is on the page, whole", lambda: said.all_text_contents() == [sql(told)], within_s=60)
    finally:
        connect.bring_back()
    until("the job runs again", lambda: "Job running" in header.inner_text(), within_s=180)
    until("Spark catches up", lambda: "runs" in hop(flow, "spark").get_attribute("class"), within_s=240)
    orders = value(live, "orders")
    until("figures move again, without a reload", lambda: value(live, "orders") > orders, within_s=60)
    for page in (live, flow, jobs):
        assert not page.watched.errors, page.watched.errors


# Not the products: those of this hour are not known once it is over.
LIVE = ("live.recent", "live.funnel", "live.who", "live.categories", "live.channels")


def grey(page, ids, reason):
    """Whether each of these panels is grey, and says of when it is and why no newer figure comes."""
    seen = {}
    for name in ids:
        panel = page.locator(f'section.stale[id="{name}"]')
        seen[name] = panel.locator("header .asof").inner_text() if panel.count() else "not grey"
    of_when = re.compile(rf"as of \d\d:\d\d:\d\d, .+ ago: {reason}")
    return all(of_when.search(text) for text in seen.values()) or Seen(seen)


def grey_figures(page):
    """Whether each leading figure is grey, with its time and the reason, and what else Cassandra tells too."""
    texts = page.locator(".figure.stale").all_inner_texts()
    told = [text for text in texts if re.search(r"as of \d\d:\d\d:\d\d, [^:]+ ago: Cassandra does not answer", text)]
    where = page.locator('[id="live.where"] .asof').inner_text()
    beside = page.locator('[id="live.countries"].stale, [id="live.world"].stale').count() == 2
    return (len(told) == 6 and beside and "Cassandra does not answer" in where) or Seen(texts, where)


def quickest_s(page, path):
    """How long an answer takes at best: the tests' machine is as busy as they make it."""
    took = []
    for _ in range(3):
        began = time.monotonic()
        assert page.request.get(path, timeout=5_000).ok, path
        took.append(time.monotonic() - began)
    return min(took)


@pytest.mark.parametrize(
    ("service", "hop_name", "view", "elsewhere", "panels", "reason"),
    [
        ("cassandra", "cassandra", "/", "/topics", LIVE, "Cassandra does not answer"),
        ("kafka", "kafka", "/topics", "/quarantine", ("topics.table",), "Kafka does not answer"),
        ("postgres", "postgresql", "/flow", "/schemas", ("flow.history",), "PostgreSQL does not answer"),
    ],
)
def test_a_frozen_store_is_named_and_the_rest_goes_on(visitor, line, service, hop_name, view, elsewhere, panels, reason):
    shown, other = visitor(view), visitor(elsewhere)
    flow = visitor("/flow")
    until("all runs", lambda: flow.locator(".hop.runs").count() >= 5, within_s=240)
    if service == "cassandra":
        until("orders are counted", lambda: (value(shown, "orders") or 0) > 0)
    # Gone with the page that a reload replaces.
    shown.evaluate("window.sameAsBefore = true")
    frozen = Service(service)
    frozen.freeze()
    try:
        until("its hop says so", lambda: re.search("stopped|unknown", hop(flow, hop_name).get_attribute("class")), within_s=30)
        until("what it told is grey, with time and reason", lambda: grey(shown, panels, reason), within_s=10)
        if service == "cassandra":
            until("so are the leading figures", lambda: grey_figures(shown), within_s=10)
        before = value(shown, "orders") if service == "cassandra" else None
        assert other.request.get(elsewhere, timeout=5_000).ok
        took_s = quickest_s(shown, view)
        assert took_s < 0.5, f"{view} answered after {took_s} s"
        picture(flow, f"flow-{service}-frozen")
        picture(shown, f"{service}-frozen")
    finally:
        frozen.thaw()
    until("it runs again without a reload", lambda: flow.locator(".hop.runs").count() >= 5, within_s=180)
    until("nothing of it is grey", lambda: not any(grey(shown, [name], reason) for name in panels), within_s=60)
    if before is not None:
        until("figures move again", lambda: value(shown, "orders") > before or Seen(before), within_s=60)
    assert shown.evaluate("window.sameAsBefore"), "it was loaded again"


def test_the_console_ends_quickly_with_open_streams(line):
    # Eight a session at most.
    cookies = [line.session() for _ in range(3)]
    streams = [Stream(line, cookies[number % 3]) for number in range(20)]
    for stream in streams:
        stream.take(1)
    console = line.processes.pop("console")
    console.signal(signal.SIGTERM)
    assert console.child.wait(5) == 0, console.printed()
    for stream in streams:
        stream.close()
    line.start("console")
