"""The Live page: figures that move, say how old they are, and are those of the tables."""

import re
import time

from conftest import faultless, picture
from pages import HIDE, hide, show, value
from processes import until
from test_1_access import ask


def test_figures_are_there_within_five_seconds(visitor):
    page = visitor("/")
    figures = ("visitors_5m", "orders", "net", "visits")
    until("the figures are there", lambda: all((value(page, name) or 0) > 0 for name in figures), within_s=240)
    fresh = visitor("/")
    until("a second visitor finds them at once", lambda: (value(fresh, "orders") or 0) > 0, within_s=5)
    faultless(visitor("/", bypass_csp=True))
    picture(page, "live")


def test_page_and_api_say_the_same(visitor):
    page = visitor("/")
    until("orders are counted", lambda: (value(page, "orders") or 0) > 0)

    def agree():
        told = page.request.get("/api/v1/shop/now").json()["data"]
        return abs(int(told["today"]["orders"]["value"]) - value(page, "orders")) <= 20

    until("page and API agree", agree, within_s=10)


# What each figure says of its age, and every age that it is given from now on, with the moment in ms.
AGES = (
    "() => Object.fromEntries([...document.querySelectorAll('[data-figure]')].map(figure =>"
    " [figure.dataset.figure, figure.querySelector('time[data-age]')?.textContent ?? null]))"
)
COUNT = (
    "() => { window.counted = {}; for (const figure of document.querySelectorAll('[data-figure]')) {"
    " const time = figure.querySelector('time[data-age]'), ages = window.counted[figure.dataset.figure] = [];"
    " new MutationObserver(() => ages.push([performance.now(), time.textContent])).observe(time, {childList: true}) } }"
)


def age_s(text):
    """The seconds of an age, `1.4 s ago` or `1 min 38 s ago`."""
    units = {"ms": 0.001, "s": 1, "min": 60, "h": 3_600, "d": 86_400}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([\d.]+)\s*(ms|s|min|h|d)\b", text))


def test_every_age_counts_on_and_falls_when_something_comes(visitor):
    page = visitor("/")
    until("orders are counted", lambda: (value(page, "orders") or 0) > 0)

    def ages():
        told = page.evaluate(AGES)
        return {name: age_s(text) for name, text in told.items()} if all(told.values()) else {}

    assert len(until("every figure has an age", ages)) == 6, page.evaluate(AGES)
    page.keyboard.press("p")
    until("frames are held back", lambda: page.locator("html[data-paused]").count())
    page.evaluate(COUNT)
    counted = lambda: page.evaluate("window.counted")
    until("each age counts on meanwhile", lambda: all(len(told) > 3 for told in counted().values()), within_s=15)
    for name, told in counted().items():
        (began, first), (ended, last) = told[0], told[-1]
        # A second a second; from ten on an age is told in whole ones.
        assert abs(age_s(last) - age_s(first) - (ended - began) / 1_000) <= 1.1, (name, told)
    held = ages()
    page.keyboard.press("p")
    for name in ("events", "orders", "net", "conversion", "visits"):
        fallen = lambda name=name: ages().get(name, held[name]) < held[name]
        until(f"the age of {name} falls when something comes", fallen, within_s=20)


def test_a_hidden_tab_asks_for_nothing_and_catches_up(visitor, line):
    page = visitor("/")
    until("orders are counted", lambda: (value(page, "orders") or 0) > 0)
    before = value(page, "orders")
    asked = []
    # What the page is made of may still be arriving on a slow machine; it is asked for once.
    page.on("request", lambda request: "/static/" in request.url or asked.append(request.url))
    hide(page)
    asked.clear()
    page.wait_for_timeout(5_000)
    assert not asked, asked
    show(page)
    until("it is current again", lambda: value(page, "orders") > before, within_s=10)


def viewers(line):
    """How many event streams the console has open."""
    return int(float(re.search(r"^storepulse_console_viewers (\S+)$", ask(line, "/metrics")[2], re.M).group(1)))


def test_of_twelve_tabs_in_a_browser_the_one_that_is_seen_moves_and_each_is_current_when_shown(visitor, line):
    seen = visitor("/")
    # Those that are opened beside it are hidden from the beginning.
    seen.context.add_init_script(f"({HIDE})(true)")
    tabs = [seen.context.new_page() for _ in range(11)]
    for tab in tabs:
        tab.goto("/", wait_until="commit")
    for tab in tabs:
        tab.wait_for_load_state()
    until("each tab has figures", lambda: all((value(tab, "orders") or 0) > 0 for tab in [seen, *tabs]))
    loaded = max(value(tab, "orders") for tab in tabs)
    until("the one that is seen goes on", lambda: value(seen, "orders") > loaded, within_s=20)
    until("it alone has a stream", lambda: viewers(line) == 1, within_s=10)

    # A browser has six connections to a host, which streams of twelve tabs would hold.
    get = (
        "async () => { const began = performance.now();"
        " const answer = await fetch('/healthz', {cache: 'no-store'}); return [answer.status, performance.now() - began] }"
    )
    answers = [seen.evaluate(get) for _ in range(9)]
    assert {status for status, _ in answers} == {200}
    assert sorted(took_ms for _, took_ms in answers)[4] < 200, answers

    took = []
    for tab in tabs:
        newest = value(seen, "orders")
        assert value(tab, "orders") < newest, "a hidden tab is as it was"
        hide(seen)
        began = time.monotonic()
        tab.bring_to_front()
        show(tab)
        until("a tab that is shown is current", lambda: value(tab, "orders") >= newest, within_s=10, every_s=0.05)
        took.append(time.monotonic() - began)
        seen = tab
    assert sorted(took)[len(took) // 2] < 2, took
    until("there is still one stream", lambda: viewers(line) == 1, within_s=10)


def test_no_figure_adds_up_distinct_counts(visitor):
    page = visitor("/")

    def told_of():
        told = page.request.get("/api/v1/shop/visitors?period=today").json()
        return told["data"]["at_least"] is not None and told

    # The hours' own query comes after the minutes'.
    told = until("the hours tell their visitors", told_of, within_s=120)
    assert told["data"]["estimate"] is None
    assert int(told["data"]["at_least"]) <= int(told["data"]["at_most"])
    totals = page.request.get("/api/v1/shop/totals?period=today").json()["data"]
    assert "users" not in str(totals) and "'sessions'" not in str(totals)


def test_a_period_with_nothing_before_it_is_not_compared(visitor):
    page = visitor("/")
    told = page.request.get("/api/v1/shop/totals?period=today").json()
    assert told["period"]["compared_from"] and told["freshness"]["state"] in ("live", "late", "idle")
