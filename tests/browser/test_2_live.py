"""The Live page: figures that move, say how old they are, and are those of the tables."""

from conftest import faultless, picture
from pages import value
from processes import until


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


def test_every_age_counts_on_and_falls_when_something_comes(visitor):
    page = visitor("/")
    age = page.locator("time[data-age]").first
    age.wait_for()
    page.keyboard.press("p")
    before = age.inner_text()
    until("an age counts on while frames are held back", lambda: age.inner_text() != before, within_s=5)
    page.keyboard.press("p")


def test_a_hidden_tab_asks_for_nothing_and_catches_up(visitor, line):
    page = visitor("/")
    until("orders are counted", lambda: (value(page, "orders") or 0) > 0)
    before = value(page, "orders")
    asked = []
    # What the page is made of may still be arriving on a slow machine; it is asked for once.
    page.on("request", lambda request: "/static/" in request.url or asked.append(request.url))
    hide = "hidden => { Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});" \
        "Object.defineProperty(document, 'visibilityState', {value: hidden ? 'hidden' : 'visible', configurable: true});" \
        "document.dispatchEvent(new Event('visibilitychange')) }"
    page.evaluate(hide, True)
    asked.clear()
    page.wait_for_timeout(5_000)
    assert not asked, asked
    page.evaluate(hide, False)
    until("it is current again", lambda: value(page, "orders") > before, within_s=10)


def test_twelve_tabs_do_not_hang(chromium, line, visitor):
    pages = [visitor("/") for _ in range(12)]
    assert pages[0].request.get("/healthz", timeout=3_000).ok
    until("the last one has figures", lambda: (value(pages[-1], "orders") or 0) > 0)


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
