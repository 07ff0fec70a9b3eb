"""What stops is named with its time and its reason, the rest goes on, and nothing has to be loaded again."""

import os
import re
import signal
import time

import pytest

from conftest import picture
from pages import counted, live
from processes import Seen, Service, quickest, sql, until
from streams import Stream
from test_6_alerts import state


def hop(page, name):
    return page.locator(f'.hop[data-key="{name}"]')


# What should be on a page once and is there more often: parts, and rows among their sisters.
TWICE = (
    "() => { const known = new Map(), twice = []; for (const element of document.querySelectorAll('[id], [data-key]')) {"
    " const name = element.id || element.dataset.key, of = element.id ? document : element.parentNode;"
    " if (!known.has(of)) known.set(of, new Set()); if (known.get(of).has(name)) twice.push(name); known.get(of).add(name) }"
    " return twice }"
)


def test_the_console_killed_comes_back_by_itself(visitor, line):
    page = live(visitor("/"))
    until("orders are counted", lambda: counted(page) > 0)
    # Gone with the page that a reload replaces.
    page.evaluate("window.sameAsBefore = true")
    line.kill("console")
    until("the strip says that the console is away", lambda: page.locator("#strip .lost").count())
    before = counted(page)
    line.start("console")
    until("figures move again", lambda: counted(page) > before)
    until("the strip says nothing of it any more", lambda: not page.locator("#strip .lost").count())
    assert page.evaluate("window.sameAsBefore"), "it was loaded again"
    assert page.evaluate(TWICE) == [], "nothing is there twice"


# What could be taken for a shop that sleeps.
OF_REST = ("FiguresLate", "FlowStopped", "QueryStalled", "NothingTakenIn", "JobNotRunning", "RelayNotStreaming")


def test_a_quiet_shop_is_idle_and_not_stale_and_raises_no_alert(visitor, line):
    line.stop("simulator")
    shop, flow = live(visitor("/")), live(visitor("/flow"))
    until("nothing is waiting", lambda: "nothing is waiting" in shop.locator("main").inner_text(), within_s=240)
    # The last micro-batch under load may have trailed; what is quiet is not held to it.
    until("no hop is late or stands still", lambda: not flow.locator(".hop.stopped, .hop.late").count(), within_s=240)
    # However long a rule waits before it fires: nothing begins to count.
    alerts = live(visitor("/alerts"))
    of_rest = lambda: {rule: state(alerts, rule) for rule in OF_REST}
    at_rest = lambda seen: all("ok" in told for told in seen.values()) or Seen(seen)
    until("no rule is pending", lambda: at_rest(of_rest()), within_s=240)
    for _ in range(10):
        alerts.wait_for_timeout(500)
        seen = of_rest()
        assert at_rest(seen) is True, seen
    line.start("simulator")


def test_a_relay_that_is_killed_is_red_with_time_and_reason(visitor, line):
    page = live(visitor("/flow"))

    def killed():
        until("the relay runs", lambda: "runs" in hop(page, "relay").get_attribute("class"))
        line.kill("relay")
        began = time.monotonic()
        until("its hop is red", lambda: "stopped" in hop(page, "relay").get_attribute("class"))
        took_s = time.monotonic() - began
        text = hop(page, "relay").inner_text()
        assert re.search(r"since \d\d:\d\d:\d\d", text), text
        picture(page, "flow-relay-killed")
        line.start("relay")
        return took_s

    quickest("a relay that was killed is red", killed, within_s=20)
    until("it runs again", lambda: "runs" in hop(page, "relay").get_attribute("class"))


def offsets_behind(page):
    """How far Spark is behind Kafka, and whether the page says that it grows."""
    told = re.search(r"([\d,]+) offsets behind(, \+)?", hop(page, "spark").inner_text())
    return (int(told.group(1).replace(",", "")), bool(told.group(2))) if told else (0, False)


@pytest.mark.skipif(not os.environ.get("STOREPULSE_LONG_TESTS"), reason="Spark takes minutes to come back: STOREPULSE_LONG_TESTS=1")
def test_a_spark_connect_that_is_killed_is_told_with_what_it_said_and_its_lag(visitor, line):
    shop, flow, jobs = (live(visitor(path)) for path in ("/", "/flow", "/jobs"))
    header = jobs.locator('[id="jobs.header"]')
    until("orders are counted", lambda: counted(shop) > 0, within_s=240)

    def runs():
        return "Job running" in header.inner_text() and "runs" in hop(flow, "spark").get_attribute("class")

    until("the job runs", runs, within_s=240)
    connect = Service("spark-connect")
    connect.kill()
    try:
        until("the job is restarting", lambda: "Job restarting" in header.inner_text())
        until("its hop does not run", lambda: "runs" not in hop(flow, "spark").get_attribute("class"))
        until("Spark is said to fall behind", lambda: offsets_behind(flow)[1])
        before, _ = offsets_behind(flow)
        until("it falls further behind", lambda: offsets_behind(flow)[0] > before + 200)
        picture(flow, "flow-spark-killed")
        picture(jobs, "jobs-spark-killed")

        # No query ended with an exception of its own: what Spark's client said is the whole of it.
        told = "select detail from ops.job_run order by started_at desc limit 1"
        said = header.locator("p > code")
        until("what Spark said is on the page, whole", lambda: said.all_text_contents() == [sql(told)])
    finally:
        connect.bring_back()
    until("the job runs again", lambda: "Job running" in header.inner_text(), within_s=400)
    until("Spark catches up", lambda: "runs" in hop(flow, "spark").get_attribute("class"), within_s=400)
    orders = counted(shop)
    until("figures move again, without a reload", lambda: counted(shop) > orders)
    for page in (shop, flow, jobs):
        assert not page.watched.errors, page.watched.errors


