"""What stops is named with its time and its reason, the rest goes on, and nothing has to be loaded again."""

import re
import signal

import pytest

from conftest import picture
from processes import Service, until
from test_2_live import value


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


@pytest.mark.parametrize(
    ("service", "hop_name", "view", "elsewhere"),
    [("cassandra", "cassandra", "/", "/topics"), ("kafka", "kafka", "/topics", "/quarantine"), ("postgres", "postgresql", "/flow", "/schemas")],
)
def test_a_frozen_store_is_named_and_the_rest_goes_on(visitor, line, service, hop_name, view, elsewhere):
    shown, other = visitor(view), visitor(elsewhere)
    flow = visitor("/flow")
    until("all runs", lambda: flow.locator(".hop.runs").count() >= 5, within_s=240)
    frozen = Service(service)
    frozen.freeze()
    try:
        until("its hop says so", lambda: re.search("stopped|unknown", hop(flow, hop_name).get_attribute("class")), within_s=30)
        assert other.request.get(elsewhere, timeout=5_000).ok
        assert shown.request.get(view, timeout=5_000).ok
        picture(flow, f"flow-{service}-frozen")
        picture(shown, f"{service}-frozen")
    finally:
        frozen.thaw()
    until("it runs again without a reload", lambda: flow.locator(".hop.runs").count() >= 5, within_s=180)


def test_the_console_ends_quickly_with_open_streams(visitor, line):
    pages = [visitor("/") for _ in range(5)]
    assert pages
    line.processes["console"].signal(signal.SIGTERM)
    line.processes.pop("console").child.wait(5)
    line.start("console")