OF_POSTGRESQL = ("flow.history", "flow.slot", "flow.arrivals")
# Not the products: those of this hour are not known once it is over.
LIVE = ("live.recent", "live.funnel", "live.who", "live.categories", "live.channels")


# Of each of these panels what its heading says of its age, or nothing where it is not grey. In one step: a part that is
# replaced between two questions is of two states.
OF_GREY = (
    "ids => Object.fromEntries(ids.map(id => { const panel = document.getElementById(id);"
    " return [id, panel.matches('.stale') ? panel.querySelector('header .asof')?.innerText ?? 'no age' : null] }))"
)
OF_FIGURES = (
    "() => ({figures: [...document.querySelectorAll('.figure.stale')].map(figure => figure.innerText),"
    " where: document.querySelector('[id=\"live.where\"] .asof').innerText,"
    " beside: document.querySelectorAll('[id=\"live.countries\"].stale, [id=\"live.world\"].stale').length})"
)


def grey(page, ids, reason):
    """Whether each of these panels is grey, and says of when it is and why no newer figure comes."""
    seen = page.evaluate(OF_GREY, ids)
    of_when = re.compile(rf"as of \d\d:\d\d:\d\d, .+ ago: {reason}")
    return all(text and of_when.search(text) for text in seen.values()) or Seen(seen)


def none_grey(page, ids, reason):
    """Whether none of these panels is grey for this reason: on a slow machine they may trail, which is another one."""
    seen = page.evaluate(OF_GREY, ids)
    return not any(text and reason in text for text in seen.values()) or Seen(seen)


def grey_figures(page):
    """Whether each leading figure is grey, with its time and the reason, and what else Cassandra tells too."""
    seen = page.evaluate(OF_FIGURES)
    of_when = re.compile(r"as of \d\d:\d\d:\d\d, [^:]+ ago: Cassandra does not answer")
    told = [text for text in seen["figures"] if of_when.search(text)]
    return (len(told) == 6 and seen["beside"] == 2 and "Cassandra does not answer" in seen["where"]) or Seen(seen)


def took_s(page, path):
    """How long an answer takes."""
    began = time.monotonic()
    answer = page.request.get(path)
    assert answer.ok, (path, answer.status)
    return time.monotonic() - began


@pytest.mark.parametrize(
    ("service", "hop_name", "view", "elsewhere", "panels", "reason"),
    [
        ("cassandra", "cassandra", "/", "/topics", LIVE, "Cassandra does not answer"),
        ("kafka", "kafka", "/topics", "/quarantine", ("topics.table",), "Kafka does not answer"),
        ("postgres", "postgresql", "/flow", "/schemas", OF_POSTGRESQL, "PostgreSQL does not answer"),
    ],
)
def test_a_frozen_store_is_named_and_the_rest_goes_on(visitor, line, service, hop_name, view, elsewhere, panels, reason):
    shown, other, flow = (live(visitor(path)) for path in (view, elsewhere, "/flow"))
    until("all runs", lambda: flow.locator(".hop.runs").count() >= 5, within_s=300)
    if service == "cassandra":
        until("orders are counted", lambda: counted(shown) > 0)
    until("nothing of it is grey before", lambda: none_grey(shown, panels, reason))
    # A page goes on without a store after 400 ms. The rest of its time is what it takes anyway on this machine.
    usual_s = min(took_s(shown, view) for _ in range(5))
    # Gone with the page that a reload replaces.
    shown.evaluate("window.sameAsBefore = true")
    frozen = Service(service)
    frozen.freeze()
    try:
        until("its hop says so", lambda: re.search("stopped|unknown", hop(flow, hop_name).get_attribute("class")))
        until("what it told is grey, with time and reason", lambda: grey(shown, panels, reason))
        if service == "cassandra":
            until("so are the leading figures", lambda: grey_figures(shown))
        before = counted(shown) if service == "cassandra" else None
        # What waits for the store each time would take as long each time.
        quickest(f"{view} answers", lambda: took_s(shown, view), within_s=max(0.5, 0.4 + 4 * usual_s), tries=20)
        quickest(f"{elsewhere} answers", lambda: took_s(other, elsewhere), within_s=2, tries=5)
        picture(flow, f"flow-{service}-frozen")
        picture(shown, f"{service}-frozen")
    finally:
        frozen.thaw()
    until("it runs again without a reload", lambda: flow.locator(".hop.runs").count() >= 5, within_s=300)
    until("nothing of it is grey", lambda: none_grey(shown, panels, reason))
    if before is not None:
        until("figures move again", lambda: counted(shown) > before or Seen(before))
    assert shown.evaluate("window.sameAsBefore"), "it was loaded again"


def test_the_console_ends_quickly_with_open_streams(line):
    def told_to_end():
        # Eight a session at most.
        cookies = [line.session() for _ in range(3)]
        streams = [Stream(line, cookies[number % 3]) for number in range(20)]
        for stream in streams:
            stream.take(1)
        console = line.processes.pop("console")
        began = time.monotonic()
        console.signal(signal.SIGTERM)
        try:
            assert console.child.wait(60) == 0, console.printed()
            return time.monotonic() - began
        finally:
            console.stop()
            for stream in streams:
                stream.close()
            line.start("console")

    quickest("a console with open streams ends", told_to_end, within_s=2)
